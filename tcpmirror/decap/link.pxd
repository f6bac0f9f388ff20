from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_link(Cursor* c, int link_type) noexcept nogil
cdef Verdict read_rare_link(Cursor* c, int link_type) noexcept nogil
