"""Octets: what a byte of a head may be (inlined where it is asked)."""
from libc.stdint cimport uint8_t


cdef extern from *:
    """
    /* 1 where a byte may stand in a token (RFC 9110, section 5.6.2); 39 is the apostrophe. */
    static const unsigned char TOKEN_BYTES[256] = {
        ['!'] = 1, ['#' ... 39] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1,
        ['^' ... 'z'] = 1, ['|'] = 1, ['~'] = 1
    };
    """
    const uint8_t TOKEN_BYTES[256]


cdef inline bint is_blank(uint8_t byte) noexcept nogil:
    return byte == 32 or byte == 9


cdef inline bint is_digit(uint8_t byte) noexcept nogil:
    return 48 <= byte <= 57


cdef inline bint is_token(uint8_t byte) noexcept nogil:
    return TOKEN_BYTES[byte]
