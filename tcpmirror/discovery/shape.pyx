# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What one segment of a path looks like: plainly a value, or something that only statistics can tell.

Only what no developer would write into a route is a value at once: long numbers, UUIDs, hexadecimal digests, tokens,
addresses. Everything else keeps its text until it is known which other texts stand in its place (`templates`).
"""
from libc.stdint cimport uint8_t

DEF SMALL_DIGITS = 3     # versions (`/2/`, `/404/`) are no longer
DEF HEX_DIGITS = 8       # shorter ones are words (`cafe`, `added`)
DEF TOKEN_RUN = 10       # letters and digits in a row
DEF TOKEN_CHANGES = 3    # from letter to digit or back: `kubernetes2023` has one
DEF TOKEN_HUMPS = 3      # from small to capital letter, where there are digits too
DEF TOKEN_LETTERS = 16    # capitals and small letters without order
DEF LONG_BYTES = 64      # a route is shorter
DEF EXTENSION_BYTES = 5

NAMES = ("string", "string", "integer", "date", "integer", "uuid", "hex", "token", "email", "ip", "string")


cdef inline bint _is_digit(uint8_t byte) noexcept nogil:
    return 48 <= byte <= 57


cdef inline bint _is_letter(uint8_t byte) noexcept nogil:
    return 97 <= (byte | 32) <= 122


cdef inline bint _is_hex(uint8_t byte) noexcept nogil:
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 102


cdef Shape shape_of(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Return the shape of a segment, as sent."""
    cdef Py_ssize_t at, digits = 0, letters = 0, hexes = 0, dots = 0, hyphens = 0, run = 0, longest = 0
    cdef Py_ssize_t changes = 0, most_changes = 0, humps = 0, pairs = 0, at_sign = -1, colons = 0, others = 0
    cdef uint8_t byte, before = 0
    if size > LONG_BYTES:
        return LONG
    for at in range(size):
        byte = data[at]
        if _is_digit(byte) or _is_letter(byte):
            digits += _is_digit(byte)
            letters += _is_letter(byte)
            hexes += _is_hex(byte)
            changes += run > 0 and _is_digit(byte) != _is_digit(before)
            run += 1
            if run > longest:
                longest = run
            humps += 97 <= before <= 122 and 65 <= byte <= 90
            pairs += 65 <= before <= 90 and 65 <= byte <= 90
            if run >= TOKEN_RUN and changes > most_changes:
                most_changes = changes
        else:
            run = changes = 0
            dots += byte == 46
            hyphens += byte == 45
            colons += byte == 58
            others += byte >= 128 or byte == 37
            if byte == 64:
                at_sign = at
        before = byte
    if longest >= TOKEN_LETTERS and longest == size and humps >= 2 and pairs >= 2 and humps + pairs >= TOKEN_LETTERS / 3:
        return TOKEN
    if size == 0 or digits == 0 and at_sign <= 0:
        return WORD if others == 0 else MIXED
    if digits == size or digits == size - 1 and data[0] == 45:
        return SMALL if size <= SMALL_DIGITS else INTEGER
    if at_sign > 0 and dots > 0 and at_sign < size - 3:
        return EMAIL
    if dots == 3 and digits == size - 3:
        return ADDRESS
    if dots == 1 and digits == size - 1:
        return SMALL
    if size == 36 and hyphens == 4 and hexes == 32 and data[8] == 45 and data[13] == 45 and data[18] == 45:
        return UUID
    if size >= 10 and _is_date(data) and (size == 10 or data[10] | 32 == 116):
        return DATE
    if hexes == size and size >= HEX_DIGITS and letters > 0:
        return HEX
    if colons >= 2 and hexes + colons == size:
        return ADDRESS
    if longest >= TOKEN_RUN and (most_changes >= TOKEN_CHANGES or humps >= TOKEN_HUMPS):
        return TOKEN
    return MIXED


cdef bint _is_date(const uint8_t* data) noexcept nogil:
    """Tell whether the first ten bytes are a date (RFC 3339, section 5.6)."""
    cdef Py_ssize_t at
    for at in range(10):
        if (data[at] != 45) if at == 4 or at == 7 else not _is_digit(data[at]):
            return False
    return data[5] <= 49 and data[8] <= 51 and (data[0] == 49 or data[0] == 50)


cdef Py_ssize_t stem_size(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Return the length of a segment without its file extension (`.json`), if it has one."""
    cdef Py_ssize_t at = size - 1
    while at > 0 and size - at <= EXTENSION_BYTES and _is_letter(data[at]):
        at -= 1
    return at if at > 0 and data[at] == 46 and size - at > 1 else size


def segment_key(bytes segment):
    """Return (key, kind): ``{}`` with its extension for what is a value at once, else the segment; kind as in NAMES."""
    cdef const uint8_t* data = segment
    cdef Py_ssize_t size = len(segment), stem = stem_size(data, size)
    cdef Shape shape = shape_of(data, stem)
    if shape >= INTEGER and shape != ADDRESS or stem < size and shape == SMALL:
        return "{}" + (<bytes>data[stem:size]).decode("latin-1"), NAMES[<int>shape]
    if stem < size:
        shape = shape_of(data, size)
    return "{}" if shape >= INTEGER else segment.decode("latin-1"), NAMES[<int>shape]


def raw_shape(str segment):
    """Return "word", "mixed", "small" or "date" for a segment that is no value at once; a domain name is a word."""
    cdef bytes sent = segment.encode("latin-1", "replace")
    cdef const uint8_t* data = sent
    cdef Py_ssize_t size = len(sent)
    cdef Shape shape = shape_of(data, size)
    if shape == MIXED and size > 2 and sent.count(b".") >= 2 and _is_letter(data[size - 1]) and _is_letter(data[size - 2]):
        return "word"
    return ("word", "mixed", "small", "date")[<int>shape] if shape < INTEGER else "mixed"
