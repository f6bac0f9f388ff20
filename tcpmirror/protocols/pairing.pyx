# cython: language_level=3
"""Pairing: which response answers which request.

HTTP/1 answers in order (RFC 9112, section 9.3.2), so as long as every byte was seen a queue is all it takes. A response that
began before the request's first byte, by more than a mirror may swap packets, is not its answer. The two directions may
reach the sensor out of step, when one waits for lost bytes: a response that comes first is kept `ahead` for a moment, and
packet times tell. A request that was given up (time-out, limit) leaves its place in the queue behind (`late`), so that its late
response does not go to the next one.

Bytes that were lost may have held whole messages. From then on what comes is first put in the order of packet times, both
directions together (`asked`, `answered`; the owner calls `replay` when nothing older can come any more), and then judged by
`Evidence`.
"""
from libc.stdint cimport UINT64_MAX, uint64_t

from tcpmirror.model.exchange cimport Request

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.protocols.evidence cimport Entry, Evidence

cdef uint64_t RESPONSE_ONLY = 1 << Anomaly.RESPONSE_ONLY
cdef uint64_t PIPELINE_LIMIT = 1 << Anomaly.PIPELINE_LIMIT
cdef uint64_t EARLY_RESPONSE = 1 << Anomaly.EARLY_RESPONSE
cdef uint64_t BUSY = UINT64_MAX
cdef uint64_t SWAP_NS = 10_000_000  # by so much a mirror may deliver a response before its request


cdef class Pairing(Evidence):
    """The exchanges of one flow that are not finished, as the owner tells of their beginnings and ends."""

    cdef Entry begin_request(self, uint64_t order, uint64_t begin_ns):
        """Return the entry of a request whose first byte, sent at *begin_ns*, came."""
        cdef Entry entry
        if begin_ns < self.alone_ns and not self.is_uncertain:  # its answer may be among those told alone
            self.doubt()
        if self.ahead and not self.is_replaying():
            entry = self.take_ahead(order, begin_ns)
            if entry is not None:
                return entry
        entry = Entry.__new__(Entry)
        entry.order = order
        entry.begin_ns = begin_ns
        entry.has_request = True
        if self.is_replaying():
            self.asked.append(entry)
            if len(self.asked) > self.limit:
                self.replay(max(self.next_ns(), (<Entry>self.asked[0]).begin_ns))
            return entry
        if len(self.waiting) >= self.limit:
            self.give_up_front(PIPELINE_LIMIT)
        entry.is_certain = True
        self.waiting.append(entry)
        return entry

    cdef int drop_request(self, Entry entry) except -1:
        """Forget a request that turned out to be none; a response that it was given stays alone."""
        entry.has_request = False
        entry.anomalies &= ~EARLY_RESPONSE
        if entry in self.asked:
            self.asked.remove(entry)
        elif entry in self.waiting:
            self.waiting.remove(entry)
            self.part_orphans()
        elif entry is not self.answering or entry.is_response_whole:
            if entry is self.answering:
                self.answering = None
            self.leave_alone(entry)
        return 0

    cdef int end_request(self, Entry entry) except -1:
        """Note that the request of *entry* is whole."""
        cdef Py_ssize_t size = 256 + len(entry.request.head) + len(entry.request.body)
        entry.is_request_whole = True
        entry.held_bytes += size
        self.held_bytes += size
        if entry.is_response_whole and entry.answered_ns:
            self.finish_joined(entry)
        elif entry.is_response_whole:
            self.finish(entry)
        if entry.request.method == b"HEAD" and entry.response is not None and entry.response.wire_length:
            self.doubt()  # it was read with a body, which held others
        return 0

    cdef Entry begin_response(self, uint64_t order, uint64_t begin_ns):
        """Return the entry that a final response belongs to whose first byte was the *order*-th beginning of the flow."""
        cdef Entry entry
        self.is_request_missing = False
        if self.answering is None and not self.late and self.waiting and not self.is_replaying():
            entry = <Entry>self.waiting[0]
            if entry.order < order or entry.begin_ns < begin_ns:
                del self.waiting[0]
                if self.waiting and (<Entry>self.waiting[0]).begin_ns < begin_ns:
                    self.is_pipelined = True
                if not entry.is_request_whole:
                    entry.anomalies |= EARLY_RESPONSE
                self.answering = entry
                self.answered_ns = begin_ns
                self.seen += 1
                entry.response_order = order
                return entry
        entry = Entry.__new__(Entry)
        entry.response_order = order
        entry.response_ns = begin_ns
        entry.is_kept = True
        if self.is_replaying():
            self.answered.append(entry)
            if len(self.answered) > self.limit:
                self.replay(max(self.next_ns(), (<Entry>self.answered[0]).response_ns))
        elif self.late:
            self.late -= 1
            if self.late_requests:
                del self.late_requests[0]
            self.leave_alone(entry)
        elif self.waiting and self.answering is None:  # the oldest request began later
            self.leave_alone(entry)
        else:
            self.ahead.append(entry)
            if len(self.ahead) > self.limit:
                self.give_up_ahead(False)
        return entry

    cdef int end_response(self, Entry entry) except -1:
        """Note that the response of *entry* is whole."""
        entry.is_response_whole = True
        if self.busy_ns == BUSY or not self.answered:
            self.busy_ns = entry.response.end_ns
        if entry is self.answering:
            self.answering = None
            if not entry.has_request:
                entry.anomalies |= RESPONSE_ONLY
            if entry.is_request_whole or not entry.has_request:
                self.finish(entry)
            return 0
        if entry.is_kept:
            entry.held_bytes = 256 + len(entry.response.head) + len(entry.response.body)
            self.held_bytes += entry.held_bytes
            return 0
        if entry.is_request_whole or not entry.has_request:
            self.finish(entry)
        return 0

    cdef Entry lose_requests(self, uint64_t order, uint64_t time_ns, uint64_t since_ns, bint is_between):
        """Take note of lost bytes that may have held whole requests; *is_between*: they came after a whole one.

        They were sent after *since_ns*; the owner sets `begin_ns` when it sees the first byte behind them.
        """
        cdef Entry loss = Entry.__new__(Entry)
        loss.is_loss = True
        loss.order = order
        loss.begin_ns = time_ns
        loss.since_ns = since_ns
        loss.is_between = is_between
        self.keep_order()
        self.asked.append(loss)
        return loss

    cdef Entry lose_responses(self, uint64_t order, uint64_t time_ns, uint64_t size, Py_ssize_t least):
        """Take note of *size* lost bytes that may have held whole responses, *least* of which began in them for sure."""
        cdef Entry loss = Entry.__new__(Entry)
        loss.is_loss = True
        loss.response_order = order
        loss.response_ns = time_ns
        loss.size = size
        loss.least = least
        self.keep_order()
        self.answered.append(loss)
        return loss

    cdef Request partner(self, uint64_t order):
        """Return the request that a response beginning now most likely answers, or None: its method decides the framing."""
        cdef Entry entry
        cdef Py_ssize_t place = len(self.held)
        if self.late:
            return self.late_requests[0] if self.late_requests else None
        if self.answering is not None:
            return None
        for entry in self.answered:
            place += entry.least if entry.is_loss else 1
        if place < len(self.waiting):
            entry = <Entry>self.waiting[place]
            return entry.request if entry.order < order else None
        place -= len(self.waiting)
        for entry in self.asked:
            if not entry.is_loss:
                if place == 0:
                    return entry.request if entry.order < order else None
                place -= 1
        return None

    cdef Entry take_ahead(self, uint64_t order, uint64_t begin_ns):
        """Return the entry of the first response in `ahead` that did not begin long before *begin_ns*, or None.

        Those before it stay alone. Nothing was lost before the request, or order would be uncertain: so it is no later one.
        """
        cdef Entry entry
        while self.ahead:
            entry = self.ahead.pop(0)
            if entry.response_ns + SWAP_NS > begin_ns:
                entry.is_kept = False
                entry.order = order
                entry.begin_ns = begin_ns
                entry.has_request = True
                entry.is_certain = True
                if not entry.is_response_whole:
                    self.answering = entry
                return entry
            self.leave_alone(entry)
        return None

    cdef uint64_t next_ns(self) noexcept:
        """Return the packet time of what is looked at next; 0: nothing waits for that."""
        cdef uint64_t asked = (<Entry>self.asked[0]).begin_ns if self.asked else UINT64_MAX
        cdef uint64_t answered = (<Entry>self.answered[0]).response_ns if self.answered else UINT64_MAX
        return 0 if not self.asked and not self.answered else min(asked, answered)

    cdef int replay(self, uint64_t until_ns) except -1:
        """Look at what was sent up to *until_ns*. Once order is certain there is nothing to wait for."""
        cdef Entry asked, answered
        while self.asked or self.answered:
            if self.is_uncertain and self.next_ns() > until_ns:
                break
            asked = <Entry>self.asked[0] if self.asked else None
            answered = <Entry>self.answered[0] if self.answered else None
            if (not self.is_uncertain and self.next_ns() > until_ns
                    and ((asked is not None and asked.is_loss) or (answered is not None and answered.is_loss))):
                break
            if answered is None or (asked is not None and (
                    asked.begin_ns < answered.response_ns
                    or (asked.begin_ns == answered.response_ns and asked.order <= answered.response_order))):
                del self.asked[0]
                self.replay_request(asked)
            else:
                del self.answered[0]
                self.replay_response(answered)
        return 0

    cdef int replay_request(self, Entry entry) except -1:
        if entry.is_loss:
            return self.requests_lost(entry)
        if self.is_uncertain:
            self.settle_before_request(entry)
        self.asked_ns = entry.begin_ns
        if not self.is_uncertain:
            return self.ask(entry)
        if self.is_request_missing:  # the lost bytes held no request, or the client did not wait for its answer
            self.is_pipelined = True
            self.is_request_missing = False
        self.make_room()
        self.waiting.append(entry)
        return 0

    cdef int make_room(self) except -1:
        """Give up what is uncertain past the limit."""
        if len(self.waiting) + len(self.held) >= self.limit:
            if self.held:
                self.part_held(PIPELINE_LIMIT)
            if len(self.waiting) >= self.limit and (<Entry>self.waiting[0]).is_request_whole:
                self.give_up_front(PIPELINE_LIMIT)
        return 0

    cdef int ask(self, Entry entry) except -1:
        """Take a request while order is certain."""
        cdef Entry answered
        if entry.begin_ns < self.alone_ns:
            self.doubt()
        while self.ahead:
            answered = self.ahead.pop(0)
            if answered.response_ns > entry.begin_ns:
                return self.join(entry, answered)
            self.leave_alone(answered)
        if len(self.waiting) >= self.limit and (<Entry>self.waiting[0]).is_request_whole:
            self.give_up_front(PIPELINE_LIMIT)
        entry.is_certain = not self.is_uncertain
        self.waiting.append(entry)
        return 0

    cdef int replay_response(self, Entry entry) except -1:
        cdef Entry asked
        if entry.is_loss:
            return self.responses_lost(entry)
        self.is_request_missing = False
        if self.asked_ns and self.waiting and entry.response_ns > max(self.asked_ns, self.answered_ns):
            self.slowest_ns = max(self.slowest_ns, entry.response_ns - max(self.asked_ns, self.answered_ns))
        self.answered_ns = entry.response_ns
        self.busy_ns = entry.response.end_ns if entry.is_response_whole else BUSY
        if self.late:
            self.late -= 1
            if self.late_requests:
                del self.late_requests[0]
            return self.leave_alone(entry)
        asked = self.front()
        if asked is not None and asked.is_certain and self.answering is None:
            del self.waiting[0]
            if self.waiting and (<Entry>self.waiting[0]).begin_ns < entry.response_ns:
                self.is_pipelined = True
            self.part_orphans()
            return self.join(asked, entry)
        if not self.is_uncertain:
            self.ahead.append(entry)
            return 0
        return self.hold(entry)

    cdef int hold(self, Entry entry) except -1:
        """Keep a response until it is known whose it is."""
        if not self.waiting:
            return self.leave_alone(entry)
        if not self.is_response_missing and len(self.held) + 1 < len(self.waiting):
            self.is_pipelined = True
        if self.may_pipeline and len(self.held) == len(self.waiting) and not self.is_response_missing:
            self.leave_alone(self.held.pop(0))  # one was under way when the flow was joined
            self.turns = 0
        if self.is_countable and len(self.held) >= len(self.waiting):  # so a request was lost that nobody told of yet
            self.is_countable = False
            self.is_tainted = True
            return self.leave_alone(entry)
        self.held.append(entry)
        return 0
