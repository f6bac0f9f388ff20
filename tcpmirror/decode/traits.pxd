from libc.stdint cimport uint16_t

# What the bytes of a text say of it.
cdef enum Trait:
    BEYOND_PROSE = 1 << 0  # holds a byte outside the first of the model's ALPHABETS
    BEYOND_PLAIN = 1 << 1  # outside the second
    BEYOND_URL = 1 << 2    # outside the third
    ESCAPE = 1 << 3        # percent, backslash or ampersand
    PLUS = 1 << 4
    DISGUISE = 1 << 5      # a byte that a fold may change, or a pair that it does
    BASE64 = 1 << 6        # at least MIN_RUN characters of Base64 one behind the other

cdef enum:
    MIN_RUN = 8            # shorter runs hide nothing worth it

cdef uint16_t TRAITS_OF[256]  # of a text of one byte, but BASE64 for every character of Base64

cdef uint16_t traits_of(const unsigned char* data, Py_ssize_t size) noexcept nogil
