# cython: language_level=3
"""Evidence: which responses answer which requests where bytes were lost that may have held whole messages.

- Lost response bytes: a request that began after them was not answered in them. Some tell that a response began in them
  (they began between two messages), and that is counted as held. When another request begins while as many
  responses are held as requests wait, nothing else can have been lost, since no response comes before its request: all of
  them are pairs, in order. (The request that follows without a loss tells that none is missing before it.)
- Lost request bytes: another request begins while exactly one request and one response are held. A client that does not
  pipeline has its answer, so the two are a pair, and order is certain again. Where the numbers differ all stay alone.
- The flow ends: equal numbers are paired in order. If responses are missing and there was but one hole in them it held these.
- A request waits too long: as when another one begins.

A second loss of request bytes inside such a window rules pairing out. A flow whose client was seen to pipeline is paired by
numbers only; so is one where a request follows lost request bytes with no response between them, which a client that waits
does not do. Order is certain again as well once nothing was in flight for as long as a response may take.

A flow joined after its start begins uncertain, for its client may keep several requests in flight; so may one that loses
bytes before it showed whether it waits. It is certain once all that was asked is answered and a silence follows that is much
longer than any answer took, or once eight requests in a row began when all before them was answered. (A client that never
has less than two in flight looks the same only if the server never answers twice in a row; nothing in the bytes could tell
these apart, and clients that pipeline are rare.) A response more than there are requests is one to a request before. A flow of
one request and one response is taken for a pair.
"""
cimport cython
from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Request

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t RESPONSE_ONLY = 1 << Anomaly.RESPONSE_ONLY
cdef uint64_t EARLY_RESPONSE = 1 << Anomaly.EARLY_RESPONSE
cdef uint64_t SILENCE_NS = 250_000_000

cdef enum:
    LATE_REQUESTS = 16  # remembered of the requests given up, for the framing of their late responses
    SILENCES = 4        # times the slowest answer: a silence in which an answer would have come
    HABIT = 4           # answers after which it is known whether a client waits for them
    TURNS = 8           # requests in a row, each begun when all was answered, after which a joined flow's client is known to wait
    LEAST_RESPONSE = 19  # bytes: a status line and an empty line


@cython.no_gc  # refers to messages only, so it is in no cycle; two thirds of what is allocated are such values
cdef class Entry:
    """An exchange on its way, or bytes that were lost."""


cdef class Evidence:
    """The requests that wait and the responses that are held. Whatever is finished goes to ``finished``, in the order of emission.

    What `Pairing` keeps in front of it is here as well: doubt arises there, and what is doubted goes back there.
    """

    def __init__(self, Py_ssize_t limit, bint is_joined):
        self.limit = limit if limit > 0 else 1
        self.is_uncertain = is_joined
        self.may_pipeline = is_joined
        self.asked = []
        self.waiting = []
        self.held = []
        self.ahead = []
        self.answered = []
        self.finished = []
        self.late_requests = []

    cdef Entry front(self):
        """Return the oldest request that waits for its response to begin, or None."""
        return <Entry>self.waiting[0] if self.waiting else None

    cdef int finish(self, Entry entry) except -1:
        self.held_bytes -= entry.held_bytes
        entry.held_bytes = 0
        self.finished.append(entry)
        return 0


    cdef int leave_alone(self, Entry entry) except -1:
        """Tell the response of *entry*, when it is whole, as one that nobody is known to have asked for."""
        entry.is_kept = False
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

    cdef int give_up_front(self, uint64_t anomaly) except -1:
        """Emit the oldest waiting request without a response; its response, should it come, will stay alone."""
        cdef Entry entry = self.waiting.pop(0)
        entry.anomalies |= anomaly
        if entry.is_certain:
            self.late += 1
            if len(self.late_requests) < LATE_REQUESTS:
                self.late_requests.append(Request(entry.request.head, b"", 0, entry.request.method))
        self.finish(entry)
        return self.part_orphans()

    cdef int finish_joined(self, Entry entry) except -1:
        """Finish what `join` made; packet times tell whether its response began before the end of its request."""
        if entry.request.end_ns > entry.answered_ns:
            entry.anomalies |= EARLY_RESPONSE
        return self.finish(entry)

    cdef int join(self, Entry asked, Entry answered) except -1:
        """Make one entry of a request and its response, either of which may be under way."""
        answered.is_kept = False
        if answered.is_response_whole:
            asked.response = answered.response
            asked.anomalies |= answered.anomalies
            asked.held_bytes += answered.held_bytes
            asked.is_response_whole = True
            asked.answered_ns = answered.response_ns
            if asked.is_request_whole:
                self.finish_joined(asked)
        elif asked.is_request_whole:
            answered.request = asked.request
            answered.readings = asked.readings
            answered.order = asked.order
            answered.anomalies |= asked.anomalies
            answered.held_bytes += asked.held_bytes
            answered.has_request = True
            answered.is_request_whole = True
            self.answering = answered
        else:
            asked.is_response_whole = True
            self.leave_alone(answered)
        return 0

    cdef int doubt(self) except -1:
        """No request that waits can be sure of the next response, for a reason that no counting settles."""
        cdef Entry entry
        self.keep_order()
        self.is_tainted = self.is_tainted or (self.is_uncertain and (self.held or self.waiting))
        self.is_uncertain = True
        self.is_countable = False
        self.is_response_missing = True
        self.late = 0
        self.late_requests.clear()
        for entry in self.waiting:
            entry.is_certain = False
        return 0

    cdef int become_certain(self) except -1:
        """Forget former losses: nothing of their time can be in flight any more."""
        self.is_uncertain = False
        self.is_countable = False
        self.may_pipeline = False
        self.is_tainted = False
        self.is_request_missing = False
        self.is_response_missing = False
        self.losses = 0
        return 0

    cdef int keep_order(self) except -1:
        """From here on messages are looked at by their packet times; those that waited for their requests come first."""
        if self.ahead:
            self.answered = self.ahead + self.answered
            self.ahead = []
        return 0

    cdef int requests_lost(self, Entry loss) except -1:
        if loss.is_between and self.waiting:
            self.is_pipelined = True
        self.give_up_ahead(True)
        self.is_tainted = self.is_tainted or (self.is_uncertain and (self.held or self.waiting))
        self.is_uncertain = True
        self.is_countable = False
        self.may_pipeline = self.may_pipeline or self.seen < HABIT
        self.turns = 0
        self.is_request_missing = self.answered_ns <= loss.since_ns
        return 0

    cdef int responses_lost(self, Entry loss) except -1:
        """Requests that began after the first byte behind the lost ones were not answered in them."""
        cdef Entry entry
        cdef bint may_count = self.is_countable or (not self.is_uncertain and self.late == 0)
        self.turns = 0
        while self.waiting and (<Entry>self.waiting[len(self.waiting) - 1]).begin_ns > loss.response_ns:
            entry = self.waiting.pop()
            entry.is_certain = False
            self.asked.insert(0, entry)
        self.part_orphans()
        self.give_up_ahead(True)
        if not may_count:
            return self.doubt()
        self.is_uncertain = self.is_countable = self.is_response_missing = True
        self.may_pipeline = self.may_pipeline or (len(self.waiting) > 1 and self.seen < HABIT)
        for entry in self.waiting:
            entry.is_certain = False
            if entry.request is not None and entry.request.header(b"expect") is not None:
                loss.least = 0  # the lost bytes may have been an interim response
        loss.least = max(0, min(loss.least, <Py_ssize_t>(len(self.waiting) - len(self.held))))
        self.losses += 1
        if self.losses == 1:
            self.loss_place = len(self.held)
            self.loss_room = loss.size // LEAST_RESPONSE
        if loss.least:
            self.held.append(loss)
        if not self.waiting:
            self.become_certain()
        return 0

    cdef int settle_before_request(self, Entry entry) except -1:
        """Look whether the request about to begin tells something about what is held."""
        cdef bint is_even = len(self.held) == len(self.waiting) and not self.is_tainted
        self.turns = self.turns + 1 if is_even and not self.is_request_missing and self.busy_ns <= entry.begin_ns else 0
        if not self.held or (<Entry>self.waiting[0]).is_certain:
            return 0
        if self.is_countable and is_even:
            return self.pair_held(0)
        if self.busy_ns > entry.begin_ns:
            return 0
        if len(self.waiting) > len(self.held) + 1:  # more than the one whose answer was lost: the others may be in flight
            self.is_pipelined = True
        if (self.is_pipelined or self.may_pipeline) and not self.is_tainted:
            if self.is_answered(entry.begin_ns) or (self.turns >= TURNS and not self.is_pipelined):
                self.pair_held(0)
        elif is_even and len(self.held) == 1:
            self.pair_held(0)
        elif self.is_last_whole():
            self.part_held(0)
        return 0

    cdef bint is_answered(self, uint64_t now_ns) noexcept:
        """Whether nothing can be in flight at *now_ns*: as many answers as requests, and silence since."""
        return (len(self.held) > 0 and len(self.held) == len(self.waiting) and not self.is_tainted and not self.is_request_missing
                and self.busy_ns < now_ns and now_ns - self.busy_ns >= max(SILENCE_NS, SILENCES * self.slowest_ns))

    cdef bint is_last_whole(self) noexcept:
        return (<Entry>self.waiting[len(self.waiting) - 1]).is_request_whole

    cdef int settle(self, uint64_t anomaly, bint may_pair) except -1:
        """Pair what is held if *may_pair* and the numbers agree, else emit each alone, requests with *anomaly*."""
        self.give_up_ahead(True)
        if may_pair and not self.is_tainted and self.held and self.may_count_back():
            self.pair_held(anomaly)
        else:
            self.part_held(anomaly)
        return 0

    cdef bint may_count_back(self):
        """Whether all requests were answered, for all that is known, and it is clear what was lost; lost ones are added."""
        cdef Py_ssize_t missing = len(self.waiting) - len(self.held)
        cdef Entry asked = <Entry>self.waiting[len(self.waiting) - 1]
        cdef Entry answered = <Entry>self.held[len(self.held) - 1]
        cdef Entry loss
        if missing < 0:
            return False
        if missing or (self.may_pipeline and not self.is_first_pair()):
            if answered.is_loss or answered.response is None or asked.request is None:
                return False
            if closes(answered.response.header(b"connection")) and not closes(asked.request.header(b"connection")):
                return False  # the server may have left the last requests unanswered
        if missing and (not self.is_countable or self.losses != 1 or missing > self.loss_room):
            return False
        for _ in range(missing):
            loss = Entry.__new__(Entry)
            loss.is_loss = True
            self.held.insert(self.loss_place, loss)
        return True

    cdef bint is_first_pair(self):
        """Whether what waits and what is held are the first request and the first response of the flow, and there is no more."""
        return (len(self.waiting) == 1 and len(self.held) == 1
                and (<Entry>self.waiting[0]).order == 1 and (<Entry>self.held[0]).response_order == 2)

    cdef int pair_held(self, uint64_t anomaly) except -1:
        """Join held responses and waiting requests in order, if each response began after its request; order is certain then."""
        cdef Entry asked, answered
        cdef list waiting = self.waiting, held = self.held
        for asked, answered in zip(waiting, held):
            if not answered.is_loss and asked.begin_ns > answered.response_ns:
                return self.part_held(anomaly)
        self.waiting = []
        self.held = []
        self.become_certain()
        for asked, answered in zip(waiting, held):
            if not answered.is_loss:
                self.join(asked, answered)
            else:
                asked.is_response_whole = True
                if asked.is_request_whole:
                    self.finish(asked)
        return 0

    cdef int part_orphans(self) except -1:
        """Emit what is held where no request is left that it could answer."""
        return self.part_held(0) if self.held and not self.waiting else 0

    cdef int part_held(self, uint64_t anomaly) except -1:
        """Emit what waits and what is held each alone, in the order in which they began; what is not whole stays."""
        cdef Entry entry
        cdef list alone = [entry for entry in self.waiting if (<Entry>entry).is_request_whole]
        cdef list answers = [entry for entry in self.held if not (<Entry>entry).is_loss]
        self.waiting = [entry for entry in self.waiting if not (<Entry>entry).is_request_whole]
        self.held = []
        self.is_tainted = False
        self.is_countable = False
        for entry in alone:
            entry.anomalies |= anomaly
        for entry in answers:
            entry.is_kept = False
            entry.anomalies |= RESPONSE_ONLY
            entry.order = entry.response_order
        for entry in sorted(alone + answers, key=entry_order):
            if entry.has_request or entry.is_response_whole:
                self.finish(entry)
        return 0


def entry_order(Entry entry):
    return entry.order


cdef bint closes(bytes connection):
    """Whether the value of a Connection field says that the connection ends (RFC 9112, section 9.6)."""
    return connection is not None and b"close" in connection.lower()
