# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The texts of requests that turned out clean: rules judge texts one by one, so they are clean the next time, too.

Clients send the same header lines, keys and words again and again. What is remembered of a text is a hash under keys that
change with each process: NH (Black et al., "UMAC: Fast and Secure Message Authentication", 1999) gives any two texts the same one
by a chance of 2^-64, whoever chose them, because nobody sees a hash or a key. The table has two places for each hash and keeps
the last two that came to them: memory is fixed, and nothing has to be thrown out.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from tcpmirror.decode.text cimport uchar
from tcpmirror.model.hashing cimport short_word, siphash13

cdef extern from *:
    ctypedef unsigned long long wide "unsigned __int128"
    void __builtin_prefetch(const void* address) noexcept nogil

DEF PLACES = 65536
DEF FRESH = 4096          # texts of one message that can be learned


cdef class CleanTexts:
    """Texts known as clean, and those of the message at hand that are not known yet (``fresh``)."""

    def __cinit__(self):
        self._known = <uint64_t*>calloc(PLACES, sizeof(uint64_t))
        self._fresh = <uint64_t*>calloc(FRESH, sizeof(uint64_t))
        if self._known == NULL or self._fresh == NULL:
            raise MemoryError
        self._draw_keys()

    def __dealloc__(self):
        free(self._known)
        free(self._fresh)

    cdef void _draw_keys(self):
        # The interpreter's own hash of a text is keyed by chance at start.
        cdef uint64_t key0 = <uint64_t>hash(b"tcpmirror clean 0"), key1 = <uint64_t>hash(b"tcpmirror clean 1")
        cdef uint8_t index
        for index in range(KEYS):
            self._keys[index] = siphash13(key0, key1, &index, 1)

    cdef uint64_t _hash(self, const uchar* data, Py_ssize_t size, uint64_t length, uint64_t under) noexcept nogil:
        """Return the hash of the text, and of *length*, which tells its own, and *under* as its last words."""
        cdef const uint64_t* keys = self._keys
        cdef uint64_t first, second
        cdef wide total = 0
        cdef Py_ssize_t at = 0
        while at + 16 <= size:
            memcpy(&first, data + at, 8)
            memcpy(&second, data + at + 8, 8)
            total += <wide>(keys[0] + first) * (keys[1] + second)
            keys += 2
            at += 16
        if at + 8 <= size:
            memcpy(&first, data + at, 8)
            second = short_word(data + at + 8, size - at - 8)
        else:
            first = short_word(data + at, size - at)
            second = 0
        total += <wide>(keys[0] + first) * (keys[1] + second)
        total += <wide>(keys[2] + length) * (keys[3] + under)
        first, second = <uint64_t>(total >> 64), <uint64_t>total
        total = <wide>(keys[4] + first) * (keys[5] + second)
        return <uint64_t>(total >> 64) ^ <uint64_t>total

    cdef uint64_t mark(self, const uchar* data, Py_ssize_t size, bint is_escaped, uint64_t under) noexcept nogil:
        """Return the mark of a text of KEPT_BYTES at most for `knows`, which finds its place in the cache if asked a little later.

        *is_escaped*: the text is what these bytes stand for in JSON; *under*: the mark of its key, 0 for none.
        """
        cdef uint64_t mark = self._hash(data, size, <uint64_t>size | <uint64_t>is_escaped << 32, under) | 1
        __builtin_prefetch(self._pair(mark))
        return mark

    cdef uint64_t* _pair(self, uint64_t mark) noexcept nogil:
        """Return the two places of a mark."""
        return self._known + (mark & (PLACES - 2))

    cdef bint knows(self, uint64_t mark) noexcept nogil:
        """Tell whether the text of that mark is known as clean; if not, it is fresh."""
        cdef const uint64_t* pair = self._pair(mark)
        if pair[0] == mark or pair[1] == mark:
            return True
        if self._fresh_count < FRESH:
            self._fresh[self._fresh_count] = mark
            self._fresh_count += 1
        return False

    cdef void forget_fresh(self) noexcept nogil:
        self._fresh_count = 0

    cdef void learn(self) noexcept nogil:
        """Remember what is fresh as clean."""
        cdef Py_ssize_t at
        cdef uint64_t* pair
        for at in range(self._fresh_count):
            pair = self._pair(self._fresh[at])
            pair[1] = pair[0]
            pair[0] = self._fresh[at]
        self._fresh_count = 0
