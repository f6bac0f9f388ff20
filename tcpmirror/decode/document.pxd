from tcpmirror.decode.clean cimport CleanTexts
from tcpmirror.decode.regions cimport Regions
from tcpmirror.decode.text cimport uchar

cdef bint add_document(Regions* out, CleanTexts clean, const uchar* data, Py_ssize_t size) noexcept nogil
