# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Bodies of responses that came again: what they decode to is known, and what readers found in them.

Servers send most large bodies (scripts, styles, pages from a cache) to every client alike. A body is looked for by a mark of its
size and some of its bytes, and found only if all its bytes are the same, so none passes for another. It is kept from the second
time on; one that comes once costs no more than its mark. Room is made by the clock algorithm: what was not found since the
hand came by last goes first.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from tcpmirror.model.exchange cimport KnownBody
from tcpmirror.model.hashing cimport mixed

cdef enum:
    STORE_BYTES = 8388608    # of all bodies kept: the files that a site's pages are made of, usually a few MB
    BODY_BYTES = STORE_BYTES // 8
    PLACES = 8192
    ENTRY_BYTES = 256        # what a body takes besides its bytes
    MARKED = 16              # words of 8 bytes that make a mark


cdef uint64_t mark_of(const uint8_t* data, Py_ssize_t size, bint is_coded) noexcept nogil:
    """Return a mark of a body of LEAST_KNOWN bytes at least: the same for the same body, seldom the same for others.

    Of a gzip stream it holds the checksum, which comes last.
    """
    cdef uint64_t mark = <uint64_t>size << 1 | is_coded, word
    cdef Py_ssize_t at
    for at in range(MARKED):
        memcpy(&word, data + at * (size - 8) // (MARKED - 1), 8)
        mark = (mark ^ word) * <uint64_t>0x9e3779b97f4a7c15
        mark ^= mark >> 32
    return mixed(mark)


cdef class KnownBodies:
    """The known bodies of one worker: STORE_BYTES of them at most, counted in ``held_bytes``."""

    def __cinit__(self):
        self.places = [None] * PLACES
        self.seen_once = <uint64_t*>calloc(PLACES, sizeof(uint64_t))
        if self.seen_once == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.seen_once)

    cdef KnownBody find(self, uint64_t mark, const uint8_t* data, Py_ssize_t size, tuple codings):
        """Return the known body that was sent as these bytes under *codings* (None: none), or None."""
        cdef Py_ssize_t first = mark & (PLACES - 2), place
        cdef KnownBody known
        for place in range(first, first + 2):
            known = <KnownBody>PyList_GET_ITEM(self.places, place)
            if (known is not None and known.mark == mark and PyBytes_GET_SIZE(known.sent) == size
                    and known.codings == codings and memcmp(PyBytes_AS_STRING(known.sent), data, size) == 0):
                known.was_found = True
                return known
        return None

    cdef KnownBody note(self, uint64_t mark, bytes sent, tuple codings, bytes body):
        """Take note of a body that is not known; return it as a known one if one of its mark was here before."""
        cdef uint64_t* seen = self.seen_once + (mark & (PLACES - 1))
        cdef KnownBody known
        if seen[0] != mark:
            seen[0] = mark
            return None
        known = KnownBody.__new__(KnownBody)
        known.mark = mark
        known.sent = sent
        known.codings = codings
        known.body = body
        known.held_bytes = ENTRY_BYTES + PyBytes_GET_SIZE(sent) + (0 if sent is body else PyBytes_GET_SIZE(body))
        if known.held_bytes > BODY_BYTES:
            return None
        self.put(known)
        return known

    cdef int put(self, KnownBody known) except -1:
        cdef Py_ssize_t place = known.mark & (PLACES - 2)
        cdef KnownBody other = self.places[place]
        if other is not None and other.mark != known.mark and other.was_found:
            other.was_found = False
            place += 1
        self.drop(place)
        while self.held_bytes + known.held_bytes > STORE_BYTES:
            other = self.places[self.hand]
            if other is not None and other.was_found:
                other.was_found = False
            else:
                self.drop(self.hand)
            self.hand = (self.hand + 1) & (PLACES - 1)
        self.places[place] = known
        self.held_bytes += known.held_bytes
        return 0

    cdef int drop(self, Py_ssize_t place) except -1:
        """Forget what is known at *place*, if anything."""
        cdef KnownBody known = self.places[place]
        if known is not None:
            self.held_bytes -= known.held_bytes
            self.places[place] = None
        return 0
