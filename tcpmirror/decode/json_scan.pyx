# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""JSON (RFC 8259) token by token, without memory of its own and without recursion; documents that were cut are closed.

It accepts what the full path accepts, and nothing else that the full path refuses: there, a document that does not parse is
read as a text, so calling it a document here would hide the text. Bytes below 0x20 may stand in strings. Deeper than
JSON_DEPTH, or with a constant that RFC 8259 does not know (NaN), it is no document.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from tcpmirror.decode.text cimport uchar

DEF CUT_SCALAR = 64       # bytes of a number or constant that was cut; a longer one is none

cdef void json_start(JsonScan* scan, const uchar* data, Py_ssize_t size) noexcept nogil:
    scan.data = data
    scan.stop = size
    scan.at = 0
    scan.depth = 0
    scan.state = WANT_VALUE


cdef JsonToken json_step(JsonScan* scan) noexcept nogil:
    """Return what `json_next` does."""
    cdef const uchar* data = scan.data
    cdef Py_ssize_t at = scan.at, stop = scan.stop
    cdef int state = scan.state
    cdef uchar byte
    while True:
        while at < stop and data[at] <= 32 and (data[at] == 32 or data[at] in (9, 10, 13)):
            at += 1
        if at == stop:
            return JSON_END if scan.depth == 0 and state == WANT_MORE else _bad(scan, at, state)
        byte = data[at]
        if state == WANT_MORE:
            if scan.depth == 0:
                return _bad(scan, at, state)
            at += 1
            if byte == 44:
                state = WANT_KEY if scan.in_object[scan.depth - 1] else WANT_ELEMENT
            elif byte == (125 if scan.in_object[scan.depth - 1] else 93):
                scan.depth -= 1
            else:
                return _bad(scan, at - 1, state)
        elif state == WANT_COLON:
            if byte != 58:
                return _bad(scan, at, state)
            at += 1
            state = WANT_VALUE
        elif state == WANT_FIRST_KEY or state == WANT_KEY:
            if byte == 34:
                scan.state = WANT_COLON
                return JSON_KEY if _string(scan, at) else _bad(scan, at, state)
            if byte != 125 or state == WANT_KEY:
                return _bad(scan, at, state)
            at += 1
            scan.depth -= 1
            state = WANT_MORE
        elif byte == 34:
            scan.state = WANT_MORE
            return JSON_STRING if _string(scan, at) else _bad(scan, at, state)
        elif byte == 93 and state == WANT_FIRST:
            at += 1
            scan.depth -= 1
            state = WANT_MORE
        elif byte == 123 or byte == 91:
            if scan.depth == JSON_DEPTH:
                return _bad(scan, at, state)
            scan.in_object[scan.depth] = byte == 123
            scan.depth += 1
            at += 1
            state = WANT_FIRST_KEY if byte == 123 else WANT_FIRST
        else:
            scan.state = WANT_MORE
            return JSON_SCALAR if _scalar(scan, at) else _bad(scan, at, state)


cdef inline JsonToken _bad(JsonScan* scan, Py_ssize_t at, int state) noexcept nogil:
    scan.at = at
    scan.state = state
    return JSON_BAD


cdef inline bint _string(JsonScan* scan, Py_ssize_t at) noexcept nogil:
    """Read the string whose opening quote is at *at*; False if it does not end or has a bad escape."""
    cdef const uchar* data = scan.data
    cdef Py_ssize_t stop = scan.stop
    scan.begin = at + 1
    at = string_end(data, at + 1, stop)
    scan.is_escaped = at < stop and data[at] == 92
    if scan.is_escaped:
        return _escaped_string(scan, at)
    scan.size = at - scan.begin
    scan.at = at + 1
    return at < stop


cdef bint _escaped_string(JsonScan* scan, Py_ssize_t at) noexcept nogil:
    """Go on with a string from its first backslash, at *at*."""
    cdef const uchar* data = scan.data
    while at < scan.stop and data[at] != 34:
        if data[at] == 92:
            at += 1
            if at == scan.stop or not _is_escape(data + at, scan.stop - at):
                return False
        at += 1
    scan.size = at - scan.begin
    scan.at = at + 1
    return at < scan.stop


cdef inline bint _is_escape(const uchar* data, Py_ssize_t size) noexcept nogil:
    if data[0] == 117:
        return size > 4 and _hex(data[1]) >= 0 and _hex(data[2]) >= 0 and _hex(data[3]) >= 0 and _hex(data[4]) >= 0
    return data[0] in (34, 92, 47, 98, 102, 110, 114, 116)


cdef inline int _hex(uchar byte) noexcept nogil:
    if 48 <= byte <= 57:
        return byte - 48
    byte |= 32
    return byte - 87 if 97 <= byte <= 102 else -1


cdef bint _scalar(JsonScan* scan, Py_ssize_t at) noexcept nogil:
    """Read the number or one of the three constants that stands at *at*."""
    cdef const uchar* data = scan.data + at
    cdef Py_ssize_t size = scan.stop - at, length
    if size >= 4 and (memcmp(data, b"true", 4) == 0 or memcmp(data, b"null", 4) == 0):
        length = 4
    elif size >= 5 and memcmp(data, b"false", 5) == 0:
        length = 5
    else:
        length = _number(data, size)
    scan.begin = at
    scan.size = length
    scan.is_escaped = False
    scan.at = at + length
    return length > 0


cdef inline Py_ssize_t _digits(const uchar* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    while at < size and 48 <= data[at] <= 57:
        at += 1
    return at


cdef Py_ssize_t _number(const uchar* data, Py_ssize_t size) noexcept nogil:
    """Return the length of the number that begins *data*, 0 if none does. A fraction or exponent without digits ends before it."""
    cdef Py_ssize_t at = 1 if data[0] == 45 else 0, mark, end
    if at == size or not 48 <= data[at] <= 57:
        return 0
    at = at + 1 if data[at] == 48 else _digits(data, at, size)
    if at < size and data[at] == 46:
        end = _digits(data, at + 1, size)
        if end == at + 1:
            return at
        at = end
    if at < size and (data[at] | 32) == 101:
        mark = at + 1
        if mark < size and data[mark] in (43, 45):
            mark += 1
        end = _digits(data, mark, size)
        if end > mark:
            at = end
    return at


cdef Py_ssize_t json_unescape(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil:
    """Write the text that a string from `json_next` stands for, in UTF-8, to *out* (*size* bytes); return its length.

    A surrogate without its other half becomes the three bytes that its number would have.
    """
    cdef Py_ssize_t at = 0, wrote = 0
    cdef unsigned int point, low
    while at < size:
        if data[at] != 92:
            out[wrote] = data[at]
            at += 1
            wrote += 1
            continue
        if data[at + 1] != 117:
            out[wrote] = _short_escape(data[at + 1])
            at += 2
            wrote += 1
            continue
        point = _unit(data + at + 2)
        at += 6
        if 0xD800 <= point < 0xDC00 and at + 6 <= size and data[at] == 92 and data[at + 1] == 117:
            low = _unit(data + at + 2)
            if 0xDC00 <= low < 0xE000:
                point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00)
                at += 6
        wrote += _utf8(point, out + wrote)
    return wrote


cdef inline uchar _short_escape(uchar letter) noexcept nogil:
    if letter == 98:
        return 8
    if letter == 102:
        return 12
    if letter == 110:
        return 10
    if letter == 114:
        return 13
    return 9 if letter == 116 else letter


cdef inline unsigned int _unit(const uchar* data) noexcept nogil:
    return (_hex(data[0]) << 12) | (_hex(data[1]) << 8) | (_hex(data[2]) << 4) | _hex(data[3])


cdef inline Py_ssize_t _utf8(unsigned int point, uchar* out) noexcept nogil:
    if point < 0x80:
        out[0] = point
        return 1
    if point < 0x800:
        out[0] = 0xC0 | (point >> 6)
        out[1] = 0x80 | (point & 63)
        return 2
    if point < 0x10000:
        out[0] = 0xE0 | (point >> 12)
        out[1] = 0x80 | ((point >> 6) & 63)
        out[2] = 0x80 | (point & 63)
        return 3
    out[0] = 0xF0 | (point >> 18)
    out[1] = 0x80 | ((point >> 12) & 63)
    out[2] = 0x80 | ((point >> 6) & 63)
    out[3] = 0x80 | (point & 63)
    return 4


def closed(bytes data not None):
    """Return the document of which *data* is the beginning, closed where that ends; None: it is no beginning of one.

    A string that was cut keeps what came of it, a number or constant that was cut gives way to null.
    """
    cdef JsonScan scan
    cdef JsonToken token
    cdef Py_ssize_t end
    cdef bytes tail = b""
    json_start(&scan, <const uchar*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    while True:
        token = json_next(&scan)
        if token == JSON_END:
            return data
        if token == JSON_BAD:
            break
    end = scan.at
    if end < scan.stop and scan.data[end] == 34 and scan.state != WANT_MORE and scan.state != WANT_COLON:
        end = _cut_string(scan.data, end + 1, scan.stop)
        tail = b'":null' if scan.state == WANT_KEY or scan.state == WANT_FIRST_KEY else b'"'
    elif scan.state == WANT_COLON and end == scan.stop:
        tail = b":null"
    elif scan.state == WANT_VALUE or scan.state == WANT_ELEMENT or (scan.state == WANT_FIRST and end < scan.stop):
        tail = b"null"  # cut before it, or in it
        if scan.stop - end > CUT_SCALAR:
            return None
    elif end < scan.stop:
        if scan.state != WANT_MORE or scan.stop - end > 2 or scan.data[end] not in (46, 69, 101):  # the fraction or exponent
            return None
    elif scan.state == WANT_KEY:
        tail = b'"":null'
    if end < 0 or scan.depth == 0:
        return None
    return data[:end] + tail + bytes([125 if scan.in_object[place] else 93 for place in range(scan.depth - 1, -1, -1)])


cdef Py_ssize_t _cut_string(const uchar* data, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    """Return where the string that goes on at *at* was cut, before an escape that is not whole; -1: one in it is bad."""
    while at < stop:
        if data[at] == 92:
            if at + 1 == stop or (data[at + 1] == 117 and at + 6 > stop):
                return at
            if not _is_escape(data + at + 1, stop - at - 1):
                return -1
            at += 1
        at += 1
    return stop
