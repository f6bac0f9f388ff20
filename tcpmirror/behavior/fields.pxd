from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Request, Response


cdef class Sent:
    cdef list counts            # of each name of the resource: requests that carried it
    cdef uint64_t requests


cdef class Resource:
    cdef list names             # that answers know, as bytes
    cdef object wanted
    cdef uint64_t answers
    cdef dict sent              # method -> Sent

    cdef object learn(self, Request request, Response response)
    cdef str assigned(self, Request request)
