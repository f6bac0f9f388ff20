from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.model.stream cimport FlowInfo
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.half cimport Half, HalfState
from tcpmirror.protocols.evidence cimport Entry
from tcpmirror.protocols.pairing cimport Pairing
from tcpmirror.protocols.timed_sink cimport TimedSink

cdef enum:
    AHEAD_NS = 250_000_000   # a lost packet delays a direction by 100 ms (reassembly waits so long for it); this is ample

cdef uint64_t ODD_HEAD


cdef class Http1Exchanges(TimedSink):
    cdef ExchangeFactory factory
    cdef FlowInfo flow
    cdef Pairing pairing
    cdef Half half0
    cdef Half half1
    cdef Half client        # one of the two, or None while the roles are not known
    cdef Half server
    cdef uint64_t begun     # messages that began on the flow
    cdef uint64_t idle_ns   # packet time since which no response is in progress
    cdef uint64_t asked_ns  # packet time of the last request byte or loss
    cdef public unsigned int index
    cdef Response answered  # the 101 that ended HTTP/1
    cdef Request asked      # its request, if that was seen
    cdef object watched     # Readings that want the client's next bytes, or None
    cdef Half speaking      # whose bytes are read now, or None
    cdef bint is_endless    # the response in progress is an event stream
    cdef bint is_cut_off    # the flow ended without FIN: its last bytes may be missing
    cdef inline Half half(self, int side):
        return self.half1 if side else self.half0
    cdef int lost(self, Half half, uint64_t length, uint64_t left, HalfState before, uint64_t time_ns) except -1
    cdef int watch(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef int settle_readings(self, Entry entry) except -1
    cdef int count(self, Half half) except -1
    cdef bint is_quiet(self)
    cdef bint is_even(self)
    cdef int release(self, uint64_t anomaly) except -1
    cdef int settle(self, Half half) except -1
    cdef int emit_finished(self) except -1
    cdef int emit_entry(self, Entry entry) except -1
