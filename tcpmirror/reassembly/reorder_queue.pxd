cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from tcpmirror.reassembly.overlap cimport Conflicts, OverlapRule

cdef enum:
    PIECE_BYTES = 144   # what a piece costs besides its bytes: object, bytes header, place in the list


cdef class Piece:
    cdef uint32_t seq, length
    cdef uint32_t skip          # of `data` that is no part of it any more
    cdef bytes data             # None: bytes that the capture cut off
    cdef uint64_t time_ns


@cython.final
cdef class ReorderQueue:
    cdef list pieces            # by seq, not overlapping
    cdef Py_ssize_t held_bytes  # of memory
    cdef uint64_t data_bytes    # of the stream
    cdef Conflicts conflicts
    cdef int64_t put(self, OverlapRule rule, uint32_t seq, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1
    cdef Py_ssize_t place(self, uint32_t seq) noexcept
    cdef int insert(self, Py_ssize_t at, uint32_t seq, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1
    cdef Py_ssize_t cut_out(self, Py_ssize_t at, uint32_t first, uint32_t stop) except -1
    cdef int shrink(self, Piece piece) except -1
    cdef bint covers(self, uint32_t seq) noexcept
    cdef int remove(self, Py_ssize_t first, Py_ssize_t stop) except -1
