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
    cdef uint64_t answered_ns       # packet time of the first byte of the response that was joined to it, 0: none was
    cdef uint64_t anomalies
    cdef object readings            # Readings of the request, if something about its end is odd
    cdef Py_ssize_t held_bytes
    cdef bint has_request           # a request began; it may have been given up since
    cdef bint is_request_whole
    cdef bint is_response_whole
    cdef bint is_certain            # its place in the order of requests is known
    cdef bint is_kept               # a response in one of the lists of Pairing
    cdef bint is_loss               # lost bytes, not a message
    cdef bint is_between            # they came after a whole message
    cdef uint64_t since_ns          # packet time of the last message byte before them
    cdef Py_ssize_t least           # responses that began in them at least
    cdef uint64_t size              # of them, in bytes


cdef class Evidence:
    cdef list asked                 # requests and lost bytes to be looked at by packet time, as the client sent them
    cdef list answered              # the same of responses
    cdef list waiting               # requests no response of which began, oldest first
    cdef list held                  # responses that wait for the uncertainty to end
    cdef list ahead                 # responses whose requests did not come yet, while order is certain
    cdef list finished              # entries to emit, in order
    cdef Entry answering            # its response began; not emitted yet
    cdef uint64_t alone_ns          # packet time at which the last response began that was told alone
    cdef uint64_t busy_ns           # packet time until which the last response came; BUSY while it does
    cdef uint64_t answered_ns       # packet time at which the last response began
    cdef uint64_t slowest_ns        # longest time that a response let wait
    cdef Py_ssize_t limit
    cdef Py_ssize_t held_bytes
    cdef Py_ssize_t late            # requests given up whose responses may still come
    cdef list late_requests         # the first of them, without bodies: HEAD and CONNECT change how a response is framed
    cdef Py_ssize_t losses          # of response bytes, since order was last certain
    cdef Py_ssize_t loss_place      # how many responses were held before the first of them
    cdef Py_ssize_t loss_room       # responses that it may have held beyond those known
    cdef Py_ssize_t turns           # requests in a row, each begun when all before it was answered
    cdef bint is_uncertain
    cdef bint is_countable          # all that is uncertain is how many responses were lost
    cdef bint may_pipeline          # nothing told yet that the client waits for its answers
    cdef uint64_t seen              # responses since the start of the flow whose order was certain
    cdef bint is_tainted            # a second loss while the first was not settled
    cdef bint is_pipelined          # the client was seen, or may be, to send on without waiting for answers
    cdef bint is_request_missing    # lost request bytes; no response began since
    cdef bint is_response_missing   # lost response bytes since order was last certain
    cdef int become_certain(self) except -1
    cdef int leave_alone(self, Entry entry) except -1
    cdef int give_up_ahead(self, bint all_of_them) except -1
    cdef Entry front(self)
    cdef int doubt(self) except -1
    cdef int keep_order(self) except -1
    cdef int requests_lost(self, Entry loss) except -1
    cdef int responses_lost(self, Entry loss) except -1
    cdef int finish_joined(self, Entry entry) except -1
    cdef int join(self, Entry asked, Entry answered) except -1
    cdef int give_up_front(self, uint64_t anomaly) except -1
    cdef int settle(self, uint64_t anomaly, bint may_pair) except -1
    cdef bint may_count_back(self)
    cdef bint is_first_pair(self)
    cdef int finish(self, Entry entry) except -1
    cdef int settle_before_request(self, Entry entry) except -1
    cdef bint is_answered(self, uint64_t now_ns) noexcept
    cdef bint is_last_whole(self) noexcept
    cdef int pair_held(self, uint64_t anomaly) except -1
    cdef int part_held(self, uint64_t anomaly) except -1
    cdef int part_orphans(self) except -1
