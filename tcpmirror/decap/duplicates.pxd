from libc.stdint cimport uint32_t, uint64_t

from tcpmirror.model.segment cimport Segment

cdef struct Seen:
    uint64_t fingerprint
    uint64_t time_ns


cdef class DuplicateTable:
    cdef void* memory
    cdef Seen* slots  # in memory, on a cache line's boundary
    cdef uint64_t window_ns
    cdef bint is_duplicate(self, const Segment* segment, uint32_t identity) noexcept nogil
