cdef class Scan:
    cdef object search, on_match, scratch

    cdef int run(self, bytes text) except -1


cdef class TextSearch:
    cdef tuple at_once                # of Scan, by what a text holds
    cdef tuple searches             # of tuples of Scan, by what a text holds
    cdef dict asked_for             # rule -> Scan
    cdef set asked
    cdef bint is_sorted

    cdef int run(self, bytes text) except -1


cdef class FormSearch:
    cdef tuple parts                # of tuples of TextSearch
    cdef readonly list seen

    cdef int run(self, tuple form) except -1
