# cython: language_level=3, boundscheck=False, wraparound=False
"""What a text holds, asked at little cost: bytes of families, and words."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcmp

from tcpmirror.model.needle cimport holds_word

from tcpmirror.detect.alphabet import FAMILIES

DEF FAMILY_BYTES = 16     # no family but the first, of all bytes that are not plain, has more
DEF MISSES = 32         # of a letter, before all letters of a word are searched for at once
DEF LOOK = 256            # of a text's beginning, where most of the families that it holds stand

cdef uint8_t FAMILIES_OF[256]
cdef uint8_t[8][FAMILY_BYTES] BYTES_OF
cdef uint8_t[8] COUNT_OF
cdef int COUNT = len(FAMILIES)


cdef void _fill_tables():
    for byte in range(256):
        FAMILIES_OF[byte] = sum([(byte in whole) << place for place, whole in enumerate(FAMILIES)])
    for place, whole in enumerate(FAMILIES[1:], 1):
        for at, byte in enumerate(sorted(whole)):
            BYTES_OF[place][at] = byte
        COUNT_OF[place] = len(whole)


_fill_tables()


def families(bytes text not None):
    """Return the mask of the FAMILIES of which *text* holds a byte."""
    return families_of(text)


cdef uint8_t families_of(bytes text) noexcept:
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(text)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(text), look = size if size < LOOK else LOOK
    cdef uint8_t held = _held(data, look)
    cdef int place
    if not held & 1:
        return _held(data, size)
    for place in range(1, COUNT):
        if not held >> place & 1 and _holds_one_of(place, data + look, size - look):
            held |= 1 << place
    return held


cdef uint8_t _held(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t at
    cdef uint8_t held = 0
    for at in range(size):
        held |= FAMILIES_OF[data[at]]
    return held


cdef bint _holds_one_of(int place, const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Tell whether the bytes hold one of the family: for each of its bytes a search that the processor does many at a time."""
    cdef int at
    for at in range(COUNT_OF[place]):
        if memchr(data, BYTES_OF[place][at], size) != NULL:
            return True
    return False


cpdef bint holds_query(bytes body) noexcept:
    """Tell whether *body* holds ``query``: few texts hold its first letter often, and it is found in a tenth of an instruction a byte."""
    cdef const char* at = PyBytes_AS_STRING(body)
    cdef const char* end = at + PyBytes_GET_SIZE(body)
    cdef int misses
    for misses in range(MISSES):
        at = <const char*>memchr(at, b"q", end - at)
        if at == NULL:
            return False
        if end - at >= 5 and memcmp(at, b"query", 5) == 0:
            return True
        at += 1
    return holds_word(at, end - at, b"query", 5)
