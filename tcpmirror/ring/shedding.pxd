from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    MAX_RINGS = 256


cdef class Shedder:
    cdef uint8_t[::1] bits
    cdef uint32_t thresholds[MAX_RINGS]  # of each ring, 0 to 65536: share of new flows skipped
    cdef uint64_t eased_ns[MAX_RINGS]
    cdef bint is_active
    cdef bint is_enabled
    cdef double high_water, low_water, span
    cdef bint is_shed(self, uint64_t flow_hash) noexcept nogil
    cdef bint admits(self, uint64_t flow_hash, int ring, double fill) noexcept nogil
    cdef void ease(self, int ring, double fill, uint64_t now_ns) noexcept nogil
    cdef uint32_t wanted(self, double fill) noexcept nogil
    cdef uint32_t highest(self) noexcept nogil
