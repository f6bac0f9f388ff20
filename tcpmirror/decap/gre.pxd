from libc.stdint cimport uint32_t

from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_gre(Cursor* c) noexcept nogil
cdef Verdict read_pptp(Cursor* c, uint32_t flags, uint32_t protocol) noexcept nogil
cdef Verdict read_erspan(Cursor* c, int header_length) noexcept nogil
