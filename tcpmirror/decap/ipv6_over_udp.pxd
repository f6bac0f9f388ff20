from tcpmirror.decap.cursor cimport Cursor, Verdict

cdef Verdict read_teredo(Cursor* c) noexcept nogil
cdef Verdict read_ayiya(Cursor* c) noexcept nogil
