from libc.stdint cimport uint32_t, uint64_t

from tcpmirror.behavior.check cimport Check
from tcpmirror.behavior.route cimport Route
from tcpmirror.model.exchange cimport Exchange


cdef class Cell:
    cdef Check check
    cdef Route route
    cdef str path
    cdef bytes subject
    cdef tuple point
    cdef Exchange sample
    cdef uint64_t slot, first_ns, last_ns
    cdef uint32_t count
    cdef uint32_t* hashes
    cdef uint32_t size, room, largest  # place of the largest hash

    cdef void add_value(self, uint32_t value) noexcept
    cdef object counter(self)


cdef class Cells:
    cdef list cells
    cdef uint64_t* keys
    cdef uint64_t mask
    cdef int samples
    cdef readonly uint64_t evicted, used

    cdef void add(self, Exchange exchange, Check check, Route route, str path, uint64_t key, bytes subject, tuple point,
                  uint32_t value, bint has_value)
    cdef Cell _placed(self, Py_ssize_t at, uint64_t key, Check check, Route route, str path, bytes subject, tuple point,
                      uint64_t slot, uint64_t time_ns)
    cdef list take(self)


cdef str text_of(bytes subject)
