from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_wlan(Cursor* c) noexcept nogil
cdef Verdict read_subframe(Cursor* c) noexcept nogil
cdef Verdict read_radiotap(Cursor* c) noexcept nogil
cdef Verdict read_ppi(Cursor* c) noexcept nogil
