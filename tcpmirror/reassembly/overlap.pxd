from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef enum OverlapRule:
    KEEP_FIRST = 0
    KEEP_LAST = 1
    KEEP_BSD = 2
    KEEP_LINUX = 3
    KEEP_OLD_LINUX = 4
    KEEP_SOLARIS = 5


cdef inline bint newer_wins(OverlapRule rule, int32_t starts, int32_t ends) noexcept nogil:
    """Whether the newer of two overlapping segments is kept that starts and ends so many bytes behind the older one."""
    if rule == KEEP_FIRST:
        return False
    if rule == KEEP_LAST:
        return True
    if rule == KEEP_SOLARIS:
        return ends > 0 or (ends == 0 and starts <= 0)
    if starts != 0:
        return starts < 0
    return (rule == KEEP_LINUX and ends > 0) or (rule == KEEP_OLD_LINUX and ends >= 0)


cdef class Conflicts:
    cdef uint64_t count
    cdef list found     # (sequence number, kept, other), not told yet
    cdef Py_ssize_t shown
    cdef list fresh(self)
    cdef int compare(self, uint32_t seq, const uint8_t* kept, const uint8_t* other, uint32_t length) except -1


cdef struct Network:
    uint8_t prefix[16]
    int bits
    int ip_version
    OverlapRule rule


cdef class HostRules:
    cdef OverlapRule otherwise
    cdef Network* networks
    cdef Py_ssize_t count
    cdef OverlapRule of(self, const uint8_t* ip, int ip_version) noexcept
