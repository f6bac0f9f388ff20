from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Request, Response


cdef class Entry:
    """An exchange on its way: a request that began, or a response that found none."""
    cdef Request request            # None until its head is whole
    cdef Response response          # None until its head is whole
    cdef uint64_t order             # of the first byte among all messages of the flow
    cdef uint64_t response_order
    cdef uint64_t begin_ns          # packet time of the request's first byte
    cdef uint64_t response_ns       # packet time of the response's first byte
    cdef uint64_t anomalies
    cdef object readings            # Readings of the request, if something about its end is odd
    cdef Py_ssize_t held_bytes
    cdef bint has_request           # a request began; it may have been given up since
    cdef bint is_request_whole
    cdef bint is_response_whole
    cdef bint is_certain            # its place in the order of requests is known


cdef class Pairing:
    cdef list waiting               # entries no response of which began, oldest first
    cdef list held                  # responses that wait for the uncertainty to end
    cdef list ahead                 # responses whose requests did not come yet, while order is certain
    cdef uint64_t alone_ns          # packet time at which the last response began that was told alone
    cdef list finished              # entries to emit, in order
    cdef Entry answering            # its response began; not emitted yet
    cdef Py_ssize_t limit
    cdef Py_ssize_t held_bytes
    cdef Py_ssize_t late            # requests given up whose responses may still come
    cdef list late_requests         # the first of them, without bodies: HEAD and CONNECT change how a response is framed
    cdef bint is_uncertain
    cdef bint is_tainted            # a second loss while the first was not settled
    cdef bint is_pipelined          # the client was seen, or may be, to send on without waiting for answers
    cdef bint is_request_missing    # lost request bytes; no response began since
    cdef bint is_response_missing   # lost response bytes since order was last certain
    cdef int become_certain(self) except -1
    cdef Entry begin_request(self, uint64_t order, uint64_t begin_ns, bint is_server_idle)
    cdef int drop_request(self, Entry entry) except -1
    cdef int end_request(self, Entry entry) except -1
    cdef Entry begin_response(self, uint64_t order, uint64_t begin_ns)
    cdef Entry take_ahead(self, uint64_t order, uint64_t begin_ns)
    cdef int leave_alone(self, Entry entry) except -1
    cdef int give_up_ahead(self, bint all_of_them) except -1
    cdef int end_response(self, Entry entry) except -1
    cdef Request partner(self, uint64_t order)
    cdef Entry front(self)
    cdef int lose_requests(self, bint is_between) except -1
    cdef int lose_responses(self) except -1
    cdef int give_up_front(self, uint64_t anomaly) except -1
    cdef int settle(self, uint64_t anomaly, bint may_pair) except -1
    cdef int finish(self, Entry entry) except -1
    cdef int settle_before_request(self, bint is_server_idle) except -1
    cdef bint is_last_whole(self) noexcept
    cdef int pair_held(self, uint64_t anomaly) except -1
    cdef int part_held(self, uint64_t anomaly) except -1
