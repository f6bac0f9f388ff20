from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Request
from tcpmirror.protocols.evidence cimport Entry, Evidence


cdef class Pairing(Evidence):
    cdef uint64_t asked_ns          # packet time at which the last request began
    cdef inline bint is_replaying(self) noexcept:
        return self.is_uncertain or len(self.asked) > 0 or len(self.answered) > 0
    cdef Entry begin_request(self, uint64_t order, uint64_t begin_ns)
    cdef int drop_request(self, Entry entry) except -1
    cdef int end_request(self, Entry entry) except -1
    cdef Entry begin_response(self, uint64_t order, uint64_t begin_ns)
    cdef Entry take_ahead(self, uint64_t order, uint64_t begin_ns)
    cdef int end_response(self, Entry entry) except -1
    cdef Request partner(self, uint64_t order)
    cdef uint64_t next_ns(self) noexcept
    cdef Entry lose_requests(self, uint64_t order, uint64_t time_ns, uint64_t since_ns, bint is_between)
    cdef Entry lose_responses(self, uint64_t order, uint64_t time_ns, uint64_t size, Py_ssize_t least)
    cdef int replay(self, uint64_t until_ns) except -1
    cdef int replay_request(self, Entry entry) except -1
    cdef int replay_response(self, Entry entry) except -1
    cdef int ask(self, Entry entry) except -1
    cdef int hold(self, Entry entry) except -1
    cdef int make_room(self) except -1
