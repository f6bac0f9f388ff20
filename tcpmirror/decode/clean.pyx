# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The texts that were searched and showed nothing: rules judge texts one by one, so they show nothing the next time either.

Clients send the same header lines, keys and words again and again. What is remembered of a text is its SipHash-1-3 (Aumasson and
Bernstein, 2012) under a key that changes with each process, so nobody outside can make two texts look the same. The table has a
place for each hash and keeps the last that came to it: memory is fixed, and nothing has to be thrown out.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from tcpmirror.decode.text cimport uchar

DEF PLACES = 65536
DEF FRESH = 4096          # texts of one message that can be learned


cdef inline uint64_t _rotated(uint64_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (64 - bits))


cdef inline void _round(uint64_t* v) noexcept nogil:
    v[0] += v[1]
    v[1] = _rotated(v[1], 13) ^ v[0]
    v[0] = _rotated(v[0], 32)
    v[2] += v[3]
    v[3] = _rotated(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = _rotated(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = _rotated(v[1], 17) ^ v[2]
    v[2] = _rotated(v[2], 32)


cdef uint64_t siphash(uint64_t key0, uint64_t key1, const uchar* data, Py_ssize_t size) noexcept nogil:
    """Return SipHash-1-3 of *data*."""
    cdef uint64_t v[4]
    cdef uint64_t word
    cdef Py_ssize_t at = 0
    v[0] = key0 ^ <uint64_t>0x736f6d6570736575
    v[1] = key1 ^ <uint64_t>0x646f72616e646f6d
    v[2] = key0 ^ <uint64_t>0x6c7967656e657261
    v[3] = key1 ^ <uint64_t>0x7465646279746573
    while at + 8 <= size:
        memcpy(&word, data + at, 8)
        v[3] ^= word
        _round(v)
        v[0] ^= word
        at += 8
    word = 0
    memcpy(&word, data + at, size - at)
    word |= <uint64_t>size << 56
    v[3] ^= word
    _round(v)
    v[0] ^= word
    v[2] ^= 0xff
    _round(v)
    _round(v)
    _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


cdef class CleanTexts:
    """Texts known as clean, and those of the message at hand that are not known yet (``fresh``)."""

    def __cinit__(self):
        self._known = <uint64_t*>calloc(PLACES, sizeof(uint64_t))
        self._fresh = <uint64_t*>calloc(FRESH, sizeof(uint64_t))
        if self._known == NULL or self._fresh == NULL:
            raise MemoryError
        # The interpreter's own hash of a text is keyed by chance at start.
        self._key0 = <uint64_t>hash(b"tcpmirror clean 0")
        self._key1 = <uint64_t>hash(b"tcpmirror clean 1")

    def __dealloc__(self):
        free(self._known)
        free(self._fresh)

    cdef bint is_known(self, const uchar* data, Py_ssize_t size) noexcept nogil:
        """Tell whether the text is known as clean; if not, it is fresh."""
        cdef uint64_t mark = siphash(self._key0, self._key1, data, size) | 1
        if self._known[(mark >> 1) & (PLACES - 1)] == mark:
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
        for at in range(self._fresh_count):
            self._known[(self._fresh[at] >> 1) & (PLACES - 1)] = self._fresh[at]
        self._fresh_count = 0
