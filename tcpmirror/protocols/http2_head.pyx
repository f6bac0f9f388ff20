# cython: language_level=3, boundscheck=False, wraparound=False
"""Heads of HTTP/2 messages (RFC 9113, section 8.3) written the way HTTP/1 writes them, so that nothing past this stage differs.

``head`` is for reading: line ends and NULs inside names and values are blanks in it. The pairs of ``headers`` keep them.
"""
from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Message, Request, Response

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BAD_HEADER = 1 << Anomaly.BAD_HEADER
cdef uint64_t NUL_IN_HEAD = 1 << Anomaly.NUL_IN_HEAD
cdef uint64_t MULTIPLE_HOST = 1 << Anomaly.MULTIPLE_HOST
cdef uint64_t SPACE_IN_TARGET = 1 << Anomaly.SPACE_IN_TARGET
cdef uint64_t HEADER_COUNT_LIMIT = 1 << Anomaly.HEADER_COUNT_LIMIT

cdef bytes VERSION = b"HTTP/2"
cdef tuple METHODS = (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE")
# What only a connection of HTTP/1 can mean: no one may send it here (section 8.2.2), and a proxy that passes it on to an
# HTTP/1 server lets one request hide another.
cdef frozenset CONNECTION_HEADERS = frozenset(
    (b"connection", b"transfer-encoding", b"upgrade", b"keep-alive", b"proxy-connection"))
cdef object BREAKS = bytes.maketrans(b"\r\n\0", b"   ")


cdef bint has_request_fields(list fields):
    """Whether *fields* begin a request."""
    for name, _ in fields:
        if name == b":method" or name == b":path" or name == b":scheme" or name == b":authority":
            return True
    return False


cdef int status_of(list fields):
    """Return the status that *fields* carry, 0 if it is none, -1 without one."""
    for name, value in fields:
        if name == b":status":
            return int(value) if len(<bytes>value) == 3 and (<bytes>value).isdigit() else 0
    return -1


cdef bytes line(bytes name, bytes value):
    return (name + b": " + value).translate(BREAKS) + b"\r\n"


cdef uint64_t judge(bytes name, bytes value):
    """Return the anomalies of one field (section 8.2.1)."""
    cdef uint64_t anomalies = 0
    if b"\0" in name or b"\0" in value:
        anomalies |= NUL_IN_HEAD
    if b"\n" in value or b"\r" in value or name in CONNECTION_HEADERS:
        anomalies |= BAD_HEADER
    if not name.islower() or b" " in name or b":" in name or b"\n" in name or b"\r" in name:
        anomalies |= BAD_HEADER
    return anomalies


cdef tuple regular_fields(list fields, uint64_t* anomalies):
    """Return what follows the pseudo-header fields; the parts of a cookie are one field again (section 8.2.3)."""
    cdef list pairs = [], cookies = []
    cdef Py_ssize_t place = 0
    for name, value in fields:
        if (<bytes>name).startswith(b":"):
            continue
        anomalies[0] |= judge(name, value)
        if name == b"cookie":
            if not cookies:
                place = len(pairs)
                pairs.append(None)
            cookies.append(value)
        else:
            pairs.append((name, value))
    if cookies:
        pairs[place] = (b"cookie", b"; ".join(cookies))
    return tuple(pairs)


cdef bytes pseudo(list fields, bytes wanted):
    """Return the first value of the pseudo-header field *wanted*, or None."""
    for name, value in fields:
        if name == wanted:
            return <bytes>value
    return None


cdef bytes known(bytes method):
    for name in METHODS:
        if name == method:
            return <bytes>name
    return method


cdef Request request_of(list fields, uint64_t anomalies, Py_ssize_t header_limit):
    """Return the request that *fields* describe; what they do not say, or what was never seen, is empty."""
    cdef Request request = Request.__new__(Request)
    cdef bytes method = pseudo(fields, b":method") or b""
    cdef bytes authority = pseudo(fields, b":authority")
    cdef bytes target = pseudo(fields, b":path")
    cdef tuple pairs = regular_fields(fields, &anomalies)
    cdef bint has_host = False
    if target is None:
        target = authority if method == b"CONNECT" and authority is not None else b""
    if authority is not None:
        for name, value in pairs:
            if name == b"host":
                has_host = has_host or value == authority
                if value != authority:
                    anomalies |= MULTIPLE_HOST
        if not has_host:
            pairs = ((b"host", authority), *pairs)
    if b" " in target or b"\r" in target or b"\n" in target:
        anomalies |= SPACE_IN_TARGET
    if len(pairs) > header_limit:
        anomalies |= HEADER_COUNT_LIMIT
    request.method = known(method)
    request.target = target
    request.version = VERSION
    request._headers = pairs
    request.head = b"".join([
        b"%b %b HTTP/2" % (method.translate(BREAKS), target.translate(BREAKS)), b"\r\n",
        *[line(name, value) for name, value in pairs], b"\r\n"])
    request.anomalies = anomalies
    return request


cdef Response response_of(list fields, uint64_t anomalies, Py_ssize_t header_limit):
    """Return the final response that *fields* describe."""
    cdef Response response = Response.__new__(Response)
    cdef int status = status_of(fields)
    cdef tuple pairs = regular_fields(fields, &anomalies)
    if len(pairs) > header_limit:
        anomalies |= HEADER_COUNT_LIMIT
    response.status = status if status > 0 else 0
    response.version = VERSION
    response._headers = pairs
    response.head = b"".join([
        b"HTTP/2 %03d\r\n" % response.status, *[line(name, value) for name, value in pairs], b"\r\n"])
    response.anomalies = anomalies
    return response


cdef int add_trailers(Message message, list fields, uint64_t anomalies) except -1:
    """Add the fields of a trailer section to the head of *message*: gRPC puts its status there."""
    cdef tuple pairs = regular_fields(fields, &anomalies)
    message._headers = (message._headers or ()) + pairs
    message.head = b"".join([message.head[:len(message.head) - 2], *[line(name, value) for name, value in pairs], b"\r\n"])
    message.anomalies |= anomalies
    return 0
