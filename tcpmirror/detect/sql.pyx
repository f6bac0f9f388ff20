# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""SQL as tokens: what a value would be inside a query, whichever string it stands in.

A value reaches a query in one of three places: bare (``WHERE id = VALUE``), between single or between double quotes. So it is
read three times, from its start and from behind its first quote of each kind, each time into a text of one character a token:

    n number or constant   s string   q string left open   v variable   b name   f name before a parenthesis
    l and or xor && ||     c = < > and their kin   d like, in, is, between   o arithmetic or bit operator   N not
    A all, distinct, binary
    U union and its kin    S select   E another statement   t table, database ...   Y set
    R from  W where  G order, group  B by  H having  L limit  T into  K case  w when, then, else, end
    ( ) , ; .              - a comment that swallows the rest   x what no query holds there

MySQL's ``/*! ... */`` is read as code and other comments as blanks. Linear; at most 96 tokens are looked at.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

DEF TOKENS = 96
DEF WORD = 24

ctypedef unsigned char uchar

cdef dict _WORDS = {
    word.encode(): ord(kind)
    for kind, words in {
        "l": "and or xor",
        "d": "like rlike regexp ilike similar between in is glob sounds eqv imp",
        "o": "div mod collate",
        "N": "not",
        "A": "all distinct distinctrow binary any some exists as interval using ignore quick low_priority",
        "U": "union intersect except",
        "S": "select",
        "E": "insert update delete drop create alter exec execute declare truncate shutdown waitfor merge grant revoke replace load"
             " call if begin do handler show rename prepare deallocate backup restore dbcc",
        "t": "table database schema view index procedure function user login trigger column databases tables role tablespace"
             " delay",
        "Y": "set values value",
        "R": "from", "W": "where", "G": "order group", "B": "by", "H": "having", "L": "limit offset", "T": "into",
        "K": "case", "w": "when then else end",
        "n": "null true false unknown current_user current_date current_time current_timestamp session_user system_user user_id"
             " utc_date utc_time localtime sysdate rownum",
    }.items()
    for word in words.split()
}


cdef inline bint _is_word(uchar byte) noexcept nogil:
    return 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte == 95 or byte == 36 or byte >= 128


cdef inline bint _is_digit(uchar byte) noexcept nogil:
    return 48 <= byte <= 57


cdef inline bint _is_blank(uchar byte) noexcept nogil:
    return byte <= 32 or byte == 0xA0


cdef inline int _word(const uchar* data, Py_ssize_t size):
    """Return the kind of a word; a name unless SQL reserves it."""
    cdef uchar lower[WORD]
    cdef Py_ssize_t at
    if size > WORD:
        return 98
    for at in range(size):
        lower[at] = data[at] | 32 if 65 <= data[at] <= 90 else data[at]
    return _WORDS.get(PyBytes_FromStringAndSize(<char*>lower, size), 98)


cdef inline Py_ssize_t _string_end(const uchar* data, Py_ssize_t size, Py_ssize_t at, uchar quote) noexcept nogil:
    """Return where the string that begins before *at* ends, behind its quote; past *size* if it is left open."""
    while at < size:
        if data[at] == 92:
            at += 2
        elif data[at] != quote:
            at += 1
        elif at + 1 < size and data[at + 1] == quote:
            at += 2
        else:
            return at + 1
    return size + 1


cdef inline Py_ssize_t _number_end(const uchar* data, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Return where the number at *at* ends: digits, ``0x``, fractions, exponents (``1e1union``: the letters after are a word)."""
    if data[at] == 48 and at + 1 < size and (data[at + 1] | 32) == 120:
        at += 2
        while at < size and (_is_digit(data[at]) or 97 <= (data[at] | 32) <= 102):
            at += 1
        return at
    while at < size and (_is_digit(data[at]) or data[at] == 46):
        at += 1
    if at + 1 < size and (data[at] | 32) == 101 and (_is_digit(data[at + 1]) or data[at + 1] in (43, 45)):
        at += 2
        while at < size and _is_digit(data[at]):
            at += 1
    return at


cdef inline bint _comments(const uchar* data, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Tell whether two minus signs before *at* begin a comment: MySQL wants a blank, others take a word that a line's end closes."""
    if at >= size or _is_blank(data[at]) or data[at] in (43, 45, 59):
        return True
    cdef Py_ssize_t end = min(size, at + WORD)
    if not 97 <= (data[at] | 32) <= 122:
        return False
    while at < end and _is_word(data[at]):
        at += 1
    return at < end and data[at] == 10


cdef Py_ssize_t _tokenize(const uchar* data, Py_ssize_t size, Py_ssize_t at, uchar* out):
    """Write the tokens from *at* on to *out*; return how many."""
    cdef Py_ssize_t end = 0, start, stop
    cdef uchar byte, following
    cdef int kind
    while at < size and end < TOKENS:
        byte = data[at]
        following = data[at + 1] if at + 1 < size else 0
        kind = 0
        start = at
        at += 1
        if _is_blank(byte):
            continue
        if _is_digit(byte) or byte == 46 and _is_digit(following):
            at = _number_end(data, size, start)
            kind = 110
        elif _is_word(byte):
            while at < size and _is_word(data[at]):
                at += 1
            kind = _word(data + start, at - start)
            if (at - start) <= 8 and at < size and data[at] == 39 and kind == 98:
                if at - start == 1 or data[start] == 95:  # N'...', x'...', _utf8'...'
                    at = _string_end(data, size, at + 1, 39)
                    kind = 115 if at <= size else 113
            stop = at
            while stop < size and _is_blank(data[stop]):
                stop += 1
            if stop < size and data[stop] == 40 and kind in (98, 69, 110, 116, 89, 111):  # b E n t Y o: if(), user(), mod() ...
                kind = 102
        elif byte == 39 or byte == 34:
            at = _string_end(data, size, at, byte)
            kind = 115 if at <= size else 113
        elif byte == 96:
            at = _string_end(data, size, at, byte)
            kind = 98
        elif byte == 64:
            while at < size and (_is_word(data[at]) or data[at] == 64 or data[at] == 96):
                at += 1
            kind = 118
        elif byte == 45 and following == 45 and _comments(data, size, at + 1):
            while at < size and data[at] != 10:
                at += 1
            if at < size - 1:
                continue
            kind = 45
        elif byte == 35:
            stop = at
            while stop < size and data[stop] != 10:
                stop += 1
            at = stop
            kind = 45 if stop >= size - 1 else 0
            if kind == 0:
                continue
        elif byte == 47 and following == 42:
            if at + 1 < size and data[at + 1] == 33:
                at += 2
                while at < size and _is_digit(data[at]):
                    at += 1
                continue
            stop = at + 1
            while stop + 1 < size and not (data[stop] == 42 and data[stop + 1] == 47):
                stop += 1
            if stop + 1 < size:
                at = stop + 2
                continue
            kind = 45
            at = size
        elif byte == 42 and following == 47:
            at += 1
            continue
        elif (byte == 38 or byte == 124) and following == byte:
            kind = 108
            at += 1
        elif byte == 61 or byte == 60 or byte == 62 or byte == 33 and following == 61:
            while at < size and data[at] in (61, 60, 62):
                at += 1
            kind = 99
        elif byte == 33:
            kind = 78
        elif byte in (43, 45, 42, 47, 37, 94, 124, 38, 126):
            kind = 111
        elif byte in (40, 41, 44, 59, 46):
            kind = byte
        elif byte == 92 and (following | 32) == 110:  # \N is MySQL's NULL
            at += 1
            kind = 110
        elif byte == 91 or byte == 93:
            continue  # [name] in SQL Server
        else:
            kind = 120
        out[end] = <uchar>kind
        end += 1
    return end


def tokens(bytes value, int quote=0):
    """Return the tokens of *value*, from behind its first *quote* (0: from its start) on; None if it has no such quote."""
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value), at = 0
    cdef uchar out[TOKENS]
    if quote:
        at = value.find(quote) + 1
        if at == 0:
            return None
    cdef Py_ssize_t count = _tokenize(data, size, at, out)
    return PyBytes_FromStringAndSize(<char*>out, count).decode("ascii")
