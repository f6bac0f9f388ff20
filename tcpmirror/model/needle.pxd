cdef extern from *:
    """
    typedef unsigned char lanes_t __attribute__((vector_size(16)));  /* wider ones become a loop where the target lacks them */
    typedef unsigned long long halves_t __attribute__((vector_size(16)));

    static inline lanes_t fits_at_16(const char *text, const char *word, Py_ssize_t length) {
        lanes_t begin, end;
        __builtin_memcpy(&begin, text, 16);
        __builtin_memcpy(&end, text + length - 1, 16);
        return (lanes_t) ((begin == (unsigned char) word[0]) & (end == (unsigned char) word[length - 1]));
    }

    static inline int holds_between(const char *text, Py_ssize_t at, Py_ssize_t end, const char *word, Py_ssize_t length) {
        for (; at < end; at++)
            if (text[at] == word[0] && __builtin_memcmp(text + at, word, length) == 0)
                return 1;
        return 0;
    }

    static inline int holds_word(const char *text, Py_ssize_t size, const char *word, Py_ssize_t length) {
        halves_t both;
        Py_ssize_t at = 0;
        if (length == 0)
            return 1;
        for (; at + 32 + length - 1 <= size; at += 32) {
            both = (halves_t) (fits_at_16(text + at, word, length) | fits_at_16(text + at + 16, word, length));
            if ((both[0] | both[1]) && holds_between(text, at, at + 32, word, length))
                return 1;
        }
        return holds_between(text, at, size - length + 1, word, length);
    }
    """
    bint holds_word(const char* text, Py_ssize_t size, const char* word, Py_ssize_t length) noexcept


cpdef bint holds(bytes text, bytes needle) noexcept
