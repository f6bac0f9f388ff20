from libc.stdint cimport uint64_t

from tcpmirror.decode.text cimport uchar

cdef class CleanTexts:
    cdef uint64_t _key0, _key1
    cdef uint64_t* _known
    cdef uint64_t* _fresh
    cdef Py_ssize_t _fresh_count
    cdef bint is_known(self, const uchar* data, Py_ssize_t size) noexcept nogil
    cdef void forget_fresh(self) noexcept nogil
    cdef void learn(self) noexcept nogil
