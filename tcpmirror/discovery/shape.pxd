from libc.stdint cimport uint8_t

cdef enum Shape:
    WORD         # letters and what joins them
    MIXED        # digits too, or bytes that need quoting
    SMALL        # up to three digits, or a number with a point: a version as well as a value
    DATE
    # From here on a segment is a value whatever else is seen.
    INTEGER
    UUID
    HEX
    TOKEN
    EMAIL
    ADDRESS
    LONG

cdef Shape shape_of(const uint8_t* data, Py_ssize_t size) noexcept nogil
cdef Py_ssize_t stem_size(const uint8_t* data, Py_ssize_t size) noexcept nogil
