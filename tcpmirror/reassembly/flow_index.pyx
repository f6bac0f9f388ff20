# cython: language_level=3, boundscheck=False, wraparound=False
"""Flow index: finds the flow of a segment by its hash, and the flow that was idle longest.

The buckets own the flows; the list by age only points at them. The hash is keyed where it is made, so chains stay short.
"""
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint64_t
from libc.string cimport memset

from tcpmirror.model.segment cimport Segment
from tcpmirror.reassembly.flow cimport Flow

cdef enum:
    FIRST_BUCKETS = 4096  # a power of two


cdef class FlowIndex:
    """``count`` flows; ``oldest`` and ``newest``: the ends of the list by age."""

    def __cinit__(self):
        self.bucket_count = FIRST_BUCKETS
        self.buckets = <PyObject**>PyMem_Malloc(self.bucket_count * sizeof(PyObject*))
        if self.buckets == NULL:
            raise MemoryError
        memset(self.buckets, 0, self.bucket_count * sizeof(PyObject*))

    def __dealloc__(self):
        cdef Py_ssize_t index
        cdef PyObject* item
        cdef PyObject* following
        if self.buckets == NULL:
            return
        for index in range(self.bucket_count):
            item = self.buckets[index]
            while item != NULL:
                following = <PyObject*>(<Flow>item).chain
                Py_DECREF(<object>item)
                item = following
        PyMem_Free(self.buckets)

    cdef Flow find(self, const Segment* s):
        """Return the flow of the segment, or None."""
        cdef PyObject* item = self.buckets[s.flow_hash & <uint64_t>(self.bucket_count - 1)]
        while item != NULL:
            if (<Flow>item).hash == s.flow_hash and (<Flow>item).is_of(s):
                return <Flow>item
            item = <PyObject*>(<Flow>item).chain
        return None

    cdef int add(self, Flow flow) except -1:
        cdef PyObject** bucket
        if self.count >= self.bucket_count:
            self.grow()
        bucket = &self.buckets[flow.hash & <uint64_t>(self.bucket_count - 1)]
        flow.chain = bucket[0]
        bucket[0] = <PyObject*>flow
        Py_INCREF(flow)
        self.link_newest(flow)
        self.count += 1
        return 0

    cdef bint remove(self, Flow flow):
        """Take the flow out; False if it was not in."""
        cdef PyObject** link = &self.buckets[flow.hash & <uint64_t>(self.bucket_count - 1)]
        while link[0] != NULL and link[0] != <PyObject*>flow:
            link = <PyObject**>&(<Flow>link[0]).chain
        if link[0] == NULL:
            return False
        link[0] = <PyObject*>flow.chain
        flow.chain = NULL
        flow.is_removed = True
        self.unlink(flow)
        self.count -= 1
        Py_DECREF(flow)
        return True

    cdef int grow(self) except -1:
        cdef Py_ssize_t count = self.bucket_count * 4
        cdef PyObject** buckets = <PyObject**>PyMem_Malloc(count * sizeof(PyObject*))
        cdef Py_ssize_t index
        cdef PyObject* item
        cdef PyObject* following
        cdef uint64_t slot
        if buckets == NULL:
            raise MemoryError
        memset(buckets, 0, count * sizeof(PyObject*))
        for index in range(self.bucket_count):
            item = self.buckets[index]
            while item != NULL:
                following = <PyObject*>(<Flow>item).chain
                slot = (<Flow>item).hash & <uint64_t>(count - 1)
                (<Flow>item).chain = buckets[slot]
                buckets[slot] = item
                item = following
        PyMem_Free(self.buckets)
        self.buckets = buckets
        self.bucket_count = count
        return 0

    cdef void touch(self, Flow flow) noexcept:
        """Make the flow the newest."""
        if self.newest != <void*>flow:
            self.unlink(flow)
            self.link_newest(flow)

    cdef void link_newest(self, Flow flow) noexcept:
        flow.older = self.newest
        flow.newer = NULL
        if self.newest != NULL:
            (<Flow>self.newest).newer = <void*>flow
        self.newest = <void*>flow
        if self.oldest == NULL:
            self.oldest = <void*>flow

    cdef void unlink(self, Flow flow) noexcept:
        if flow.older != NULL:
            (<Flow>flow.older).newer = flow.newer
        elif self.oldest == <void*>flow:
            self.oldest = flow.newer
        if flow.newer != NULL:
            (<Flow>flow.newer).older = flow.older
        elif self.newest == <void*>flow:
            self.newest = flow.older
        flow.older = flow.newer = NULL
