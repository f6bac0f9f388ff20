# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the bytes of a text say of it, in one look: the alphabet that it is written in, and which decodings could change it."""
from libc.stdint cimport uint16_t

from tcpmirror.model.alphabet import ALPHABETS

# Sixteen bytes at a time. Most texts are letters, digits and few marks: of those nothing but pairs and runs is asked.
cdef extern from *:
    """
    typedef unsigned char lanes __attribute__((vector_size(16)));
    typedef unsigned long long halves __attribute__((vector_size(16)));

    static inline lanes load(const unsigned char *data) {
        lanes here;
        __builtin_memcpy(&here, data, 16);
        return here;
    }

    static inline int any(lanes found) {
        halves both = (halves) found;
        return (both[0] | both[1]) != 0;
    }

    /* Lanes that are no letter or mark of prose. Bytes beyond ASCII may be folded: they are neither prose nor plain here. */
    static inline lanes beyond_prose(lanes here) {
        lanes letter = (lanes) ((here | 32) - 'a' < 26);
        return ~(letter | (lanes) (here == ' ') | (lanes) (here == '.') | (lanes) (here == ',') | (lanes) (here == '_')
                 | (lanes) (here == 1));
    }

    static inline lanes beyond_digits(lanes here) {
        return ~((lanes) (here - '0' <= ':' - '0') | (lanes) (here == '-'));
    }

    static inline lanes pairs(lanes here, lanes next) {
        return ((lanes) (here == ' ') & (lanes) (next == ' ')) | ((lanes) (here == '0') & (lanes) (next == 'x'))
            | ((lanes) (here == '/') & (lanes) (next == '*'));
    }

    /* 0: prose; 1: plain; 2: neither, as far as sixteen bytes at a time tell. */
    static int alphabet_of(const unsigned char *data, Py_ssize_t size) {
        unsigned char few[16];
        lanes here, beyond, others = {0};
        Py_ssize_t at = 0;
        if (size < 16) {
            __builtin_memset(few, ' ', 16);
            __builtin_memcpy(few, data, size);
            data = few;
            size = 16;
        }
        for (;;) {
            here = load(data + at);
            beyond = beyond_prose(here);
            if (any(beyond & beyond_digits(here)))
                return 2;
            others |= beyond;
            if (at == size - 16)
                return any(others);
            at = at + 16 <= size - 16 ? at + 16 : size - 16;
        }
    }

    /* Two bytes together that a fold changes: two blanks, 0x, the beginning of a comment. */
    static int has_pair(const unsigned char *data, Py_ssize_t size) {
        unsigned char few[17];
        lanes found = {0};
        Py_ssize_t at;
        if (size < 17) {
            __builtin_memset(few, 0, 17);
            __builtin_memcpy(few, data, size);
            return any(pairs(load(few), load(few + 1)));
        }
        for (at = 0; at + 17 <= size; at += 16)
            found |= pairs(load(data + at), load(data + at + 1));
        return any(found | pairs(load(data + size - 17), load(data + size - 16)));
    }
    """
    int alphabet_of(const unsigned char* data, Py_ssize_t size) noexcept nogil
    bint has_pair(const unsigned char* data, Py_ssize_t size) noexcept nogil


cdef void _fill_table():
    prose, plain, url, _ = ALPHABETS
    disguised = frozenset(b"\0\t\n\r\v\f'\"\\^$`\xa0\xc0\xc1\xc2\xe0\xe2\xee\xef\xf0\xf8\xfc")
    base64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
    for byte in range(256):
        TRAITS_OF[byte] = (
            (BEYOND_PROSE if byte not in prose else 0)
            | (BEYOND_PLAIN if byte not in plain else 0)
            | (BEYOND_URL if byte not in url else 0)
            | (ESCAPE if byte in (37, 38, 92) else 0)
            | (PLUS if byte == 43 else 0)
            | (DISGUISE if byte in disguised else 0)
            | (BASE64 if byte in base64 else 0)
        )


_fill_table()


cdef uint16_t traits_of(const unsigned char* data, Py_ssize_t size) noexcept nogil:
    """Return the Traits of the text."""
    cdef int alphabet = alphabet_of(data, size)
    cdef uint16_t seen = BEYOND_PROSE if alphabet == 1 else 0
    cdef Py_ssize_t at
    if alphabet == 2:
        for at in range(size):
            seen |= TRAITS_OF[data[at]]
    if has_pair(data, size):
        seen |= DISGUISE
    return seen & ~BASE64 | (BASE64 if _has_run(data, size) else 0)


cdef bint _has_run(const unsigned char* data, Py_ssize_t size) noexcept nogil:
    """Tell whether MIN_RUN characters of Base64 stand one behind the other: any such run covers one place in MIN_RUN."""
    cdef Py_ssize_t at = MIN_RUN - 1, begin, end
    while at < size:
        if TRAITS_OF[data[at]] & BASE64:
            begin, end = at, at + 1
            while begin > at - MIN_RUN + 1 and TRAITS_OF[data[begin - 1]] & BASE64:
                begin -= 1
            while end < size and end - begin < MIN_RUN and TRAITS_OF[data[end]] & BASE64:
                end += 1
            if end - begin >= MIN_RUN:
                return True
        at += MIN_RUN
    return False
