from libc.stdint cimport uint64_t

from tcpmirror.decode.text cimport uchar

cdef enum:
    KEPT_BYTES = 300  # the longest text that is remembered
    KEYS = 2 * (KEPT_BYTES // 16 + 1) + 4

cdef class CleanTexts:
    cdef uint64_t[KEYS] _keys
    cdef uint64_t* _known
    cdef uint64_t* _fresh
    cdef Py_ssize_t _fresh_count
    cdef void _draw_keys(self)
    cdef uint64_t _hash(self, const uchar* data, Py_ssize_t size, uint64_t length, uint64_t under) noexcept nogil
    cdef uint64_t mark(self, const uchar* data, Py_ssize_t size, bint is_escaped, uint64_t under) noexcept nogil
    cdef uint64_t* _pair(self, uint64_t mark) noexcept nogil
    cdef bint knows(self, uint64_t mark) noexcept nogil
    cdef void forget_fresh(self) noexcept nogil
    cdef void learn(self) noexcept nogil
