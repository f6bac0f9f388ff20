from libc.stdint cimport uint8_t, uint16_t, uint64_t


cdef class FrameReceiver:
    cdef int take(self, uint64_t time_ns, const uint8_t* frame, Py_ssize_t size, int link_type, uint16_t vlan) except -1
