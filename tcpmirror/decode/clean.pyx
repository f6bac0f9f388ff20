# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The texts that were searched and showed nothing: rules judge texts one by one, so they show nothing the next time either.

Clients send the same header lines, keys and words again and again. What is remembered of a text is its SipHash-1-3 under a key
that changes with each process, so nobody outside can make two texts look the same. The table has a place for each hash and keeps
the last that came to it: memory is fixed, and nothing has to be thrown out.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from tcpmirror.decode.text cimport uchar
from tcpmirror.model.hashing cimport siphash13

DEF PLACES = 65536
DEF FRESH = 4096          # texts of one message that can be learned


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
        cdef uint64_t mark = siphash13(self._key0, self._key1, data, size) | 1
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
