# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What compiled sources hand frames to."""
from libc.stdint cimport uint8_t, uint16_t, uint64_t


cdef class FrameReceiver:
    """Takes frames where they lie: a compiled subclass overrides `take`, one in Python `receive_frame`, which gets a copy."""

    cdef int take(self, uint64_t time_ns, const uint8_t* frame, Py_ssize_t size, int link_type, uint16_t vlan) except -1:
        """Take one frame, which is gone after the call. vlan: id of a tag that the kernel took off, or 0."""
        self.receive_frame(time_ns, (<const char*>frame)[:size], link_type, vlan)
        return 0

    def __call__(self, uint64_t time_ns, bytes frame):
        """Take a frame as pypcap hands it over."""
        self.take(time_ns, <const uint8_t*><const char*>frame, len(frame), -1, 0)

    def receive_frame(self, uint64_t time_ns, bytes frame, int link_type, int vlan):
        raise NotImplementedError
