from tcpmirror.decode.clean cimport CleanTexts
from tcpmirror.decode.regions cimport Regions
from tcpmirror.decode.text cimport uchar

cdef enum:
    NAMES_BYTES = 1024

# The names of a document's members, each once, as `Request.member_names` holds them, if `is_whole`.
cdef struct MemberNames:
    bint is_whole
    Py_ssize_t size
    uchar[NAMES_BYTES] text

cdef bint add_document(Regions* out, CleanTexts clean, const uchar* data, Py_ssize_t size, MemberNames* names) noexcept nogil
