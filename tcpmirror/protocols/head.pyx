# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Heads: what the headers say that decide framing, read in place without an object per header.

As with start lines the reading is that of the servers and clients in use; departures from RFC 9112 set Anomaly bits.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memchr, strncasecmp

from tcpmirror.protocols.octets cimport is_blank, is_digit, is_token

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BARE_LF = 1 << Anomaly.BARE_LF
cdef uint64_t OBS_FOLD = 1 << Anomaly.OBS_FOLD
cdef uint64_t BAD_HEADER = 1 << Anomaly.BAD_HEADER
cdef uint64_t CONFLICTING_LENGTH = 1 << Anomaly.CONFLICTING_LENGTH
cdef uint64_t LENGTH_AND_CHUNKED = 1 << Anomaly.LENGTH_AND_CHUNKED
cdef uint64_t BAD_LENGTH = 1 << Anomaly.BAD_LENGTH
cdef uint64_t UNKNOWN_CODING = 1 << Anomaly.UNKNOWN_CODING
cdef uint64_t HEADER_COUNT_LIMIT = 1 << Anomaly.HEADER_COUNT_LIMIT
cdef uint64_t NUL_IN_HEAD = 1 << Anomaly.NUL_IN_HEAD
cdef uint64_t MULTIPLE_HOST = 1 << Anomaly.MULTIPLE_HOST
cdef uint64_t BARE_CR = 1 << Anomaly.BARE_CR
cdef uint64_t REPEATED_LENGTH = 1 << Anomaly.REPEATED_LENGTH
cdef uint64_t HIDDEN_FRAMING = 1 << Anomaly.HIDDEN_FRAMING
cdef uint64_t OLD_CHUNKED = 1 << Anomaly.OLD_CHUNKED


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
        if not is_token(line[at]):
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
            head.content_codings += 1
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
