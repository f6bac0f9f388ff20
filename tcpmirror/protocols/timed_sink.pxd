from libc.stdint cimport uint64_t

from tcpmirror.model.stream cimport EndKind, StreamSink


cdef class TimedSink(StreamSink):
    cdef uint64_t now_ns    # packet time of what is being read
    cdef inline int reach(self, uint64_t time_ns) except -1:
        """Do what was due by *time_ns*, before what came then is read."""
        if self.deadline_ns and time_ns >= self.deadline_ns:
            self.tick(time_ns)
        self.now_ns = time_ns
        return 0


cdef uint64_t broken_off(EndKind how) noexcept
cdef uint64_t unanswered(EndKind how) noexcept
