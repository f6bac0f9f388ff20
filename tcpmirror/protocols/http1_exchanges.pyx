# cython: language_level=3, boundscheck=False, wraparound=False
"""The exchanges of an HTTP/1 connection: which are finished, when something is due, what is counted.

Exchanges are emitted in the order of their requests, as `Pairing` gives them. A request whose end servers may see in different
places is read again in their ways first (`Readings`).
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport UINT64_MAX, uint8_t, uint64_t

from tcpmirror.model.exchange cimport Request
from tcpmirror.model.stream cimport FlowInfo
from tcpmirror.protocols.factory cimport ExchangeFactory, send
from tcpmirror.protocols.half cimport AT_START, IN_BODY, Half, HalfState
from tcpmirror.protocols.head cimport ROLE_EITHER, ROLE_SERVER
from tcpmirror.protocols.evidence cimport Entry
from tcpmirror.protocols.pairing cimport Pairing
from tcpmirror.protocols.timed_sink cimport TimedSink

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t GAP = 1 << Anomaly.GAP
cdef uint64_t INCOMPLETE = 1 << Anomaly.INCOMPLETE
cdef uint64_t FRAMING_CONFLICT = 1 << Anomaly.FRAMING_CONFLICT

# Without one of these in a head or its chunks all servers see the same end of a request.
cdef uint64_t ODD_HEAD = (
    1 << Anomaly.BAD_LENGTH | 1 << Anomaly.CONFLICTING_LENGTH | 1 << Anomaly.LENGTH_AND_CHUNKED
    | 1 << Anomaly.UNKNOWN_CODING | 1 << Anomaly.BAD_HEADER | 1 << Anomaly.OBS_FOLD | 1 << Anomaly.BARE_LF
    | 1 << Anomaly.BARE_CR | 1 << Anomaly.NUL_IN_HEAD | 1 << Anomaly.HIDDEN_FRAMING | 1 << Anomaly.OLD_CHUNKED)
cdef uint64_t ODD_FRAMING = ODD_HEAD | 1 << Anomaly.BAD_CHUNK | 1 << Anomaly.CHUNK_EXTENSION

cdef enum:
    LINE_ENDS = 4            # so many bytes between messages may be empty lines


cdef class Http1Exchanges(TimedSink):
    """What both directions of one flow come to. Where no SYN told who the client is, the first start line does."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow):
        cdef bint is_joined = not flow.is_client_known
        self.factory = factory
        self.flow = flow
        self.index = flow.first_index
        self.pairing = Pairing(factory.limits.pipelined_requests, is_joined)
        self.half0 = Half(ROLE_EITHER, is_joined, factory)
        self.half1 = Half(ROLE_EITHER, is_joined, factory)

    cdef bint is_even(self):
        """Whether what waits and what is held are a pair, though no FIN said that all was answered."""
        return len(self.pairing.waiting) == 1 and not self.pairing.is_pipelined and len(self.pairing.held) == 1

    cdef bint is_quiet(self):
        """Whether nothing was in flight for as long as a response may take."""
        return (not self.pairing.next_ns() and not self.pairing.waiting and not self.pairing.held
                and not self.server.is_in_message() and self.begun > 1
                and self.now_ns >= max(self.asked_ns, self.idle_ns) + self.factory.response_timeout_ns)

    cdef int lost(self, Half half, uint64_t length, uint64_t left, HalfState before, uint64_t time_ns) except -1:
        """Tell the pairing of *length* bytes that may have held messages; the first *left* belonged to a body."""
        cdef bint is_between = before == AT_START or left > 0
        if half.role != ROLE_SERVER:
            half.loss = self.pairing.lose_requests(self.begun, time_ns, half.end_ns, before == AT_START)
        else:
            half.loss = self.pairing.lose_responses(
                self.begun, time_ns, length - left, 1 if is_between and length - left >= LINE_ENDS else 0)
        return 0

    cdef int shed(self) except -1:
        """Give up the bodies in progress. A request that is whole stays so: giving up its flow tells it with all it has."""
        cdef Half half
        for half in (self.half0, self.half1):
            if half.state == IN_BODY:
                half.body.shed()
        self.held_bytes = self.half0.held() + self.half1.held() + self.pairing.held_bytes
        return 0

    cdef int watch(self, const uint8_t* data, Py_ssize_t size) except -1:
        """Let what follows an odd head be read again in other ways."""
        if size and not self.watched.see(PyBytes_FromStringAndSize(<const char*>data, size)):
            self.watched = None
        return 0

    cdef int settle_readings(self, Entry entry) except -1:
        """Note on a request whether servers may disagree about its end. Lost bytes leave that open.

        Where its own last byte is what ends the exchange, its response being there, what follows in that segment does not count.
        """
        cdef Request request = entry.request
        cdef object readings = entry.readings
        entry.readings = None
        if readings is self.watched:
            self.watched = None
        if request.anomalies & ODD_FRAMING and not request.anomalies & GAP:
            request.disagreement = readings.disagreement(
                request.wire_length, request.anomalies & INCOMPLETE == 0,
                self.factory.parse_responses and self.speaking is not self.client)
            if request.disagreement is not None:
                request.anomalies |= FRAMING_CONFLICT
        return 0

    cdef int release(self, uint64_t anomaly) except -1:
        """Emit the requests that nothing more can answer, those with *anomaly*.

        Numbers of requests and responses that agree prove nothing where the last ones may be missing.
        """
        self.pairing.replay(UINT64_MAX)
        self.pairing.settle(anomaly, not self.is_cut_off or (
            self.is_even() and (not self.pairing.may_pipeline or self.pairing.is_first_pair())))
        return self.emit_finished()

    cdef int settle(self, Half half) except -1:
        """Bring what the owner sees up to date after bytes were read: exchanges, counters, held bytes, deadline."""
        cdef Entry front
        half.body.settle()
        self.count(half)
        self.emit_finished()
        self.held_bytes = self.half0.held() + self.half1.held() + self.pairing.held_bytes
        self.deadline_ns = 0
        if self.is_endless and self.server.state == IN_BODY:
            self.deadline_ns = self.server.begin_ns + self.factory.response_timeout_ns
            return 0
        if self.pairing.next_ns():
            self.deadline_ns = self.pairing.next_ns() + AHEAD_NS
            return 0
        if self.pairing.ahead:
            self.deadline_ns = (<Entry>self.pairing.ahead[0]).response_ns + AHEAD_NS
            return 0
        front = self.pairing.front()
        if front is not None and front.is_request_whole and not self.server.is_in_message():
            self.deadline_ns = max(front.request.end_ns, self.idle_ns) + self.factory.response_timeout_ns
        return 0

    cdef int count(self, Half half) except -1:
        """Add to the counters what *half* saw since the last time."""
        self.factory.not_http_bytes += half.skipped
        self.factory.http_errors += half.faults
        half.skipped = 0
        half.faults = 0
        return 0

    cdef int emit_finished(self) except -1:
        cdef list finished = self.pairing.finished
        cdef Entry entry
        if not finished:
            return 0
        self.pairing.finished = []
        for entry in finished:
            self.emit_entry(entry)
        return 0

    cdef int emit_entry(self, Entry entry) except -1:
        cdef unsigned int index = self.index
        self.index += 1
        if entry.readings is not None:
            self.settle_readings(entry)
        if self.answered is not None and entry.response is self.answered:
            self.asked = entry.request
        return send(self.factory, self.flow, self.client is self.half1, index, entry.request, entry.response, entry.anomalies)
