# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Start lines: what the first line of a message says, and where one begins in bytes that may be anything.

The reading is that of the servers and clients in use, not the strictest one of RFC 9112: they went on, so a tap must too.
Every departure from the RFC sets an Anomaly bit.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr, memcmp, memset, strncasecmp

from tcpmirror.protocols.head cimport (
    NO_LENGTH, ROLE_CLIENT, ROLE_SERVER, START_BAD, START_REQUEST, START_RESPONSE, START_SIMPLE, Head, Role, StartLine)
from tcpmirror.protocols.octets cimport is_blank, is_digit, is_token

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BAD_START_LINE = 1 << Anomaly.BAD_START_LINE
cdef uint64_t SPACE_IN_TARGET = 1 << Anomaly.SPACE_IN_TARGET
cdef uint64_t ABSOLUTE_TARGET = 1 << Anomaly.ABSOLUTE_TARGET

cdef enum:
    STATUS_DIGITS = 4    # read at most

# Methods found in the middle of a line while hunting, longest first where one ends in another.
cdef tuple KNOWN_METHODS = (
    b"GET", b"POST", b"PROPPATCH", b"PATCH", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PROPFIND",
    b"MKCOL", b"COPY", b"MOVE", b"UNLOCK", b"LOCK", b"REPORT", b"SEARCH", b"MERGE", b"PURGE",
)


cdef inline Py_ssize_t line_text(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Return the size of a line without its line end."""
    if size and data[size - 1] == 10:
        size -= 1
        if size and data[size - 1] == 13:
            size -= 1
    return size


cdef Plausible plausible_start(const uint8_t* data, Py_ssize_t size, Role role) noexcept nogil:
    """Return whether *data* may be the beginning of a start line; looks at no more than METHOD_LIMIT bytes."""
    cdef Py_ssize_t at = 0
    if role != ROLE_CLIENT and strncasecmp(<const char*>data, b"HTTP/", size if size < 5 else 5) == 0:
        return MAY_BE
    if role == ROLE_SERVER:
        return IS_NOT
    while at < size and at < METHOD_LIMIT:
        if not is_token(data[at]):
            return MAY_BE if at > 0 and data[at] == 32 else IS_NOT
        at += 1
    return MAY_BE if at < METHOD_LIMIT else IS_NOT


cdef StartLine parse_start_line(Head* head, const uint8_t* data, Py_ssize_t size, Role role) noexcept nogil:
    """Fill *head* from the line data[0:size] (its line end may follow in it) and return what it is.

    *role* tells which of the two a side may send. Resets the whole of *head*.
    """
    memset(head, 0, sizeof(Head))
    head.length = NO_LENGTH
    size = line_text(data, size)
    if role != ROLE_CLIENT and size >= 5 and strncasecmp(<const char*>data, b"HTTP/", 5) == 0:
        if memcmp(data, b"HTTP/", 5) != 0:
            head.anomalies |= BAD_START_LINE
        head.start = parse_status_line(head, data, size, role)
    elif role != ROLE_SERVER:
        head.start = parse_request_line(head, data, size)
    return head.start


cdef StartLine parse_status_line(Head* head, const uint8_t* data, Py_ssize_t size, Role role) noexcept nogil:
    """``HTTP/x SP ddd [SP reason]`` (RFC 9112, section 4), any blanks or control characters for the spaces.

    Of a server browsers also take a status of other than three digits, or none: it is the number that the digits make, or 0.
    """
    cdef Py_ssize_t at = 5, begin
    if size == 5 or not (is_digit(data[5]) or data[5] <= 32):
        return START_BAD
    while at < size and (data[at] > 32 or (data[at] == 0 and not (at + 1 < size and is_digit(data[at + 1])))):
        at += 1
    head.version_size = at
    while at < size and data[at] <= 32:
        at += 1
    begin = at
    while at < size and at < begin + STATUS_DIGITS and is_digit(data[at]):
        head.status = head.status * 10 + data[at] - 48
        at += 1
    if at == begin + 3 and (at == size or not is_digit(data[at])):
        return START_RESPONSE
    if role != ROLE_SERVER or head.version_size < 8 or memcmp(data + 5, b"1.", 2) != 0:
        return START_BAD
    head.anomalies |= BAD_START_LINE
    return START_RESPONSE


cdef StartLine parse_request_line(Head* head, const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """``method SP target SP HTTP/x`` (RFC 9112, section 3): first blank, and last blank before the version.

    Without a version it is HTTP/0.9 (RFC 1945, section 5) if it could be nothing else.
    """
    cdef Py_ssize_t at = 0, stop = size, version
    while at < size and at < METHOD_LIMIT and is_token(data[at]):
        at += 1
    if at == 0 or at >= size or data[at] != 32:
        return START_BAD
    head.method_size = at
    while at < size and data[at] == 32:
        at += 1
    while stop > at and is_blank(data[stop - 1]):
        stop -= 1
    version = stop
    while version > at and not is_blank(data[version - 1]):
        version -= 1
    if version > at and stop - version > 5 and memcmp(data + version, b"HTTP/", 5) == 0:
        head.version_at = version
        head.version_size = stop - version
        stop = version
        while stop > at and is_blank(data[stop - 1]):
            stop -= 1
    head.target_at = at
    head.target_size = stop - at
    if head.target_size <= 0:
        return START_BAD
    if at > head.method_size + 1 or memchr(data + at, 32, stop - at) != NULL:
        head.anomalies |= SPACE_IN_TARGET
    if data[at] != c"/" and memchr(data + at, c":", stop - at) != NULL and not (
            head.method_size == 7 and memcmp(data, b"CONNECT", 7) == 0):
        head.anomalies |= ABSOLUTE_TARGET
    if not head.version_size:
        return START_SIMPLE if head.method_size == 3 and memcmp(data, b"GET", 3) == 0 and data[at] == c"/" else START_BAD
    head.is_http2_preface = (head.method_size == 3 and memcmp(data, b"PRI", 3) == 0 and head.version_size == 8
                             and memcmp(data + version, b"HTTP/2.0", 8) == 0)
    return START_REQUEST


cdef bint is_known_method(const uint8_t* data, Py_ssize_t size) noexcept:
    """Whether *data* is one of the methods in common use."""
    for method in KNOWN_METHODS:
        if len(<bytes>method) == size and memcmp(data, <const uint8_t*><const char*>(<bytes>method), size) == 0:
            return True
    return False


cdef bint parse_cut_request_line(Head* head, const uint8_t* data, Py_ssize_t size) noexcept:
    """Fill *head* from a request line that ends inside its version, behind a known method and a whole target."""
    cdef const uint8_t* blank = <const uint8_t*>memchr(data, 32, size)
    cdef Py_ssize_t version = size
    if blank == NULL or not is_known_method(data, blank - data):
        return False
    while version > 0 and data[version - 1] != 32:
        version -= 1
    if version == size or size - version > 7 or version < blank + 3 - data or memcmp(data + version, b"HTTP/1.", size - version):
        return False
    memset(head, 0, sizeof(Head))
    head.length = NO_LENGTH
    head.start = START_REQUEST
    head.method_size = blank - data
    head.target_at = head.method_size + 1
    head.target_size = version - 1 - head.target_at
    head.version_at = version
    head.version_size = size - version
    if memchr(data + head.target_at, 32, head.target_size) != NULL:
        head.anomalies |= SPACE_IN_TARGET
    return True


cdef Py_ssize_t find_start_line(const uint8_t* line, Py_ssize_t size, bint is_line_start, Role role,
                                Py_ssize_t limit) noexcept nogil:
    """Return where a start line begins in line[0:size], which ends in LF, or -1.

    For hunting after lost bytes, so stricter than the parser: HTTP/1 only, and a target that looks like one. The start line
    may follow the end of a body in the same line; a method there has to be a known one. Only the last *limit* bytes count,
    so that the answer does not depend on how the line was cut.
    """
    cdef Py_ssize_t found = -1, text
    cdef Py_ssize_t skipped = size - limit if size > limit else 0
    line += skipped
    text = line_text(line, size - skipped)
    if role != ROLE_CLIENT:
        found = find_status_line(line, text)
    if found < 0 and role != ROLE_SERVER:
        found = find_request_line(line, text, is_line_start and not skipped)
    return found if found < 0 else found + skipped


cdef Py_ssize_t find_status_line(const uint8_t* line, Py_ssize_t size) noexcept nogil:
    cdef const uint8_t* at = line
    cdef const uint8_t* end = line + size
    while end - at >= 12:
        at = <const uint8_t*>memchr(at, c"H", end - at - 11)
        if at == NULL:
            return -1
        if memcmp(at, b"HTTP/1.", 7) == 0 and is_digit(at[7]) and at[8] == 32 and is_digit(at[9]) and is_digit(at[10]) and (
                is_digit(at[11]) and (end - at == 12 or at[12] == 32)):
            return at - line
        at += 1
    return -1


cdef Py_ssize_t find_request_line(const uint8_t* line, Py_ssize_t size, bint is_line_start) noexcept nogil:
    cdef Py_ssize_t stop = size - 9, target, method
    if stop < 3 or memcmp(line + stop, b" HTTP/1.", 8) != 0 or not is_digit(line[size - 1]):
        return -1
    target = stop
    while target > 0 and line[target - 1] != 32:
        target -= 1
    if target < 2 or target == stop or not is_target(line + target, stop - target):
        return -1
    method = target - 1
    while method > 0 and is_token(line[method - 1]):
        method -= 1
    if method == target - 1:
        return -1
    if is_line_start and method == 0 and target <= METHOD_LIMIT:
        return 0
    return known_method_before(line, target - 1)


cdef inline bint is_target(const uint8_t* target, Py_ssize_t size) noexcept nogil:
    return target[0] == c"/" or target[0] == c"*" or memchr(target, c":", size) != NULL


cdef Py_ssize_t known_method_before(const uint8_t* line, Py_ssize_t stop) noexcept with gil:
    """Return where the known method that ends at *stop* begins, or -1."""
    cdef Py_ssize_t size
    for method in KNOWN_METHODS:
        size = len(<bytes>method)
        if size <= stop and memcmp(line + stop - size, <const uint8_t*><const char*>(<bytes>method), size) == 0:
            return stop - size
    return -1
