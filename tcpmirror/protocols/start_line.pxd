from libc.stdint cimport uint8_t

from tcpmirror.protocols.head cimport Head, Role, StartLine

cdef enum:
    METHOD_LIMIT = 32       # bytes; the longest registered method (UPDATEREDIRECTREF) has 17


cdef enum Plausible:
    IS_NOT = 0
    MAY_BE = 1


cdef Plausible plausible_start(const uint8_t* data, Py_ssize_t size, Role role) noexcept nogil
cdef StartLine parse_start_line(Head* head, const uint8_t* data, Py_ssize_t size, Role role) noexcept nogil
cdef bint parse_cut_request_line(Head* head, const uint8_t* data, Py_ssize_t size) noexcept
cdef bint is_known_method(const uint8_t* data, Py_ssize_t size) noexcept
cdef Py_ssize_t find_start_line(const uint8_t* line, Py_ssize_t size, bint is_line_start, Role role,
                                Py_ssize_t limit) noexcept nogil
