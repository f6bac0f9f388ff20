from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_ethernet(Cursor* c) noexcept nogil
cdef Verdict read_llc(Cursor* c) noexcept nogil
cdef Verdict read_vlan(Cursor* c) noexcept nogil
cdef Verdict read_backbone(Cursor* c) noexcept nogil
cdef Verdict read_vntag(Cursor* c) noexcept nogil
cdef Verdict read_group_tag(Cursor* c) noexcept nogil
