from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_nflog(Cursor* c) noexcept nogil
