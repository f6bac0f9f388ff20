from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    NO_LENGTH = -1
    WRONG_LENGTH = -2


cdef enum StartLine:
    START_BAD = 0       # not a start line
    START_REQUEST = 1
    START_RESPONSE = 2
    START_SIMPLE = 3    # HTTP/0.9: method and target only


cdef enum Role:
    ROLE_EITHER = 0     # not known yet: the first start line decides
    ROLE_CLIENT = 1
    ROLE_SERVER = 2


cdef struct Head:
    StartLine start
    Py_ssize_t method_size          # the method is head[0:method_size]
    Py_ssize_t target_at
    Py_ssize_t target_size
    Py_ssize_t version_at
    Py_ssize_t version_size
    int status
    uint64_t anomalies
    int64_t length                  # Content-Length; -1: none, -2: not a number
    bint is_chunked
    bint is_transfer_coded          # a Transfer-Encoding besides chunked
    Py_ssize_t content_codings      # headers that name some
    bint is_upgrade
    bint is_event_stream            # Server-Sent Events: a body without end
    bint is_http2_preface


cdef void parse_header_lines(Head* head, const uint8_t* data, Py_ssize_t size, Py_ssize_t limit) noexcept nogil
