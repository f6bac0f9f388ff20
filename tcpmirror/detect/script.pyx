# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""JavaScript as tokens: what a value would be in a script that prints it.

A value reaches a script bare, or inside a string or a template; so it is read from its start and from behind its first quote of each
kind, each time into a text of one character a token:

    n number   s string   q string left open   t template   r regular expression
    k what runs, shows or fetches: alert, eval, setTimeout, Function, fetch ...   g a global object: window, document, location ...
    p a member that scripts of attacks touch: cookie, innerHTML, write, constructor ...   b another name
    K a keyword that code goes on behind: var, new, return, throw ...   F function, class   I import, export from another file
    . ( ) [ ] { } ; , ? :   = assignment   c comparison   a an arrow   o operator
    - a comment that swallows the rest   x what no script holds there

A slash where an expression is due begins a regular expression (ECMA-262, section 12.9.5). Linear; at most 160 tokens are looked at.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

DEF TOKENS = 160
DEF WORD = 24

ctypedef unsigned char uchar

cdef dict _WORDS = {
    word.encode(): ord(kind)
    for kind, words in {
        "k": "alert confirm prompt eval settimeout setinterval setimmediate execscript importscripts fetch msgbox xmlhttprequest"
             " activexobject sendbeacon requestanimationframe",
        "g": "window document self top parent frames globalthis this location navigator localstorage sessionstorage",
        "p": "cookie innerhtml outerhtml insertadjacenthtml srcdoc write writeln constructor prototype fromcharcode fromcodepoint call apply"
             " bind domain href assign replace execcommand createelement appendchild body documentelement getelementsbytagname hash"
             " onerror onload source defaultview __proto__ ownerdocument baseuri documenturi url referrer open"
             " createcontextualfragment getitem concat",
        "K": "var let const new return throw typeof void delete if else while for do in instanceof async await yield try catch finally"
             " switch case with",
        "F": "function class",
        "I": "import export require",
    }.items()
    for word in words.split()
}


cdef inline bint _is_word(uchar byte) noexcept nogil:
    return 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte == 95 or byte == 36


cdef inline int _word(const uchar* data, Py_ssize_t size):
    """Return the kind of a name, its letters' case aside: filters that fold case are in the way of attacks only."""
    cdef uchar lower[WORD]
    cdef Py_ssize_t at
    if size > WORD:
        return 98
    if size == 8 and data[0] == 70 and data[1] == 117:  # Function, the constructor
        return 107
    for at in range(size):
        lower[at] = data[at] | 32 if 65 <= data[at] <= 90 else data[at]
    return _WORDS.get(PyBytes_FromStringAndSize(<char*>lower, size), 98)


cdef inline Py_ssize_t _closed_by(const uchar* data, Py_ssize_t size, Py_ssize_t at, uchar quote) noexcept nogil:
    """Return where the string or expression that begins before *at* ends, behind its mark; past *size* if it is left open."""
    while at < size:
        if data[at] == 92:
            at += 2
        elif data[at] == quote:
            return at + 1
        else:
            at += 1
    return size + 1


cdef inline bint _ends_value(uchar kind) noexcept nogil:
    """Tell whether *kind* ends an expression, so that a slash behind it divides."""
    return kind in (110, 115, 116, 114, 98, 103, 112, 107, 41, 93)  # n s t r b g p k ) ]


cdef Py_ssize_t _tokenize(const uchar* data, Py_ssize_t size, Py_ssize_t at, uchar* out):
    """Write the tokens from *at* on to *out*; return how many."""
    cdef Py_ssize_t end = 0, start
    cdef uchar byte, following
    cdef int kind
    while at < size and end < TOKENS:
        byte = data[at]
        following = data[at + 1] if at + 1 < size else 0
        start = at
        at += 1
        kind = byte
        if byte <= 32 or byte == 0xC2 and following == 0xA0:
            at += byte == 0xC2
            continue
        if 48 <= byte <= 57:
            while at < size and (_is_word(data[at]) or data[at] == 46 and not (at + 1 < size and data[at + 1] == 46)):
                at += 1
            kind = 110
        elif _is_word(byte):
            while at < size and _is_word(data[at]):
                at += 1
            kind = _word(data + start, at - start)
        elif byte == 92 and following == 117:  # \u0061lert: a name in escapes
            while at < size and (_is_word(data[at]) or data[at] in (92, 123, 125)):
                at += 1
            kind = 107
        elif byte == 34 or byte == 39:
            at = _closed_by(data, size, at, byte)
            kind = 115 if at <= size else 113
        elif byte == 96:
            at = _closed_by(data, size, at, byte)
            kind = 116 if at <= size else 113
        elif byte == 47 and following == 47:
            while at < size and data[at] != 10 and data[at] != 13:
                at += 1
            if at < size:
                continue
            kind = 45
        elif byte == 47 and following == 42:
            at += 1
            while at + 1 < size and not (data[at] == 42 and data[at + 1] == 47):
                at += 1
            if at + 1 < size:
                at += 2
                continue
            at = size
            kind = 45
        elif byte == 60 and following == 33 or byte == 45 and following == 45 and at + 1 < size and data[at + 1] == 62:
            at = size
            kind = 45
        elif byte == 47 and not (end and _ends_value(out[end - 1])):
            at = _closed_by(data, size, at, 47)
            while at < size and 97 <= data[at] <= 122:
                at += 1
            kind = 114 if at <= size else 45
        elif byte == 42 and following == 47:
            at += 1
            continue  # the end of a comment that the value was printed in
        elif byte == 61 and following == 62:
            at += 1
            kind = 97
        elif byte == 61 or byte == 33 or byte == 60 or byte == 62:
            kind = 61 if byte == 61 else 111 if byte == 33 else 99
            while at < size and data[at] in (61, 60, 62):
                kind = 99
                at += 1
        elif byte in (43, 45, 42, 37, 38, 124, 94, 126, 47):
            kind = 111
            while at < size and data[at] == byte:
                at += 1
            if at < size and data[at] == 61:
                at += 1
                kind = 61
        elif byte not in (40, 41, 91, 93, 123, 125, 59, 44, 46, 63, 58):
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
