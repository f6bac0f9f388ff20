# cython: language_level=3, boundscheck=False, wraparound=False
"""HTTP/1.0 and 1.1 (and 0.9 requests) on one flow: bytes of both directions in, exchanges out.

Here messages begin and end; `Http1Exchanges` makes exchanges of them. Bytes never raise: what is not HTTP is counted, what is
odd sets an Anomaly.
"""
from libc.stdint cimport UINT64_MAX, uint8_t, uint64_t

from tcpmirror.model.exchange cimport Message, Request
from tcpmirror.model.stream cimport END_FIN, EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.framing cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE, FramingKind)
from tcpmirror.protocols.half cimport (
    CLOSED, HEAD_WHOLE, IN_BODY, IN_HEAD, MESSAGE_BEGAN, MESSAGE_DROPPED, MESSAGE_WHOLE, WANTS_DATA, Half, HalfEvent, HalfState)
from tcpmirror.protocols.head cimport ROLE_CLIENT, ROLE_EITHER, ROLE_SERVER, START_RESPONSE, START_SIMPLE, Head
from tcpmirror.protocols.http1_exchanges cimport AHEAD_NS, ODD_HEAD, Http1Exchanges
from tcpmirror.protocols.http1_messages cimport is_simple, mend, request_of, response_of
from tcpmirror.protocols.evidence cimport Entry
from tcpmirror.protocols.timed_sink cimport broken_off, unanswered

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.protocols.readings import Readings

cdef uint64_t GAP = 1 << Anomaly.GAP
cdef uint64_t RESPONSE_TIMEOUT = 1 << Anomaly.RESPONSE_TIMEOUT
cdef uint64_t INCOMPLETE = 1 << Anomaly.INCOMPLETE
cdef uint64_t HEAD_LIMIT = 1 << Anomaly.HEAD_LIMIT
cdef uint64_t ENDLESS = 1 << Anomaly.ENDLESS
cdef uint64_t UPGRADED = 1 << Anomaly.UPGRADED
cdef uint64_t FRAMING_FAULTS = 1 << Anomaly.BAD_LENGTH | 1 << Anomaly.CONFLICTING_LENGTH | 1 << Anomaly.LENGTH_AND_CHUNKED
cdef uint64_t DISFIGURED = 1 << Anomaly.BARE_CR | 1 << Anomaly.NUL_IN_HEAD | 1 << Anomaly.OBS_FOLD


cdef class Http1Factory(ExchangeFactory):
    """Makes connections that are HTTP/1 whatever comes; exchanges are emitted in the order of the requests of their flow."""

    cdef StreamSink open(self, FlowInfo flow):
        return Http1Connection(self, flow)


cdef class Http1Connection(Http1Exchanges):
    """One flow, message by message."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow):
        Http1Exchanges.__init__(self, factory, flow)
        if flow.is_client_known:
            self.take_roles(self.half0, self.half1)

    cdef int take_roles(self, Half client, Half server) except -1:
        self.client = client
        self.server = server
        client.role = ROLE_CLIENT
        server.role = ROLE_SERVER
        return 0

    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        cdef Half half = self.half(side)
        cdef HalfEvent event
        cdef const uint8_t* at
        self.reach(time_ns)
        if half.role == ROLE_SERVER and not self.factory.parse_responses:
            return 0
        if half.state == CLOSED:
            self.factory.not_http_bytes += length
            return 0
        if half.loss is not None and length:
            half.loss.begin_ns = half.loss.response_ns = time_ns
            half.loss = None
        if self.watched is not None and half is self.client and self.factory.parse_responses:
            self.watch(data, length)
        self.speaking = half
        while True:
            at = data
            event = half.advance(&data, &length, time_ns)
            if self.watched is not None and not self.factory.parse_responses:
                self.watch(at, data - at)  # told when it is whole, so what follows is not looked at
            if event == WANTS_DATA:
                break
            self.take_event(half, event)
            if self.pairing.is_replaying():  # the limit may have shown what is due already
                self.settle(half)
                self.reach(time_ns)
            if event == HEAD_WHOLE and half.entry is not None and half.entry.readings is not None and half is self.client:
                self.watched = half.entry.readings
                if self.factory.parse_responses:
                    self.watch(data, length)
            if self.handover != STAYS:
                self.rest = length
                break
        if half.role == ROLE_SERVER and not self.factory.parse_responses:
            half.skipped = 0
        self.settle(half)
        self.speaking = None
        return 0

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        cdef Half half = self.half(side)
        cdef HalfState before = half.state
        cdef uint64_t left = half.framing.left if before == IN_BODY and half.framing.kind == BODY_LENGTH else 0
        self.reach(time_ns)
        if half is self.client:
            self.watched = None
        if half.skip(length):
            if half.state == IN_BODY:  # a body that the gap ended is whole now
                half.end_ns = time_ns
                return self.data(side, NULL, 0, time_ns)
            return 0
        self.cut(half, GAP | INCOMPLETE)
        if half.state != CLOSED:
            half.hunt()
            self.asked_ns = time_ns
            self.lost(half, length, left, before, time_ns)
        return self.settle(half)

    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1:
        cdef Half half = self.half(side)
        cdef uint64_t anomalies = broken_off(how)
        if half.has_ended:
            return 0
        self.reach(time_ns)
        half.has_ended = True
        if how != END_FIN:
            self.is_cut_off = True
        if how == END_FIN and half.state == IN_BODY and half.framing.kind == BODY_UNTIL_CLOSE:
            anomalies = 0
        self.cut(half, anomalies)
        half.close()
        if (self.half0.has_ended and self.half1.has_ended) or (self.server is not None and (
                self.server.has_ended or (how != END_FIN and not self.server.is_in_message()))):
            self.release(unanswered(how))
        return self.settle(half)

    cdef int tick(self, uint64_t now_ns) except -1:
        cdef Entry front
        while self.deadline_ns and now_ns >= self.deadline_ns:
            if self.is_endless and self.server.state == IN_BODY:
                self.tell_endless()
                continue
            if self.pairing.next_ns():
                self.pairing.replay(max(self.pairing.next_ns(), self.deadline_ns - AHEAD_NS))
                self.settle(self.half0)
                continue
            if self.pairing.ahead:
                self.pairing.give_up_ahead(False)
                self.settle(self.server)
                continue
            front = self.pairing.front()
            if front.is_certain:
                self.pairing.give_up_front(RESPONSE_TIMEOUT)
            else:
                self.pairing.settle(RESPONSE_TIMEOUT, self.is_even() or self.pairing.is_answered(self.deadline_ns))
            self.settle(self.server)
        return 0

    cdef int take_event(self, Half half, HalfEvent event) except -1:
        if event == MESSAGE_BEGAN:
            return self.message_began(half)
        if event == HEAD_WHOLE:
            return self.head_whole(half)
        if event == MESSAGE_WHOLE:
            return self.message_whole(half)
        if event == MESSAGE_DROPPED:
            return self.message_dropped(half)
        half.close()
        if not self.half0.had_message and not self.half1.had_message:
            self.leave_http()
        return 0

    cdef int message_began(self, Half half) except -1:
        self.begun += 1
        half.order = self.begun
        if half.role == ROLE_CLIENT:
            if self.pairing.is_uncertain and self.is_quiet():
                self.pairing.become_certain()
            half.entry = self.pairing.begin_request(half.order, half.begin_ns)
            return self.emit_finished()
        return 0

    cdef int message_dropped(self, Half half) except -1:
        """Forget what began; a server's first bytes, without a head, answer an HTTP/0.9 request (RFC 1945, section 6)."""
        cdef Entry entry = half.entry
        half.entry = None
        if entry is not None and half.role == ROLE_CLIENT:
            self.pairing.drop_request(entry)
        elif half.role == ROLE_SERVER:
            self.idle_ns = self.now_ns
            entry = self.pairing.front()
            if not half.had_message and entry is not None and entry.request is not None and is_simple(entry.request):
                self.pairing.give_up_front(0)
                half.close()
        if self.is_tunnel:
            self.leave_http()
        return self.emit_finished()

    cdef int head_whole(self, Half half) except -1:
        cdef Half other
        half.anomalies |= half.head.anomalies
        if half.head.anomalies & FRAMING_FAULTS:
            self.factory.http_errors += 1
        if half.role == ROLE_EITHER:
            other = self.half1 if half is self.half0 else self.half0
            if half.head.start == START_RESPONSE:
                self.take_roles(other, half)
            else:
                self.take_roles(half, other)
                half.entry = self.pairing.begin_request(half.order, half.begin_ns)
            if other.state == IN_HEAD:
                self.role_came_late(other)
        if half.role == ROLE_SERVER:
            return self.response_head(half)
        return self.request_head(half)

    cdef int role_came_late(self, Half half) except -1:
        """A half whose message began before the roles were known goes on as what it has to be."""
        if half.has_start_line and (half.head.start == START_RESPONSE) != (half.role == ROLE_SERVER):
            half.hunt()
        elif half.role == ROLE_CLIENT:
            half.entry = self.pairing.begin_request(half.order, half.begin_ns)
        return 0

    cdef int request_head(self, Half half) except -1:
        cdef Head* head = &half.head
        cdef Request request
        cdef FramingKind kind = BODY_NONE
        if head.is_http2_preface:
            self.pairing.drop_request(half.entry)
            half.entry = None
            if not self.may_hand_over:
                self.factory.not_http_bytes += half.head_size
            half.pass_over()
            return self.hand_over(TO_HTTP2)
        request = request_of(half)
        half.entry.request = request
        half.message = request
        if half.head.anomalies & ODD_HEAD or head.is_chunked:
            half.entry.readings = Readings(request.head, head.is_chunked)
        self.factory.requests += 1
        if head.is_chunked:
            kind = BODY_CHUNKED
        elif head.length > 0:
            kind = BODY_LENGTH
        return self.open_body(half, kind)

    cdef int response_head(self, Half half) except -1:
        """Take a final response; interim ones (RFC 9110, section 15.2) are passed over."""
        cdef Head* head = &half.head
        cdef FramingKind kind = BODY_UNTIL_CLOSE
        cdef Request asked = self.pairing.partner(half.order)
        cdef bytes read_as = mend(half) if head.anomalies & DISFIGURED else None
        cdef int status = head.status
        if not self.factory.parse_responses:
            half.pass_over()
            self.count(half)
            half.close()
            return 0
        half.is_upgrading = self.takes_over(asked, half)
        if 100 <= status < 200 and status != 101:
            half.pass_over()
            self.idle_ns = self.now_ns
            return 0
        half.entry = self.pairing.begin_response(half.order, half.begin_ns)
        half.message = half.entry.response = response_of(half, read_as, status)
        self.factory.responses += 1
        if half.is_upgrading or status == 204 or status == 304 or (asked is not None and asked.method == b"HEAD"):
            kind = BODY_NONE
        elif head.is_chunked:
            kind = BODY_CHUNKED
        elif head.length >= 0:
            kind = BODY_LENGTH
        return self.open_body(half, kind)

    cdef bint takes_over(self, Request asked, Half half):
        """Whether the response of *half* ends HTTP/1 on the connection (RFC 9110, sections 7.8 and 9.3.6)."""
        if half.head.status == 101:
            return half.head.is_upgrade if asked is None else asked.header(b"upgrade") is not None
        return half.head.status // 100 == 2 and asked is not None and asked.method == b"CONNECT"

    cdef int open_body(self, Half half, FramingKind kind) except -1:
        cdef Head* head = &half.head
        cdef tuple codings = None
        half.message.time_ns = half.begin_ns
        if kind != BODY_NONE and (head.content_codings or head.is_transfer_coded):
            codings = self.factory.codings(
                half.message, head.content_codings == 1 and not head.is_transfer_coded and not head.anomalies)
        if head.anomalies & HEAD_LIMIT:
            kind = BODY_NONE
        half.open_body(kind, codings)
        if half.role == ROLE_SERVER:
            self.is_endless = head.is_event_stream
            half.framing.may_be_plain = True  # clients show a response that claims to be chunked and is not
            half.framing.plain_length = head.length
        return 0

    cdef int tell_endless(self) except -1:
        """Emit the event stream in progress with what came of it; the rest of it is only counted."""
        cdef Half half = self.server
        self.is_endless = False
        half.anomalies |= ENDLESS
        half.end_ns = max(half.end_ns, half.begin_ns)
        self.message_whole(half)
        self.is_told = True
        half.body.limit = 0
        return self.settle(half)

    cdef int told_whole(self, Half half) except -1:
        """End a response that was emitted already."""
        self.is_told = False
        half.anomalies = 0
        half.body.begin(None, False)
        half.body.limit = self.factory.limits.body_bytes
        self.idle_ns = self.now_ns
        return 0

    cdef int message_whole(self, Half half) except -1:
        cdef Message message = half.message
        if half.role == ROLE_SERVER:
            if self.is_told:
                return self.told_whole(half)
            self.is_endless = False
        message.anomalies |= half.anomalies
        half.anomalies = 0
        message.end_ns = half.end_ns
        half.body.finish(message)
        half.message = None
        if half.head.anomalies & HEAD_LIMIT or half.head.start == START_SIMPLE:
            half.hunt()
        if half.role == ROLE_CLIENT:
            self.request_whole(half)
        else:
            self.response_whole(half)
        return self.emit_finished()

    cdef int request_whole(self, Half half) except -1:
        cdef Entry entry = half.entry
        half.entry = None
        self.asked_ns = half.end_ns
        self.pairing.end_request(entry)
        if not self.factory.parse_responses:
            self.pairing.replay(UINT64_MAX)
            if self.pairing.front() is not None:
                self.pairing.give_up_front(0)
            self.pairing.late = 0
        elif self.server.has_ended:
            self.release(0)
        return 0

    cdef int response_whole(self, Half half) except -1:
        cdef Entry entry = half.entry
        half.entry = None
        self.idle_ns = self.now_ns
        if half.is_upgrading:
            entry.anomalies |= UPGRADED
        self.pairing.end_response(entry)
        if not half.is_upgrading:
            return 0
        if half.head.status == 101:
            self.answered = entry.response
            return self.hand_over(STAYS)
        self.is_tunnel = True  # read on: some CONNECT to a plain HTTP server
        if self.may_hand_over:
            self.handover = TO_TUNNEL
        return 0

    cdef int cut(self, Half half, uint64_t anomalies) except -1:
        """End the message in progress where it is; what is not even a start line is dropped."""
        if half.state == IN_HEAD:
            if not half.can_cut_head():
                half.hunt()
                return self.message_dropped(half)
            self.head_whole(half)
        if half.state == IN_BODY:
            half.anomalies |= anomalies
            half.hunt()
            self.message_whole(half)
        return 0

    cdef int leave_http(self) except -1:
        """Count the bytes of both sides from here on, and read them no more."""
        self.is_tunnel = False
        self.cut(self.half0, INCOMPLETE)
        self.cut(self.half1, INCOMPLETE)
        self.release(0)
        self.half0.close()
        self.half1.close()
        self.count(self.half0)
        return self.count(self.half1)

    cdef Handover upgrade(self):
        """Return what the connection becomes by `answered`, a 101; STAYS if nobody can read that."""
        cdef bytes protocol = self.answered.header(b"upgrade")
        if protocol is None and self.asked is not None:
            protocol = self.asked.header(b"upgrade")
        protocol = b"" if protocol is None else protocol.lower()
        if protocol == b"h2c":
            return TO_H2C
        return TO_WEBSOCKET if protocol == b"websocket" else STAYS

    cdef int hand_over(self, Handover to) except -1:
        """End HTTP/1 here; an owner that can sees `handover`, and goes on with the `rest` of the bytes."""
        self.leave_http()
        if self.may_hand_over:
            self.handover = to if self.answered is None else self.upgrade()
        return 0
