from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_mpls(Cursor* c) noexcept nogil
cdef Verdict read_nsh(Cursor* c) noexcept nogil
