from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_gtp(Cursor* c) noexcept nogil
