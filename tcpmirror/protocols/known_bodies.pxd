from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.exchange cimport KnownBody

cdef enum:
    LEAST_KNOWN = 16  # bytes of a body: shorter ones are not worth a look


cdef class KnownBodies:
    cdef list places                    # KnownBody or None, two places for each mark
    cdef uint64_t* seen_once            # marks of bodies, each at the place of its own
    cdef Py_ssize_t hand                # the place from which room is made next
    cdef readonly Py_ssize_t held_bytes
    cdef KnownBody find(self, uint64_t mark, const uint8_t* data, Py_ssize_t size, tuple codings)
    cdef KnownBody note(self, uint64_t mark, bytes sent, tuple codings, bytes body)
    cdef int put(self, KnownBody known) except -1
    cdef int drop(self, Py_ssize_t place) except -1


cdef uint64_t mark_of(const uint8_t* data, Py_ssize_t size, bint is_coded) noexcept nogil
