from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_ip(Cursor* c) noexcept nogil
