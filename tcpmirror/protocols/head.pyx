# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Heads: what a start line and the framing headers say, read in place without an object per header.

The reading is that of the servers and clients in use, not the strictest one of RFC 9112: they went on, so a tap must too.
Every departure from the RFC sets an Anomaly bit.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memchr, memcmp, memset, strncasecmp

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BARE_LF = 1 << Anomaly.BARE_LF
cdef uint64_t OBS_FOLD = 1 << Anomaly.OBS_FOLD
cdef uint64_t BAD_HEADER = 1 << Anomaly.BAD_HEADER
cdef uint64_t BAD_START_LINE = 1 << Anomaly.BAD_START_LINE
cdef uint64_t CONFLICTING_LENGTH = 1 << Anomaly.CONFLICTING_LENGTH
cdef uint64_t LENGTH_AND_CHUNKED = 1 << Anomaly.LENGTH_AND_CHUNKED
cdef uint64_t BAD_LENGTH = 1 << Anomaly.BAD_LENGTH
cdef uint64_t UNKNOWN_CODING = 1 << Anomaly.UNKNOWN_CODING
cdef uint64_t HEADER_COUNT_LIMIT = 1 << Anomaly.HEADER_COUNT_LIMIT
cdef uint64_t SPACE_IN_TARGET = 1 << Anomaly.SPACE_IN_TARGET
cdef uint64_t ABSOLUTE_TARGET = 1 << Anomaly.ABSOLUTE_TARGET
cdef uint64_t NUL_IN_HEAD = 1 << Anomaly.NUL_IN_HEAD
cdef uint64_t MULTIPLE_HOST = 1 << Anomaly.MULTIPLE_HOST
cdef uint64_t BARE_CR = 1 << Anomaly.BARE_CR
cdef uint64_t REPEATED_LENGTH = 1 << Anomaly.REPEATED_LENGTH
cdef uint64_t HIDDEN_FRAMING = 1 << Anomaly.HIDDEN_FRAMING
cdef uint64_t OLD_CHUNKED = 1 << Anomaly.OLD_CHUNKED

cdef enum:
    STATUS_DIGITS = 4    # read at most

# Methods found in the middle of a line while hunting, longest first where one ends in another.
cdef tuple KNOWN_METHODS = (
    b"GET", b"POST", b"PROPPATCH", b"PATCH", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PROPFIND",
    b"MKCOL", b"COPY", b"MOVE", b"UNLOCK", b"LOCK", b"REPORT", b"SEARCH", b"MERGE", b"PURGE",
)
cdef uint8_t TOKEN[256]      # 1 where a byte may stand in a token (RFC 9110, section 5.6.2)
for _place in range(256):
    TOKEN[_place] = chr(_place) in "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


cdef inline bint is_blank(uint8_t byte) noexcept nogil:
    return byte == 32 or byte == 9


cdef inline bint is_digit(uint8_t byte) noexcept nogil:
    return 48 <= byte <= 57


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
        if not TOKEN[data[at]]:
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
    while at < size and at < METHOD_LIMIT and TOKEN[data[at]]:
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


cdef void parse_header_lines(Head* head, const uint8_t* data, Py_ssize_t size, Py_ssize_t limit) noexcept nogil:
    """Read what of the headers decides framing; data[0:size] is the whole head, its start line already parsed into *head*.

    More than *limit* headers set an anomaly, but those after it still count for framing, or they could
    hide a body.
    """
    cdef const uint8_t* end = data + size
    cdef const uint8_t* line = <const uint8_t*>memchr(data, 10, size)
    cdef const uint8_t* stop
    cdef Py_ssize_t headers = 0, hosts = 0
    if line == NULL:
        return
    if line == data or (line - 1)[0] != 13:
        head.anomalies |= BARE_LF
    line += 1
    while line < end:
        stop = header_end(head, line, end)
        if line[0] == 10 or (line[0] == 13 and stop == line + 2):
            break
        if (stop - 1)[0] != 10:  # the head was cut inside this line
            break
        headers += 1
        parse_header(head, line, stop - line, &hosts)
        line = stop
    if memchr(data, 0, size) != NULL:
        head.anomalies |= NUL_IN_HEAD
    # A scan for every line; a request without a body cannot hide how long it is.
    if (head.start == START_RESPONSE or head.length != NO_LENGTH or head.is_chunked or head.anomalies) and has_bare_cr(data, size):
        head.anomalies |= BARE_CR
    if headers > limit:
        head.anomalies |= HEADER_COUNT_LIMIT
    if hosts > 1:
        head.anomalies |= MULTIPLE_HOST
    if head.is_chunked and head.length != NO_LENGTH:
        head.anomalies |= LENGTH_AND_CHUNKED
    if head.is_chunked and head.start == START_REQUEST and (data + head.version_at)[head.version_size - 1] == c"0":
        head.anomalies |= OLD_CHUNKED


cdef bint has_bare_cr(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Whether a CR stands elsewhere than before LF."""
    cdef const uint8_t* end = data + size - 1
    cdef const uint8_t* at = data
    while at < end:
        at = <const uint8_t*>memchr(at, 13, end - at)
        if at == NULL:
            return False
        if at[1] != 10:
            return True
        at += 2
    return False


cdef const uint8_t* header_end(Head* head, const uint8_t* line, const uint8_t* end) noexcept nogil:
    """Return where the header at *line* ends, line end included, with the lines folded onto it (RFC 9112, section 5.2)."""
    cdef const uint8_t* stop = <const uint8_t*>memchr(line, 10, end - line)
    while stop != NULL:
        if stop == line or (stop - 1)[0] != 13:
            head.anomalies |= BARE_LF
        stop += 1
        if stop >= end or not is_blank(stop[0]) or stop == line + 1 or (stop == line + 2 and line[0] == 13):
            return stop
        head.anomalies |= OBS_FOLD
        stop = <const uint8_t*>memchr(stop, 10, end - stop)
    return end


cdef void parse_header(Head* head, const uint8_t* line, Py_ssize_t size, Py_ssize_t* hosts) noexcept nogil:
    """Take one header, folds included, into *head*.

    Blanks and control characters before the colon are dropped with an anomaly: clients read such a header of a response, and
    of a request it is safer to see the body that one of two readings has.
    """
    cdef const uint8_t* colon = <const uint8_t*>memchr(line, c":", size)
    cdef Py_ssize_t name, at
    cdef bint is_odd = False
    if colon == NULL or colon == line:
        head.anomalies |= BAD_HEADER
        return
    name = colon - line
    if line[name - 1] <= 32:
        head.anomalies |= BAD_HEADER
        is_odd = True
        while name > 1 and line[name - 1] <= 32:
            name -= 1
    for at in range(name):
        if not TOKEN[line[at]]:
            head.anomalies |= BAD_HEADER
            return
    colon += 1
    size -= colon - line
    if name == 4:
        if strncasecmp(<const char*>line, b"host", 4) == 0:
            hosts[0] += 1
    elif name == 7:
        if strncasecmp(<const char*>line, b"upgrade", 7) == 0:
            head.is_upgrade = True
    elif name == 12:
        if strncasecmp(<const char*>line, b"content-type", 12) == 0:
            head.is_event_stream = is_event_stream(colon, size)
    elif name == 14:
        if strncasecmp(<const char*>line, b"content-length", 14) == 0:
            parse_length(head, colon, size)
            mark_hidden(head, colon, size, is_odd)
        elif strncasecmp(<const char*>line, b"content_length", 14) == 0:
            head.anomalies |= HIDDEN_FRAMING
    elif name == 16:
        if strncasecmp(<const char*>line, b"content-encoding", 16) == 0:
            head.is_content_coded = True
    elif name == 17:
        if strncasecmp(<const char*>line, b"transfer-encoding", 17) == 0:
            parse_transfer_coding(head, colon, size)
            mark_hidden(head, colon, size, is_odd)
        elif strncasecmp(<const char*>line, b"transfer_encoding", 17) == 0:
            head.anomalies |= HIDDEN_FRAMING


cdef void mark_hidden(Head* head, const uint8_t* value, Py_ssize_t size, bint is_odd) noexcept nogil:
    """Note a framing header that not every reader sees: an odd name (*is_odd*), or a value on more than one line."""
    if is_odd or memchr(value, 10, size - 1) != NULL:
        head.anomalies |= HIDDEN_FRAMING


cdef bint is_event_stream(const uint8_t* value, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t at = 0
    while at < size and is_blank(value[at]):
        at += 1
    return size - at >= 17 and strncasecmp(<const char*>value + at, b"text/event-stream", 17) == 0


cdef inline bint is_gap(uint8_t byte) noexcept nogil:
    """Whether *byte* separates the elements of a list header (line ends of folds included)."""
    return byte == 32 or byte == 9 or byte == 13 or byte == 10 or byte == c","


cdef void parse_length(Head* head, const uint8_t* value, Py_ssize_t size) noexcept nogil:
    """Take a Content-Length: the first of several counts (RFC 9112, section 6.3, refuses differing ones)."""
    cdef Py_ssize_t at = 0, digits
    cdef int64_t length
    cdef bint is_empty = True  # no number was read
    while at < size:
        while at < size and is_gap(value[at]):
            at += 1
        if at >= size:
            break
        length = 0
        digits = at
        while at < size and is_digit(value[at]):
            if length > (<int64_t>1 << 62) // 10:
                length = WRONG_LENGTH
                break
            length = length * 10 + value[at] - 48
            at += 1
        is_empty = at == digits
        while at < size and is_gap(value[at]) and value[at] != c",":
            at += 1
        if is_empty or length == WRONG_LENGTH or (at < size and value[at] != c","):
            head.anomalies |= BAD_LENGTH
            if head.length == NO_LENGTH:
                head.length = WRONG_LENGTH
            return
        if head.length != NO_LENGTH and head.length != length:
            head.anomalies |= CONFLICTING_LENGTH
        elif head.length == length:
            head.anomalies |= REPEATED_LENGTH
        if head.length == NO_LENGTH:
            head.length = length
    if is_empty:
        head.anomalies |= BAD_LENGTH


cdef void parse_transfer_coding(Head* head, const uint8_t* value, Py_ssize_t size) noexcept nogil:
    """Take a Transfer-Encoding (RFC 9112, section 7): chunked anywhere in the list counts, parameters are dropped."""
    cdef Py_ssize_t at = 0, stop, name
    while at < size:
        while at < size and is_gap(value[at]):
            at += 1
        if at >= size:
            return
        stop = at
        while stop < size and not is_gap(value[stop]) and value[stop] != c";":
            stop += 1
        name = stop - at
        if name == 7 and strncasecmp(<const char*>value + at, b"chunked", 7) == 0:
            if head.is_chunked:
                head.anomalies |= UNKNOWN_CODING
            head.is_chunked = True
        elif (name == 4 and strncasecmp(<const char*>value + at, b"gzip", 4) == 0) or (
                name == 6 and strncasecmp(<const char*>value + at, b"x-gzip", 6) == 0) or (
                name == 7 and strncasecmp(<const char*>value + at, b"deflate", 7) == 0):
            head.is_transfer_coded = True
            if head.is_chunked:
                head.anomalies |= UNKNOWN_CODING
        elif not (name == 8 and strncasecmp(<const char*>value + at, b"identity", 8) == 0):
            head.anomalies |= UNKNOWN_CODING
            if head.start == START_RESPONSE and mentions_chunked(value + at, size - at):
                head.is_chunked = True
        while stop < size and value[stop] != c",":
            stop += 1
        at = stop


cdef bint mentions_chunked(const uint8_t* value, Py_ssize_t size) noexcept nogil:
    """Whether a disfigured Transfer-Encoding may mean chunked; the body's first byte decides then (some clients take it)."""
    cdef Py_ssize_t at
    for at in range(size - 6):
        if strncasecmp(<const char*>value + at, b"chunked", 7) == 0:
            return True
    return False


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
    while method > 0 and TOKEN[line[method - 1]]:
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
