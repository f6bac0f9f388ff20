# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The texts of requests that turned out clean: rules judge texts one by one, so they are clean the next time, too.

Clients send the same header lines, keys and words again and again. What is remembered of a text is a hash under keys that
change with each process: NH (Black et al., "UMAC: Fast and Secure Message Authentication", 1999) gives any two texts the same one
by a chance of 2^-64, whoever chose them, because nobody sees a hash or a key. The table has four places for each hash and keeps
the last four that came to them: memory is fixed, and nothing has to be thrown out.
"""
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memmove, memset

from tcpmirror.model.hashing cimport siphash13

cdef extern from "<stdlib.h>":
    void* aligned_alloc(size_t alignment, size_t size) nogil


cdef class CleanTexts:
    """Texts known as clean, and those of the message at hand that are not known yet (``fresh``)."""

    def __cinit__(self):
        self._known = <uint64_t*>aligned_alloc(64, PLACES * sizeof(uint64_t))
        self._fresh = <uint64_t*>calloc(FRESH, sizeof(uint64_t))
        if self._known == NULL or self._fresh == NULL:
            raise MemoryError
        memset(self._known, 0, PLACES * sizeof(uint64_t))
        self._draw_keys()

    def __dealloc__(self):
        free(self._known)
        free(self._fresh)

    cdef void _draw_keys(self):
        # The interpreter's own hash of a text is keyed by chance at start.
        cdef uint64_t key0 = <uint64_t>hash(b"tcpmirror clean 0"), key1 = <uint64_t>hash(b"tcpmirror clean 1")
        cdef uint16_t index
        for index in range(KEYS):
            self._keys[index] = siphash13(key0, key1, <const uint8_t*>&index, sizeof(index))

    cdef void forget_fresh(self) noexcept nogil:
        self._fresh_count = 0

    cdef void learn(self) noexcept nogil:
        """Remember what is fresh as clean."""
        cdef Py_ssize_t at
        cdef uint64_t* places
        for at in range(self._fresh_count):
            places = places_of(self, self._fresh[at])
            memmove(places + 1, places, (WAYS - 1) * sizeof(uint64_t))
            places[0] = self._fresh[at]
        self._fresh_count = 0
