# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Decodings of one value: percent, HTML entities, JS escapes, Base64, and the fold that undoes disguises of characters.

All are linear in the input, never lengthen it and never fail: what is not an encoding stays as it was.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from tcpmirror.decode.traits cimport DISGUISE, TRAITS_OF, traits_of

DEF LINE_COMMENT = 48  # bytes that a comment for a blank takes at most
DEF QUOTED = 16  # letters that quotes hide in a command's name
DEF MIN_HEX = 16  # digits; eight printable bytes by chance are rare

cdef signed char HEX[256]
cdef signed char B64[256]
cdef uchar PRINTABLE[256]

# Longest first where one begins another; the value is one ASCII character. Names that hide markup or separators (HTML
# Living Standard, section 13.5).
cdef list _ENTITIES = [
    (b"newline", 10), (b"lbrace", 123), (b"rbrace", 125), (b"lbrack", 91), (b"rbrack", 93), (b"dollar", 36), (b"equals", 61),
    (b"period", 46), (b"percnt", 37), (b"lowbar", 95), (b"verbar", 124), (b"colon", 58), (b"comma", 44), (b"grave", 96),
    (b"quot", 34), (b"apos", 39), (b"nbsp", 32), (b"semi", 59), (b"lpar", 40), (b"rpar", 41), (b"bsol", 92), (b"excl", 33),
    (b"lcub", 123), (b"rcub", 125), (b"lsqb", 91), (b"rsqb", 93), (b"tab", 9), (b"amp", 38), (b"num", 35), (b"sol", 47),
    (b"ast", 42), (b"lt", 60), (b"gt", 62),
]
cdef int ENTITY_COUNT = len(_ENTITIES)
cdef char ENTITY_NAMES[64][8]
cdef int ENTITY_SIZES[64]
cdef uchar ENTITY_VALUES[64]


cdef void _fill_tables():
    cdef int index, byte
    for byte in range(256):
        HEX[byte] = -1
        B64[byte] = -1
        PRINTABLE[byte] = byte in (9, 10, 13) or 32 <= byte < 127
    for index, byte in enumerate(b"0123456789abcdef"):
        HEX[byte] = index
    for index, byte in enumerate(b"ABCDEF"):
        HEX[byte] = 10 + index
    for index, byte in enumerate(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):
        B64[byte] = index
    B64[45], B64[95] = 62, 63  # base64url (RFC 4648, section 5)
    for index, (name, value) in enumerate(_ENTITIES):
        ENTITY_SIZES[index] = len(name)
        ENTITY_VALUES[index] = value
        for byte in range(len(name)):
            ENTITY_NAMES[index][byte] = name[byte]


_fill_tables()


cdef inline bint _is_letter(uchar byte) noexcept nogil:
    return 97 <= (byte | 32) <= 122


cdef inline bint _is_blank(uchar byte) noexcept nogil:
    return byte == 32 or 9 <= byte <= 13


cdef inline Py_ssize_t _put_code_point(unsigned long code, uchar* out) noexcept nogil:
    """Write *code* as UTF-8 and return its size; at most 4 bytes, never more than any escape that names it."""
    if code < 0x80:
        out[0] = <uchar>code
        return 1
    if code < 0x800:
        out[0] = <uchar>(0xC0 | code >> 6)
        out[1] = <uchar>(0x80 | code & 0x3F)
        return 2
    if code < 0x10000:
        out[0] = <uchar>(0xE0 | code >> 12)
        out[1] = <uchar>(0x80 | code >> 6 & 0x3F)
        out[2] = <uchar>(0x80 | code & 0x3F)
        return 3
    out[0] = <uchar>(0xF0 | code >> 18 & 7)
    out[1] = <uchar>(0x80 | code >> 12 & 0x3F)
    out[2] = <uchar>(0x80 | code >> 6 & 0x3F)
    out[3] = <uchar>(0x80 | code & 0x3F)
    return 4


cdef inline int _hex4(const uchar* data) noexcept nogil:
    """Return the value of four hexadecimal digits, or -1."""
    if HEX[data[0]] < 0 or HEX[data[1]] < 0 or HEX[data[2]] < 0 or HEX[data[3]] < 0:
        return -1
    return HEX[data[0]] << 12 | HEX[data[1]] << 8 | HEX[data[2]] << 4 | HEX[data[3]]


cdef inline Py_ssize_t _percent(const uchar* data, Py_ssize_t left, uchar* out, Py_ssize_t* wrote) noexcept nogil:
    """Decode the percent sequence at *data*; return the bytes it took, 0 if it is none. ``%uXXXX`` is IIS's."""
    cdef int code
    if left >= 3 and HEX[data[1]] >= 0 and HEX[data[2]] >= 0:
        out[0] = <uchar>(HEX[data[1]] << 4 | HEX[data[2]])
        wrote[0] = 1
        return 3
    if left >= 6 and (data[1] | 32) == 117:
        code = _hex4(data + 2)
        if code >= 0:
            wrote[0] = _put_code_point(code, out)
            return 6
    return 0


cdef inline Py_ssize_t _entity(const uchar* data, Py_ssize_t left, uchar* out, Py_ssize_t* wrote) noexcept nogil:
    """Decode the HTML entity at *data*, its semicolon optional as browsers read numeric ones; return the bytes it took."""
    cdef Py_ssize_t at = 2
    cdef unsigned long code = 0
    cdef int index, size, place
    if left >= 4 and data[1] == 35:
        if (data[2] | 32) == 120:
            at = 3
            while at < left and at < 16 and HEX[data[at]] >= 0:
                code = (code << 4 | <unsigned long>HEX[data[at]]) & 0x1FFFFF
                at += 1
            if at == 3:
                return 0
        else:
            while at < left and at < 16 and 48 <= data[at] <= 57:
                code = (code * 10 + data[at] - 48) & 0x1FFFFF
                at += 1
            if at == 2:
                return 0
        if at < left and data[at] == 59:
            at += 1
        wrote[0] = _put_code_point(code, out)
        return at
    for index in range(ENTITY_COUNT):
        size = ENTITY_SIZES[index]
        if left < size + 2 or data[size + 1] != 59:
            continue
        place = 0
        while place < size and (data[1 + place] | 32) == <uchar>ENTITY_NAMES[index][place]:
            place += 1
        if place == size:
            out[0] = ENTITY_VALUES[index]
            wrote[0] = 1
            return size + 2
    return 0


cdef inline Py_ssize_t _escape(const uchar* data, Py_ssize_t left, uchar* out, Py_ssize_t* wrote) noexcept nogil:
    r"""Decode the backslash escape at *data* (\uXXXX, \u{X}, \xHH, \OOO, \n ..., \" ...); return the bytes it took."""
    cdef int code, low
    cdef Py_ssize_t at
    cdef unsigned long value = 0
    cdef uchar kind
    if left < 2:
        return 0
    kind = data[1]
    if kind == 117 and left >= 6:
        code = _hex4(data + 2)
        if code >= 0:
            if 0xD800 <= code < 0xDC00 and left >= 12 and data[6] == 92 and data[7] == 117:
                low = _hex4(data + 8)
                if 0xDC00 <= low < 0xE000:
                    wrote[0] = _put_code_point(0x10000 + ((code - 0xD800) << 10) + low - 0xDC00, out)
                    return 12
            wrote[0] = _put_code_point(code, out)
            return 6
        if data[2] == 123:
            at = 3
            while at < left and at < 10 and HEX[data[at]] >= 0:
                value = value << 4 | <unsigned long>HEX[data[at]]
                at += 1
            if 3 < at < left and data[at] == 125 and value < 0x110000:
                wrote[0] = _put_code_point(value, out)
                return at + 1
        return 0
    if kind == 120 and left >= 4 and HEX[data[2]] >= 0 and HEX[data[3]] >= 0:
        out[0] = <uchar>(HEX[data[2]] << 4 | HEX[data[3]])
        wrote[0] = 1
        return 4
    if left >= 4 and 48 <= kind <= 51 and 48 <= data[2] <= 55 and 48 <= data[3] <= 55:
        out[0] = <uchar>((kind - 48) << 6 | (data[2] - 48) << 3 | data[3] - 48)
        wrote[0] = 1
        return 4
    if kind == 110 or kind == 114:
        out[0] = 10 if kind == 110 else 13
    elif kind == 116:
        out[0] = 9
    elif kind == 102:
        out[0] = 12
    elif kind == 118:
        out[0] = 11
    elif kind == 34 or kind == 39 or kind == 47 or kind == 92 or kind == 96:
        out[0] = kind
    else:
        return 0
    wrote[0] = 1
    return 2


cdef Py_ssize_t percent_into(const uchar* data, Py_ssize_t size, uchar* out, bint plus) noexcept nogil:
    cdef Py_ssize_t at = 0, end = 0, took, wrote = 0
    while at < size:
        took = _percent(data + at, size - at, out + end, &wrote) if data[at] == 37 else 0
        if took:
            at += took
            end += wrote
        else:
            out[end] = 32 if plus and data[at] == 43 else data[at]
            at += 1
            end += 1
    return end


cdef Py_ssize_t markup_into(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil:
    """HTML entities and backslash escapes."""
    cdef Py_ssize_t at = 0, end = 0, took, wrote = 0
    while at < size:
        took = 0
        if data[at] == 38:
            took = _entity(data + at, size - at, out + end, &wrote)
        elif data[at] == 92:
            took = _escape(data + at, size - at, out + end, &wrote)
        if took:
            at += took
            end += wrote
        else:
            out[end] = data[at]
            at += 1
            end += 1
    return end


cdef Py_ssize_t unfold_into(const uchar* data, Py_ssize_t size, uchar* out, bint plus) noexcept nogil:
    """Percent, plus (where it is a space), entities and escapes in one go: the first tier's decoding."""
    cdef Py_ssize_t at = 0, end = 0, took, wrote = 0
    cdef uchar byte
    while at < size:
        byte = data[at]
        took = 0
        if byte == 37:
            took = _percent(data + at, size - at, out + end, &wrote)
        elif byte == 38:
            took = _entity(data + at, size - at, out + end, &wrote)
        elif byte == 92:
            took = _escape(data + at, size - at, out + end, &wrote)
        elif byte == 43 and plus:
            byte = 32
        if took:
            at += took
            end += wrote
        else:
            out[end] = byte
            at += 1
            end += 1
    return end


cdef inline int _overlong(const uchar* data, Py_ssize_t left, Py_ssize_t* took) noexcept nogil:
    """Return the ASCII character that an overlong or full-width UTF-8 sequence stands for, or -1.

    Also the sloppy forms that old servers took for it: a second byte that is no continuation byte, or ``%`` and letters that
    are no digits (``%c0%9v``); and the slashes that they mapped other characters to (U+2044, U+2215, U+2216, U+EFC8, U+F025).
    """
    cdef uchar lead = data[0]
    cdef int code
    if left >= 4 and (lead == 0xC0 or lead == 0xC1) and data[1] == 37 and (HEX[data[2]] < 0 or HEX[data[3]] < 0):
        took[0] = 4
        return 47
    if left >= 3 and lead >= 0xE2 and lead <= 0xEF:
        took[0] = 3
        if lead == 0xE2 and (data[1] == 0x88 and data[2] == 0x95 or data[1] == 0x81 and data[2] == 0x84):
            return 47
        if lead == 0xE2 and data[1] == 0x88 and data[2] == 0x96:
            return 92
        if lead == 0xEE and data[1] == 0xBF and data[2] == 0x88 or lead == 0xEF and data[1] == 0x80 and data[2] == 0xA5:
            return 47
    if left >= 5 and lead == 0xF8 and data[1] == 0x80 and data[2] == 0x80 and (data[3] & 0x3F) < 2:
        took[0] = 5
        return (data[3] & 0x3F) << 6 | data[4] & 0x3F
    if left >= 6 and lead == 0xFC and data[1] == 0x80 and data[2] == 0x80 and data[3] == 0x80 and (data[4] & 0x3F) < 2:
        took[0] = 6
        return (data[4] & 0x3F) << 6 | data[5] & 0x3F
    if left >= 2 and (lead == 0xC0 or lead == 0xC1):
        code = (lead & 1) << 6 | data[1] & 0x3F
        if lead == 0xC0 and data[1] < 0x80:
            code = data[1]
        if data[1] >> 6 != 2 and not (code == 46 or code == 47 or code == 92 or code == 39 or code == 60 or code == 62):
            return -1
        took[0] = 2
        return code
    if left >= 3 and lead == 0xE0 and (data[1] & 0x3F) < 2 and data[1] != 0x20:
        took[0] = 3
        return (data[1] & 0x3F) << 6 | data[2] & 0x3F
    if left >= 4 and lead == 0xF0 and data[1] == 0x80 and (data[2] & 0x3F) < 2:
        took[0] = 4
        return (data[2] & 0x3F) << 6 | data[3] & 0x3F
    if left >= 3 and lead == 0xEF and (data[1] == 0xBC and data[2] >= 0x81 or data[1] == 0xBD and data[2] <= 0x9E):
        took[0] = 3
        return 0x21 + (data[1] - 0xBC) * 0x40 + data[2] - 0x81
    return -1


cdef inline Py_ssize_t _comment(const uchar* data, Py_ssize_t left) noexcept nogil:
    """Return how many bytes of an SQL comment at *data* to leave out; the content of ``/*!50000 ...*/`` is code and stays."""
    cdef Py_ssize_t at = 3
    if left >= 3 and data[2] == 33:
        while at < left and at < 9 and 48 <= data[at] <= 57:
            at += 1
        return at
    at = 2
    while at + 1 < left:
        if data[at] == 42 and data[at + 1] == 47:
            return at + 2
        at += 1
    return 0


cdef inline Py_ssize_t _quoting(const uchar* data, Py_ssize_t left) noexcept nogil:
    """Return the size of a piece of shell quoting behind a letter that stands for nothing.

    ``''``, ``""``, a backslash or caret before a letter, empty substitutions (two backticks, ``$()``) and variables that are not set
    (``$@``, ``$*``, ``$$``, ``$1``, ``$u``).
    """
    if left >= 3 and (data[0] == 39 or data[0] == 34) and data[1] == data[0] and (_is_letter(data[2]) or data[2] == 32):
        return 2
    if left >= 2 and data[0] == 36:
        if data[1] == 64 or data[1] == 42 or data[1] == 36 or 48 <= data[1] <= 57:
            return 2
        if left >= 3 and data[1] == 40 and data[2] == 41:
            return 3
        if _is_letter(data[1]) and (left == 2 or not _is_letter(data[2]) and data[2] != 95 and not 48 <= data[2] <= 57):
            return 2
    if left >= 3 and data[0] == 96 and data[1] == 96 and (_is_letter(data[2]) or data[2] == 32):
        return 2
    if left >= 2 and (data[0] == 92 or data[0] == 94) and _is_letter(data[1]):
        return 1
    return 0


cdef inline Py_ssize_t _quoted_letters(const uchar* data, Py_ssize_t left, bint behind_letter) noexcept nogil:
    """Return how many letters stand in quotes at *data* as a part of a word, as in ``'c'at`` or ``c'a't``; 0: it is none."""
    cdef Py_ssize_t at = 1
    while at < left and at <= QUOTED and (_is_letter(data[at]) or 48 <= data[at] <= 57):
        at += 1
    if at == 1 or at >= left or data[at] != data[0]:
        return 0
    if at + 1 < left and _is_letter(data[at + 1]):
        return at - 1
    return at - 1 if behind_letter and (at + 1 == left or data[at + 1] == 32) else 0


cdef inline Py_ssize_t _ifs(const uchar* data, Py_ssize_t left) noexcept nogil:
    """Return the size of ``$IFS``, ``${IFS}`` or ``$IFS$9`` at *data*, or 0."""
    if left >= 6 and memcmp(data, b"${IFS}", 6) == 0:
        return 6
    if left >= 4 and memcmp(data, b"$IFS", 4) == 0:
        return 6 if left >= 6 and data[4] == 36 and 48 <= data[5] <= 57 else 4
    return 0


cdef inline bint _ends_operand(uchar byte) noexcept nogil:
    return _is_letter(byte) or 48 <= byte <= 57 or byte in (34, 39, 41, 95)  # " ' ) _


cdef Py_ssize_t _line_comment(const uchar* data, Py_ssize_t size, bint is_behind_operand) noexcept nogil:
    """Return the length of a short comment of SQL at *data* with its line's end, as it stands for a blank; 0 for none."""
    cdef Py_ssize_t at
    if not is_behind_operand or size < 4 or data[1] != 45 or not _is_blank(data[2]):
        return 0
    for at in range(2, min(size - 1, LINE_COMMENT)):
        if data[at] == 10:
            return at + 1 if _is_letter(data[at + 1]) or 48 <= data[at + 1] <= 57 else 0
    return 0


cdef Py_ssize_t fold_into(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil:
    """Undo disguises that need no decoder: see `fold`."""
    cdef Py_ssize_t at = 0, end = 0, took = 0
    cdef bint has_no_end = False, is_open = False
    cdef int code
    cdef uchar byte
    while at < size:
        byte = data[at]
        took = 0
        if byte == 0:
            at += 1
            continue
        if _is_blank(byte):
            took = 1
        elif byte == 0xC2 and at + 1 < size and data[at + 1] == 0xA0:  # NBSP, which databases take for a blank
            took = 2
        elif byte == 0xA0 and at and data[at - 1] < 0x80 and at + 1 < size and data[at + 1] < 0x80:  # the same in Latin-1
            took = 1
        elif byte == 45:
            took = _line_comment(data + at, size - at, end > 0 and _ends_operand(out[end - 1]))
        elif byte == 47 and at + 1 < size and data[at + 1] == 42 and not has_no_end:
            took = _comment(data + at, size - at)
            has_no_end = took == 0  # do not look for an end mark again
            is_open = is_open or took and data[at + 2] == 33
        elif byte == 42 and is_open and at + 1 < size and data[at + 1] == 47:
            took = 2
            is_open = False
        elif byte == 36:
            took = _ifs(data + at, size - at)
        if took:
            at += took
            if end == 0 or out[end - 1] != 32:
                out[end] = 32
                end += 1
            continue
        if TRAITS_OF[byte] & DISGUISE:
            if end and _is_letter(out[end - 1]):
                took = _quoting(data + at, size - at)
                if took:
                    at += took
                    continue
            if byte == 39 or byte == 34:
                took = _quoted_letters(data + at, size - at, end > 0 and _is_letter(out[end - 1]))
                if took:
                    memcpy(out + end, data + at + 1, took)
                    at += took + 2
                    end += took
                    continue
            if byte >= 0xC0:
                code = _overlong(data + at, size - at, &took)
                if code >= 0:
                    out[end] = <uchar>code
                    at += took
                    end += 1
                    continue
        elif byte == 48 and at + 3 < size and data[at + 1] == 120 and (
                data[at + 2] == 50 and ((data[at + 3] | 32) == 101 or (data[at + 3] | 32) == 102)
                or data[at + 2] == 53 and (data[at + 3] | 32) == 99):
            out[end] = 92 if data[at + 2] == 53 else (46 if (data[at + 3] | 32) == 101 else 47)
            at += 4
            end += 1
            continue
        out[end] = byte
        at += 1
        end += 1
    return end


cdef bint is_plausible(const uchar* data, Py_ssize_t size) noexcept nogil:
    """Tell whether *data* reads as text: at most one byte in 20 is neither printable ASCII nor part of a UTF-8 sequence."""
    cdef Py_ssize_t at = 0, bad = 0, follow
    if size < 4:
        return False
    while at < size:
        if PRINTABLE[data[at]]:
            at += 1
            continue
        follow = 1 if 0xC2 <= data[at] < 0xE0 else 2 if 0xE0 <= data[at] < 0xF0 else 3 if 0xF0 <= data[at] < 0xF5 else 0
        at += 1
        if follow == 0:
            bad += 1
        while follow and at < size:
            if data[at] >> 6 != 2:
                bad += 2
                break
            at += 1
            follow -= 1
    return bad * 20 <= size


cdef bint is_packed(const uchar* data, Py_ssize_t size) noexcept nogil:
    """Tell whether *data* begins like gzip (RFC 1952) or zlib (RFC 1950)."""
    if size >= 10 and data[0] == 0x1F and data[1] == 0x8B and data[2] == 8:
        return True
    return size >= 8 and data[0] == 0x78 and (data[0] * 256 + data[1]) % 31 == 0 and not PRINTABLE[data[1]]


cdef Py_ssize_t base64_into(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil:
    """Decode the Base64 characters at *data* up to the first other one; return the bytes written."""
    cdef Py_ssize_t at = 0, end = 0
    cdef unsigned int bits = 0
    cdef int held = 0
    while at < size and B64[data[at]] >= 0:
        bits = bits << 6 | <unsigned int>B64[data[at]]
        held += 6
        if held >= 8:
            held -= 8
            out[end] = <uchar>(bits >> held & 0xFF)
            end += 1
        at += 1
    return end


cdef Py_ssize_t hex_into(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil:
    """Decode *data* if it is printable text written in hexadecimal digits; return the bytes written, 0 if it is not."""
    cdef Py_ssize_t at = 0, end = 0
    cdef uchar byte
    if size < MIN_HEX or size & 1:
        return 0
    while at < size:
        if HEX[data[at]] < 0 or HEX[data[at + 1]] < 0:
            return 0
        byte = <uchar>(HEX[data[at]] << 4 | HEX[data[at + 1]])
        if not PRINTABLE[byte]:
            return 0
        out[end] = byte
        at += 2
        end += 1
    return end


ctypedef Py_ssize_t (*decoding)(const uchar*, Py_ssize_t, uchar*) noexcept nogil


cdef bytes _apply(bytes value, decoding decode):
    """Return *value* decoded; the same object if nothing changed."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(value)
    cdef uchar* out = <uchar*>malloc(size + 1)
    if out == NULL:
        raise MemoryError
    try:
        wrote = decode(data, size, out)
        if wrote == size and memcmp(out, data, size) == 0:
            return value
        return PyBytes_FromStringAndSize(<char*>out, wrote)
    finally:
        free(out)


cdef Py_ssize_t _percent_only(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil:
    return percent_into(data, size, out, False)


cdef Py_ssize_t _percent_plus(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil:
    return percent_into(data, size, out, True)


def percent(bytes value, bint plus=False):
    """Return *value* with ``%XX`` and ``%uXXXX`` decoded once (RFC 3986, section 2.1), and ``+`` as a space if *plus*."""
    if 37 not in value and not (plus and 43 in value):
        return value
    return _apply(value, _percent_plus if plus else _percent_only)


def markup(bytes value):
    r"""Return *value* with HTML entities and backslash escapes (``&lt;``, ``\u003c``, ``\x3c``, ``\074``, ``\n``) decoded once."""
    if 38 not in value and 92 not in value:
        return value
    return _apply(value, markup_into)


def fold(bytes value):
    """Return *value* without the disguises that need no decoder.

    NUL bytes go; overlong and full-width UTF-8 becomes ASCII; ``0x2e``, ``0x2f`` and ``0x5c`` become their characters; SQL
    comments, ``$IFS``, NBSP and runs of blanks become one space; shell quoting inside a word (``c''at``, ``c\\at``, ``'c'at``) goes.
    """
    if not traits_of(<const uchar*>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)) & DISGUISE:
        return value
    return _apply(value, fold_into)


def base64_text(bytes value):
    """Return what *value* hides as Base64 or base64url, with or without padding (RFC 4648), or None.

    Any token of letters and digits can be decoded; it counts only when text or a gzip or zlib stream comes out.
    """
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value), end = size
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t at
    while end > 0 and (data[end - 1] == 61 or _is_blank(data[end - 1])):
        end -= 1
    if end < 8:
        return None
    for at in range(end):
        if B64[data[at]] < 0:
            return None
    cdef bytes decoded = PyBytes_FromStringAndSize(NULL, end)
    cdef Py_ssize_t wrote = base64_into(data, end, <uchar*>PyBytes_AS_STRING(decoded))
    cdef const uchar* out = <const uchar*>PyBytes_AS_STRING(decoded)
    if is_plausible(out, wrote) or is_packed(out, wrote):
        return decoded[:wrote]
    return None


def hex_text(bytes value):
    """Return the printable text that *value* is in hexadecimal digits (with ``0x`` before or not), or None.

    Identifiers are hexadecimal too, but hardly one in a thousand of eight bytes is printable throughout.
    """
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value), lead = 2 if value[:2] in (b"0x", b"0X") else 0
    if size - lead < MIN_HEX:
        return None
    cdef bytes decoded = PyBytes_FromStringAndSize(NULL, size)
    cdef Py_ssize_t wrote = hex_into(
        <const uchar*>PyBytes_AS_STRING(value) + lead, size - lead, <uchar*>PyBytes_AS_STRING(decoded))
    return decoded[:wrote] if wrote else None


def is_text(bytes value):
    """Tell whether *value* reads as text (ASCII or UTF-8), with one odd byte in 20 allowed."""
    return is_plausible(<const uchar*>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
