from tcpmirror.decode.text cimport uchar

cdef enum JsonToken:
    JSON_BAD
    JSON_END
    JSON_KEY      # without its quotes
    JSON_STRING   # without its quotes
    JSON_SCALAR   # a number, true, false or null

cdef enum:
    JSON_DEPTH = 128

# Where a scan stands. After each token `begin` and `size` say where it is, `is_escaped` that it holds a backslash.
cdef struct JsonScan:
    const uchar* data
    Py_ssize_t stop
    Py_ssize_t at
    Py_ssize_t begin
    Py_ssize_t size
    bint is_escaped
    int state
    int depth
    bint in_object[JSON_DEPTH]

cdef void json_start(JsonScan* scan, const uchar* data, Py_ssize_t size) noexcept nogil
cdef JsonToken json_next(JsonScan* scan) noexcept nogil
cdef Py_ssize_t json_unescape(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil
