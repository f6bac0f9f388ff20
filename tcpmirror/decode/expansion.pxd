from tcpmirror.decode.regions cimport Regions

cdef enum:
    SEGMENTS = 64   # of a run; a target with more is for the full path
    KEY_BYTES = 64  # a value of a document stands behind a key shorter than this

cdef bint expand(Regions* out, Py_ssize_t start, Py_ssize_t size, bint plus, int depth) noexcept nogil
