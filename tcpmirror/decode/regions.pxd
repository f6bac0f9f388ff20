from libc.stdint cimport uint16_t

from tcpmirror.decode.text cimport uchar

cdef enum:
    SEPARATOR = 1

# A run of texts ("regions") one behind the other, each ended by SEPARATOR; `ends` and `traits` have one entry a region.
# While `is_file` is set, what is added is the content of a file.
cdef struct Regions:
    uchar* data
    Py_ssize_t size
    Py_ssize_t room
    Py_ssize_t limit
    Py_ssize_t* ends
    uint16_t* traits
    Py_ssize_t count
    Py_ssize_t count_room
    bint is_file

cdef bint start(Regions* regions, Py_ssize_t room, Py_ssize_t limit) noexcept nogil
cdef void release(Regions* regions) noexcept nogil
cdef bint reserve(Regions* regions, Py_ssize_t more) noexcept nogil
cdef bint close(Regions* regions, Py_ssize_t size) noexcept nogil
cdef bint append(Regions* regions, const uchar* data, Py_ssize_t size) noexcept nogil
cdef void cut(Regions* regions, Py_ssize_t size, Py_ssize_t count) noexcept nogil
cdef tuple by_alphabet(Regions* regions)
