# cython: language_level=3, boundscheck=False, wraparound=False
"""What a text holds, asked at little cost: bytes of families, and words that hardly any request holds."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t

from tcpmirror.model.needle cimport holds

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
        if holds(text, b".ey"):
            return True
    return False


def holds_query(bytes body not None):
    """Tell whether *body* holds ``query``."""
    return holds(body, b"query")
