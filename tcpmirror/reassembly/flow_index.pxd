cimport cython
from cpython.object cimport PyObject

from tcpmirror.model.segment cimport Segment
from tcpmirror.reassembly.flow cimport Flow


@cython.final
cdef class FlowIndex:
    cdef PyObject** buckets
    cdef Py_ssize_t bucket_count
    cdef void* oldest
    cdef void* newest
    cdef Py_ssize_t count
    cdef Flow find(self, const Segment* s)
    cdef int add(self, Flow flow) except -1
    cdef bint remove(self, Flow flow)
    cdef int grow(self) except -1
    cdef void touch(self, Flow flow) noexcept
    cdef void link_newest(self, Flow flow) noexcept
    cdef void unlink(self, Flow flow) noexcept
