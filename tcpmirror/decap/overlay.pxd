from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_vxlan(Cursor* c) noexcept nogil
cdef Verdict read_geneve(Cursor* c) noexcept nogil
