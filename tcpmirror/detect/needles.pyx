# cython: language_level=3, boundscheck=False, wraparound=False
"""Searches for what hardly any request holds, by its rarest byte: much faster than comparing at every place."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcmp

from tcpmirror.detect.alphabet import FAMILIES

cdef uint8_t FAMILIES_OF[256]


cdef void _fill_table():
    for byte in range(256):
        FAMILIES_OF[byte] = sum([(byte in whole) << place for place, whole in enumerate(FAMILIES)])


_fill_table()


def families(bytes text not None):
    """Return the mask of the FAMILIES of which *text* holds a byte."""
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(text)
    cdef Py_ssize_t at, size = PyBytes_GET_SIZE(text)
    cdef uint8_t held = 0
    for at in range(size):
        held |= FAMILIES_OF[data[at]]
    return held


def holds_token(tuple texts not None):
    """Tell whether one of *texts* (bytes) holds ``.ey``, which every signed token does: its claims begin with a brace."""
    cdef bytes text
    for text in texts:
        if _find(text, b".ey", 3):
            return True
    return False


def holds_query(bytes body not None):
    """Tell whether *body* holds ``query``."""
    return _find(body, b"query", 5)


cdef bint _find(bytes text, const char* needle, Py_ssize_t size) noexcept:
    """Tell whether *text* holds *needle*, whose first byte is rare."""
    cdef const char* data = PyBytes_AS_STRING(text)
    cdef const char* stop = data + PyBytes_GET_SIZE(text)
    while stop - data >= size:
        data = <const char*>memchr(data, needle[0], stop - data)
        if data == NULL or stop - data < size:
            return False
        if memcmp(data, needle, size) == 0:
            return True
        data += 1
    return False
