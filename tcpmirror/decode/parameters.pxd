from tcpmirror.decode.clean cimport CleanTexts
from tcpmirror.decode.regions cimport Regions
from tcpmirror.decode.text cimport uchar

cdef bint add_request_line(Regions* out, CleanTexts clean, const uchar* line, Py_ssize_t size) noexcept nogil
cdef bint add_cookies(Regions* out, CleanTexts clean, const uchar* line, Py_ssize_t size) noexcept nogil
cdef bint add_form(Regions* out, CleanTexts clean, const uchar* body, Py_ssize_t size) noexcept nogil
