from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Exchange


cdef class Guard:
    cdef object act, page
    cdef str counter, what
    cdef bint tells
    cdef uint64_t seen, failures

    cpdef object observe(self, Exchange exchange, about, session=*)
    cdef object _failed(self, fault)


cdef class Followers:
    cdef Guard sessions, behavior

    cpdef object observe(self, Exchange exchange, list findings)
