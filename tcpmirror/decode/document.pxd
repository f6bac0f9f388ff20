from libc.stdint cimport uint64_t

from tcpmirror.decode.clean cimport CleanTexts
from tcpmirror.decode.regions cimport Regions
from tcpmirror.decode.text cimport uchar

cdef enum:
    NAME_PLACES = 64    # twice as many as names are noted of one document
    NAMES_BYTES = 1024

# The names of a document's members, each once, as `Request.member_names` holds them, if `is_whole`.
cdef struct MemberNames:
    bint is_whole
    int count
    Py_ssize_t size
    uint64_t[NAME_PLACES] marks
    uchar[NAMES_BYTES] text

cdef bint add_document(Regions* out, CleanTexts clean, const uchar* data, Py_ssize_t size, MemberNames* names) noexcept nogil
