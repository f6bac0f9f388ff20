from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Shedder:
    cdef uint8_t[::1] bits
    cdef public uint32_t threshold       # 0 to 65536: share of flows skipped
    cdef bint is_active
    cdef bint is_enabled
    cdef double high_water, low_water
    cdef bint is_shed(self, uint64_t flow_hash, bint is_syn) noexcept nogil
    cdef void adjust(self, double fill) noexcept nogil
