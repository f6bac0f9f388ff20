# cython: language_level=3
"""Pairing: which response answers which request.

HTTP/1 answers in order (RFC 9112, section 9.3.2), so as long as every byte was seen a queue is all it takes. A response that
began before the request's first byte is not its answer. The two directions may reach the sensor out of step, when one waits
for lost bytes: a response that comes first is kept `ahead` for a moment, and packet times tell. A request that was given up (time-out, limit) leaves its place in
the queue behind (`late`), so that its late response does not go to the next one.

After lost bytes that may have held a whole message the order is *uncertain*: the requests after the loss, and after a loss
of response bytes also those before it, are not paired at once. Their responses are held until the picture is complete:

- another request begins while exactly one request and one response are held: a client that does not pipeline has its answer,
  so the two are a pair, and order is certain again;
- another request begins and the numbers differ: nobody knows which is missing, so all stay alone;
- the flow ends: equal numbers are paired in order, unequal ones stay alone;
- a request waits too long: as when another one begins.

A second loss inside such a window rules pairing out. A flow whose client was seen to pipeline is paired at its end only; so
is one where a request follows lost request bytes with no response between them, which a client that waits does not do. Order
is certain again as well once nothing was in flight for as long as a response may take. A flow joined after its start begins
uncertain. What remains: a client that always keeps the same number of requests in flight and loses one of them together
with the only sign of it (a response out of turn) cannot be told from one that waits.
"""
cimport cython
from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Request, Response

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t RESPONSE_ONLY = 1 << Anomaly.RESPONSE_ONLY
cdef uint64_t PIPELINE_LIMIT = 1 << Anomaly.PIPELINE_LIMIT
cdef uint64_t EARLY_RESPONSE = 1 << Anomaly.EARLY_RESPONSE


cdef enum:
    LATE_REQUESTS = 16  # remembered of the requests given up, for the framing of their late responses


@cython.no_gc  # refers to messages only, so it is in no cycle; two thirds of what is allocated are such values
cdef class Entry:
    """An exchange on its way."""


cdef class Pairing:
    """The exchanges of one flow that are not finished. Whatever is, goes to ``finished`` in the order of emission."""

    def __init__(self, Py_ssize_t limit, bint is_uncertain):
        self.limit = limit if limit > 0 else 1
        self.is_uncertain = is_uncertain
        self.waiting = []
        self.held = []
        self.ahead = []
        self.finished = []
        self.late_requests = []

    cdef Entry begin_request(self, uint64_t order, uint64_t begin_ns, bint is_server_idle):
        """Return the entry of a request whose first byte, sent at *begin_ns*, came."""
        cdef Entry entry
        if begin_ns < self.alone_ns and not self.is_uncertain:  # its answer may be among those told alone
            self.lose_responses()
        if self.ahead:
            entry = self.take_ahead(order, begin_ns)
            if entry is not None:
                return entry
        entry = Entry.__new__(Entry)
        if self.is_uncertain:
            self.settle_before_request(is_server_idle)
            if self.is_request_missing:  # the lost bytes held no request, or the client did not wait for its answer
                self.is_pipelined = True
                self.is_request_missing = False
        if len(self.waiting) + len(self.held) >= self.limit:
            if self.is_uncertain and self.held:
                self.part_held(PIPELINE_LIMIT)
            if len(self.waiting) >= self.limit:
                self.give_up_front(PIPELINE_LIMIT)
        entry.order = order
        entry.begin_ns = begin_ns
        entry.has_request = True
        entry.is_certain = not self.is_uncertain
        self.waiting.append(entry)
        return entry

    cdef Entry take_ahead(self, uint64_t order, uint64_t begin_ns):
        """Return the entry of the first response in `ahead` that began after *begin_ns*, or None; those before it stay alone."""
        cdef Entry entry
        while self.ahead:
            entry = self.ahead.pop(0)
            if entry.response_ns > begin_ns:
                entry.order = order
                entry.has_request = True
                entry.is_certain = True
                return entry
            self.leave_alone(entry)
        return None

    cdef int leave_alone(self, Entry entry) except -1:
        """Tell the response of *entry*, when it is whole, as one that nobody is known to have asked for."""
        entry.anomalies |= RESPONSE_ONLY
        self.alone_ns = max(self.alone_ns, entry.response_ns)
        if entry.is_response_whole:
            self.finish(entry)
        return 0

    cdef int give_up_ahead(self, bint all_of_them) except -1:
        """Wait no longer for the request of the first response in `ahead`, or of any."""
        while self.ahead:
            self.leave_alone(self.ahead.pop(0))
            if not all_of_them:
                break
        return 0

    cdef int drop_request(self, Entry entry) except -1:
        """Forget a request that turned out to be none; a response that it was given stays alone."""
        entry.has_request = False
        entry.anomalies &= ~EARLY_RESPONSE
        if entry in self.waiting:
            self.waiting.remove(entry)
            if self.held and not self.waiting:
                self.part_held(0)
        elif entry is not self.answering or entry.is_response_whole:
            if entry is self.answering:
                self.answering = None
            self.leave_alone(entry)
        return 0

    cdef int end_request(self, Entry entry) except -1:
        """Note that the request of *entry* is whole."""
        entry.is_request_whole = True
        entry.held_bytes = 256 + len(entry.request.head) + len(entry.request.body)
        self.held_bytes += entry.held_bytes
        if entry.is_response_whole:
            if entry is self.answering:
                self.answering = None
            self.finish(entry)
        if entry.request.method == b"HEAD" and entry.response is not None and entry.response.wire_length:
            self.lose_responses()  # it was read with a body, which held others
        return 0

    cdef Entry begin_response(self, uint64_t order, uint64_t begin_ns):
        """Return the entry that a final response belongs to whose first byte was the *order*-th beginning of the flow."""
        cdef Entry entry
        cdef Py_ssize_t place = len(self.held)
        self.is_request_missing = False
        if self.answering is None and not self.late and self.waiting:
            entry = <Entry>self.waiting[0]
            if entry.is_certain and (entry.order < order or entry.begin_ns < begin_ns):
                del self.waiting[0]
                if self.waiting and (<Entry>self.waiting[0]).order < order:
                    self.is_pipelined = True
                if not entry.is_request_whole:
                    entry.anomalies |= EARLY_RESPONSE
                self.answering = entry
                entry.response_order = order
                return entry
        entry = Entry.__new__(Entry)
        entry.response_order = order
        entry.response_ns = begin_ns
        if self.late:
            self.late -= 1
            if self.late_requests:
                del self.late_requests[0]
        elif self.answering is None and self.is_uncertain and self.waiting and (<Entry>self.waiting[0]).order < order:
            self.held.append(entry)
            if not self.is_response_missing and place + 1 < len(self.waiting):
                self.is_pipelined = True
            return entry
        elif not self.is_uncertain and (self.answering is not None or not self.waiting):
            self.ahead.append(entry)
            if len(self.ahead) > self.limit:
                self.give_up_ahead(False)
            return entry
        self.leave_alone(entry)
        return entry

    cdef int end_response(self, Entry entry) except -1:
        """Note that the response of *entry* is whole."""
        entry.is_response_whole = True
        if entry is self.answering:
            if entry.is_request_whole or not entry.has_request:
                if not entry.has_request:
                    entry.anomalies |= RESPONSE_ONLY
                self.answering = None
                self.finish(entry)
            return 0
        if entry in self.held or entry in self.ahead:
            entry.held_bytes = 256 + len(entry.response.head) + len(entry.response.body)
            self.held_bytes += entry.held_bytes
            return 0
        if entry.is_request_whole or not entry.has_request:
            self.finish(entry)
        return 0

    cdef Request partner(self, uint64_t order):
        """Return the request that a response beginning now most likely answers, or None: its method decides the framing."""
        cdef Entry entry
        cdef Py_ssize_t place = len(self.held)
        if self.late:
            return self.late_requests[0] if self.late_requests else None
        if self.answering is not None or place >= len(self.waiting):
            return None
        entry = <Entry>self.waiting[place]
        return entry.request if entry.order < order else None

    cdef Entry front(self):
        """Return the oldest request that waits for its response to begin, or None."""
        return <Entry>self.waiting[0] if self.waiting else None

    cdef int lose_requests(self, bint is_between) except -1:
        """Take note of lost bytes that may have held whole requests; *is_between*: they came after a whole one."""
        if is_between and self.waiting:
            self.is_pipelined = True
        self.give_up_ahead(True)
        self.is_tainted = self.is_tainted or (self.is_uncertain and (self.held or self.waiting))
        self.is_uncertain = True
        self.is_request_missing = True
        return 0

    cdef int lose_responses(self) except -1:
        """Take note of lost bytes that may have held whole responses: no request that waits can be sure of the next one."""
        cdef Entry entry
        self.give_up_ahead(True)
        self.is_tainted = self.is_tainted or (self.is_uncertain and (self.held or self.waiting))
        self.is_uncertain = True
        self.is_response_missing = True
        self.late = 0
        self.late_requests.clear()
        for entry in self.waiting:
            entry.is_certain = False
        return 0

    cdef int become_certain(self) except -1:
        """Forget former losses: nothing of their time can be in flight any more."""
        self.is_uncertain = False
        self.is_tainted = False
        self.is_request_missing = False
        self.is_response_missing = False
        return 0

    cdef int give_up_front(self, uint64_t anomaly) except -1:
        """Emit the oldest waiting request without a response; its response, should it come, will stay alone."""
        cdef Entry entry = self.waiting.pop(0)
        entry.anomalies |= anomaly
        if entry.is_certain:
            self.late += 1
            if len(self.late_requests) < LATE_REQUESTS:
                self.late_requests.append(Request(entry.request.head, b"", 0, entry.request.method))
        self.finish(entry)
        if self.held and not self.waiting:
            self.part_held(0)
        return 0

    cdef int settle(self, uint64_t anomaly, bint may_pair) except -1:
        """Pair what is held if *may_pair* and the numbers agree, else emit each alone, requests with *anomaly*."""
        self.give_up_ahead(True)
        if may_pair and not self.is_tainted and self.held and len(self.held) == len(self.waiting):
            self.pair_held(anomaly)
        else:
            self.part_held(anomaly)
        return 0

    cdef int settle_before_request(self, bint is_server_idle) except -1:
        """Look whether the request about to begin tells something about what is held."""
        if not is_server_idle or not self.held or (<Entry>self.waiting[0]).is_certain:
            return 0
        if len(self.waiting) > len(self.held) + 1:  # more than the one whose answer was lost: the others may be in flight
            self.is_pipelined = True
        if self.is_pipelined and not self.is_tainted:
            return 0
        if len(self.held) == 1 and len(self.waiting) == 1 and not self.is_tainted:
            self.pair_held(0)
            self.become_certain()
        elif self.is_last_whole():
            self.part_held(0)
        return 0

    cdef bint is_last_whole(self) noexcept:
        return (<Entry>self.waiting[len(self.waiting) - 1]).is_request_whole

    cdef int pair_held(self, uint64_t anomaly) except -1:
        """Join held responses and waiting requests in order, if each response began after its request."""
        cdef Entry asked, answered
        for asked, answered in zip(self.waiting, self.held):
            if asked.order > answered.response_order or not asked.is_request_whole or not answered.is_response_whole:
                return self.part_held(anomaly)
        for asked, answered in zip(self.waiting, self.held):
            asked.response = answered.response
            asked.anomalies |= answered.anomalies
            asked.held_bytes += answered.held_bytes
            self.finish(asked)
        self.waiting.clear()
        self.held.clear()
        self.is_tainted = False
        return 0

    cdef int part_held(self, uint64_t anomaly) except -1:
        """Emit what waits and what is held each alone, in the order in which they began; what is not whole stays."""
        cdef Entry entry
        cdef list alone = [entry for entry in self.waiting if (<Entry>entry).is_request_whole]
        cdef list answers = [entry for entry in self.held]
        self.waiting = [entry for entry in self.waiting if not (<Entry>entry).is_request_whole]
        self.held = []
        self.is_tainted = False
        for entry in alone:
            entry.anomalies |= anomaly
        for entry in answers:
            entry.anomalies |= RESPONSE_ONLY
            entry.order = entry.response_order
        for entry in sorted(alone + answers, key=entry_order):
            if entry.has_request or entry.is_response_whole:
                self.finish(entry)
        return 0

    cdef int finish(self, Entry entry) except -1:
        self.held_bytes -= entry.held_bytes
        entry.held_bytes = 0
        self.finished.append(entry)
        return 0


def entry_order(Entry entry):
    return entry.order
