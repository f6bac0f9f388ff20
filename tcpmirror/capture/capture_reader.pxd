from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from tcpmirror.capture.receiver cimport FrameReceiver

cdef extern from *:
    uint32_t __builtin_bswap32(uint32_t) nogil

cdef enum:
    SECOND_NS = 1000000000


cdef class CaptureReader:
    cdef const uint8_t[::1] memory
    cdef Py_ssize_t at, size
    cdef bint is_swapped             # the file's byte order is not the machine's
    cdef uint64_t before             # bytes of the file in front of `memory`
    cdef str name, expression
    cdef set link_numbers
    cdef public bint is_partial
    cdef bint may_read(self) except -1
    cdef bint is_starved(self) except -1
    cdef int read_next(self, FrameReceiver receiver) except -1
    cdef int add_link_type(self, int number) except -1
    cdef uint32_t u32(self, Py_ssize_t at) noexcept
    cdef uint16_t u16(self, Py_ssize_t at) noexcept
    cdef const uint8_t* start(self, Py_ssize_t at) noexcept
    cdef object fault(self, str text)
