from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_pppoe(Cursor* c) noexcept nogil
cdef Verdict read_ppp(Cursor* c) noexcept nogil
cdef Verdict read_cisco_hdlc(Cursor* c) noexcept nogil
cdef Verdict read_serial(Cursor* c) noexcept nogil
