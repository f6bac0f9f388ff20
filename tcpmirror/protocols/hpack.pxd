from libc.stdint cimport uint8_t, uint64_t


cdef Py_ssize_t huffman_decode(const uint8_t* data, Py_ssize_t size, uint8_t* output) noexcept nogil


cdef class HeaderDecoder:
    cdef list entries               # (name, value), oldest first
    cdef Py_ssize_t size            # of the entries as RFC 7541, section 4.1, counts it
    cdef Py_ssize_t limit
    cdef public bint is_uncertain   # entries may lie beyond those known
    cdef public uint64_t anomalies  # of the last block
    cdef list decode(self, const uint8_t* data, Py_ssize_t size, Py_ssize_t room)
    cdef void lose(self) noexcept
    cdef bint read_number(self, const uint8_t** at, const uint8_t* end, int bits, Py_ssize_t* number) noexcept
    cdef bytes read_text(self, const uint8_t** at, const uint8_t* end)
    cdef tuple entry(self, Py_ssize_t index)
    cdef int insert(self, tuple entry) except -1
    cdef int resize(self, Py_ssize_t limit) except -1
    cdef int evict(self) except -1
    cdef tuple literal(self, const uint8_t** at, const uint8_t* end, Py_ssize_t index)
    cdef list fail(self, list fields)
