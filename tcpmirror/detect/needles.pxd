from libc.stdint cimport uint8_t

cdef uint8_t families_of(bytes text) noexcept
cpdef bint holds_query(bytes body) noexcept
