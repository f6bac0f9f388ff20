ctypedef unsigned char uchar

# Each writes to *out*, which must hold *size* bytes, and returns how many it wrote: no decoding makes a value longer.
cdef Py_ssize_t percent_into(const uchar* data, Py_ssize_t size, uchar* out, bint plus) noexcept nogil
cdef Py_ssize_t markup_into(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil
cdef Py_ssize_t unfold_into(const uchar* data, Py_ssize_t size, uchar* out, bint plus) noexcept nogil
cdef Py_ssize_t fold_into(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil
cdef Py_ssize_t base64_into(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil
cdef Py_ssize_t hex_into(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil
cdef bint is_plausible(const uchar* data, Py_ssize_t size) noexcept nogil
cdef bint is_packed(const uchar* data, Py_ssize_t size) noexcept nogil
