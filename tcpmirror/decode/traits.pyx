# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the bytes of a text say of it, in one look: the alphabet that it is written in, and which decodings could change it."""
from libc.stdint cimport uint16_t

from tcpmirror.model.alphabet import ALPHABETS

# The first bytes of the pairs that a fold changes; the second of each has the bit left of it.
DEF BLANK = 1 << 8   # two blanks
DEF ZERO = 1 << 10   # 0x
DEF SLASH = 1 << 12  # /*
DEF SECONDS = BLANK << 1 | ZERO << 1 | SLASH << 1


cdef void _fill_table():
    plain, url, _ = ALPHABETS
    disguised = frozenset(b"\0\t\n\r\v\f'\"\\^$`\xa0\xc0\xc1\xc2\xe0\xe2\xee\xef\xf0\xf8\xfc")
    base64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
    for byte in range(256):
        TRAITS_OF[byte] = (
            (BEYOND_PLAIN if byte not in plain else 0)
            | (BEYOND_URL if byte not in url else 0)
            | (ESCAPE if byte in (37, 38, 92) else 0)
            | (PLUS if byte == 43 else 0)
            | (DISGUISE if byte in disguised else 0)
            | (BASE64 if byte in base64 else 0)
        )
    TRAITS_OF[32] |= BLANK | BLANK << 1
    TRAITS_OF[48] |= ZERO
    TRAITS_OF[120] |= ZERO << 1
    TRAITS_OF[47] |= SLASH
    TRAITS_OF[42] |= SLASH << 1


_fill_table()


cdef uint16_t traits_of(const unsigned char* data, Py_ssize_t size) noexcept nogil:
    """Return the Traits of the text."""
    cdef uint16_t seen = 0, pairs = 0, last = 0, here
    cdef Py_ssize_t at, run = 0, longest = 0
    for at in range(size):
        here = TRAITS_OF[data[at]]
        seen |= here
        pairs |= (last << 1) & here
        last = here
        run = (run + 1) if here & BASE64 else 0
        longest = run if run > longest else longest
    seen &= BEYOND_PLAIN | BEYOND_URL | ESCAPE | PLUS | DISGUISE
    if pairs & SECONDS:
        seen |= DISGUISE
    return seen | BASE64 if longest >= MIN_RUN else seen
