from libc.stdint cimport uint8_t, uint16_t

from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_vxlan(Cursor* c) noexcept nogil
cdef Verdict read_geneve(Cursor* c) noexcept nogil
cdef Verdict read_gre(Cursor* c) noexcept nogil
cdef Verdict read_erspan(Cursor* c, int header_length) noexcept nogil
