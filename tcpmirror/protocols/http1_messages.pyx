# cython: language_level=3, boundscheck=False, wraparound=False
"""Requests and responses of HTTP/1 as values, made of a head that `Half` has read in place."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcmp

from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.protocols.half cimport Half
from tcpmirror.protocols.head cimport ROLE_SERVER, START_SIMPLE, Head, parse_header_lines
from tcpmirror.protocols.start_line cimport parse_start_line

from tcpmirror.protocols.disfigured import mended

cdef tuple METHODS = (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE")
cdef bytes VERSION_11 = b"HTTP/1.1"
cdef bytes VERSION_10 = b"HTTP/1.0"
cdef bytes VERSION_09 = b"HTTP/0.9"


cdef bytes method_of(const uint8_t* data, Py_ssize_t size):
    """Return the method as bytes; the usual ones are the same object every time."""
    for known in METHODS:
        if len(<bytes>known) == size and memcmp(PyBytes_AS_STRING(known), data, size) == 0:
            return <bytes>known
    return PyBytes_FromStringAndSize(<const char*>data, size)


cdef bytes version_of(const uint8_t* data, Py_ssize_t size):
    if size == 8 and memcmp(data, b"HTTP/1.", 7) == 0:
        if data[7] == c"1":
            return VERSION_11
        if data[7] == c"0":
            return VERSION_10
    return PyBytes_FromStringAndSize(<const char*>data, size)


cdef Request request_of(Half half):
    """Return the request whose head *half* has read; its body is to come."""
    cdef Head* head = &half.head
    cdef const uint8_t* data = half.head_data
    cdef Request request = Request.__new__(Request)
    request.head = PyBytes_FromStringAndSize(<const char*>data, half.head_size)
    request.method = method_of(data, head.method_size)
    request.target = PyBytes_FromStringAndSize(<const char*>data + head.target_at, head.target_size)
    request.version = VERSION_09 if head.start == START_SIMPLE else version_of(data + head.version_at, head.version_size)
    return request


cdef bint is_simple(Request request):
    """Whether *request* is one of HTTP/0.9 (RFC 1945, section 4.1)."""
    return request.version is VERSION_09


cdef Response response_of(Half half, bytes read_as, int status):
    """Return the response whose head *half* has read, with the headers of *read_as*, if browsers see others."""
    cdef Response response = Response.__new__(Response)
    response.head = PyBytes_FromStringAndSize(<const char*>half.head_data, half.head_size)
    response.version = version_of(half.head_data, half.head.version_size)
    if read_as is not None:
        response._headers = Response(read_as).headers
    response.status = status
    return response


cdef bytes mend(Half half):
    """Read the head of a response again as forgiving browsers do; return what they see, None: the same."""
    cdef bytes raw = PyBytes_FromStringAndSize(<const char*>half.head_data, half.head_size)
    cdef bytes read_as = mended(raw)
    cdef Head before = half.head
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(read_as)
    if read_as == raw:
        return None
    parse_start_line(&half.head, data, <const uint8_t*>memchr(data, 10, len(read_as)) + 1 - data, ROLE_SERVER)
    parse_header_lines(&half.head, data, len(read_as), half.header_limit)
    half.head.status = before.status
    half.head.version_size = before.version_size
    half.head.anomalies |= before.anomalies
    half.anomalies |= half.head.anomalies
    return read_as
