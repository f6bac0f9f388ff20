from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_link(Cursor* c, int link_type) noexcept nogil
cdef Verdict read_ethernet(Cursor* c) noexcept nogil
cdef Verdict read_vlan(Cursor* c) noexcept nogil
cdef Verdict read_mpls(Cursor* c) noexcept nogil
cdef Verdict read_pppoe(Cursor* c) noexcept nogil
cdef Verdict read_ppp(Cursor* c) noexcept nogil
