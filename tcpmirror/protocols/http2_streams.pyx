# cython: language_level=3, boundscheck=False, wraparound=False
"""The streams of an HTTP/2 connection, which become exchanges in the order in which they complete (RFC 9113, section 8.1).

A response without end is told when it has gone on for the response time-out, and a stream that an extended CONNECT turns into a
WebSocket (RFC 8441) is told as one from there on.
"""
from libc.stdint cimport uint32_t, uint64_t

from tcpmirror.model.exchange cimport Message, Request, Response
from tcpmirror.model.stream cimport END_RESET, FlowInfo
from tcpmirror.protocols.bodies cimport Body
from tcpmirror.protocols.factory cimport ExchangeFactory, send
from tcpmirror.protocols.http2_half cimport Http2Half
from tcpmirror.protocols.http2_head cimport add_trailers, has_request_fields, request_of, response_of, status_of
from tcpmirror.protocols.timed_sink cimport TimedSink
from tcpmirror.protocols.websocket cimport WebSocketConnection

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t GAP = 1 << Anomaly.GAP
cdef uint64_t RESET = 1 << Anomaly.RESET
cdef uint64_t RESPONSE_TIMEOUT = 1 << Anomaly.RESPONSE_TIMEOUT
cdef uint64_t RESPONSE_ONLY = 1 << Anomaly.RESPONSE_ONLY
cdef uint64_t INCOMPLETE = 1 << Anomaly.INCOMPLETE
cdef uint64_t EARLY_RESPONSE = 1 << Anomaly.EARLY_RESPONSE
cdef uint64_t CONFLICTING_LENGTH = 1 << Anomaly.CONFLICTING_LENGTH
cdef uint64_t ENDLESS = 1 << Anomaly.ENDLESS
cdef uint64_t STREAM_LIMIT = 1 << Anomaly.STREAM_LIMIT
cdef uint64_t RAPID_RESET = 1 << Anomaly.RAPID_RESET
cdef uint64_t UPGRADED = 1 << Anomaly.UPGRADED

cdef enum:
    RESETS_NOTED = 100        # unanswered requests taken back, and more than half of all, are a rapid reset (CVE-2023-44487)
    STREAM_BYTES = 512        # what a stream takes besides its heads and bodies
    INDEX_STEP = 1 << 16      # the messages of a WebSocket count from its stream's number times this, apart from exchanges


cdef class Stream:
    """An exchange on its way."""


cdef class Http2Streams(TimedSink):
    """The exchanges of one flow. *is_joined*: the connection began before the first byte seen, so header tables are not known
    whole.
    """

    def __init__(self, ExchangeFactory factory, FlowInfo flow, bint is_joined):
        self.factory = factory
        self.flow = flow
        self.streams = {}
        self.waiting = {}
        self.endless = {}
        self.tunnels = {}
        self.stream_limit = factory.limits.concurrent_streams
        self.half0 = Http2Half(factory.limits.head_bytes, is_joined)
        self.half1 = Http2Half(factory.limits.head_bytes, is_joined)
        self.are_roles_known = flow.is_client_known
        factory.http2_flows += 1

    cdef int begin_upgraded(self, Request request, unsigned int index) except -1:
        """Take *request*, sent in HTTP/1 with ``Upgrade: h2c``, as stream 1 (RFC 7540, section 3.2), if it was seen."""
        cdef Stream stream
        cdef Request copy
        self.index = index
        if request is None:
            return 0
        stream = self.open_stream(1)
        copy = Request(request.head, request.body, request.time_ns, request.method, request.target, b"HTTP/2")
        copy.end_ns = request.end_ns
        copy.body_length = request.body_length
        copy.wire_length = request.wire_length
        copy.body_sha256 = request.body_sha256
        stream.request = copy
        self.factory.requests += 1
        stream.is_request_whole = True
        stream.asked_ns = request.end_ns
        self.waiting[1] = stream
        self.requests += 1
        self.weigh(stream)
        return self.settle()

    cdef int tick(self, uint64_t now_ns) except -1:
        cdef Stream stream
        while self.deadline_ns and now_ns >= self.deadline_ns:
            stream = self.next_due()
            self.finish_stream(stream, RESPONSE_TIMEOUT if stream.response is None else ENDLESS)
            self.settle()
        return 0

    cdef int shed(self) except -1:
        """Give up the bodies in progress."""
        cdef Stream stream
        cdef Body body
        for stream in self.streams.values():
            for body in (stream.request_body, stream.response_body):
                if body is not None:
                    body.shed()
            self.weigh(stream)
        return self.settle()

    cdef int mark(self, int side, uint64_t anomalies) except -1:
        """Note *anomalies* of a direction on its messages in progress."""
        cdef Http2Half half = self.half(side)
        cdef Stream stream
        for stream in self.streams.values():
            if not (stream.is_request_whole if side == self.client_side else stream.is_response_whole):
                stream.anomalies |= anomalies
        if not self.streams:
            half.seen_anomalies |= anomalies
        return 0

    cdef int request_fields(self, int side, list fields, uint64_t anomalies) except -1:
        cdef Http2Half half = self.half(side)
        cdef Stream stream = self.streams.get(half.block_stream)
        if stream is None or stream.request is None:
            # A stream that was opened before: this is what follows an exchange that was finished early.
            if half.block_stream <= half.highest and not has_request_fields(fields):
                return 0
            if stream is None:
                stream = self.open_stream(half.block_stream)
            half.highest = max(half.highest, half.block_stream)
            stream.request = request_of(fields, anomalies, self.factory.limits.header_count)
            stream.request.time_ns = half.block_ns
            stream.request_body = self.body_of(stream.request)
            stream.is_websocket = (b":protocol", b"websocket") in fields
            stream.anomalies &= ~RESPONSE_ONLY
            self.factory.requests += 1
            self.requests += 1
        elif not stream.is_request_whole:
            add_trailers(stream.request, fields, anomalies)
        self.weigh(stream)
        return self.request_whole(stream) if half.ends_stream else 0

    cdef int response_fields(self, int side, list fields, uint64_t anomalies) except -1:
        cdef Http2Half half = self.half(side)
        cdef Stream stream = self.streams.get(half.block_stream)
        cdef int status = status_of(fields)
        if stream is None:
            if status < 0:
                return 0
            stream = self.open_stream(half.block_stream)
            stream.anomalies |= RESPONSE_ONLY
        if stream.response is None:
            if 100 <= status < 200 and not half.ends_stream:
                return 0
            stream.response = response_of(fields, anomalies, self.factory.limits.header_count)
            stream.response.time_ns = half.block_ns
            stream.response_body = self.body_of(stream.response)
            self.waiting.pop(stream.number, None)
            kind = stream.response.header(b"content-type")
            if kind is not None and (<bytes>kind).lower().startswith(b"text/event-stream"):
                self.endless[stream.number] = stream
                stream.asked_ns = self.now_ns
            self.factory.responses += 1
            if stream.is_websocket and status == 200 and not half.ends_stream and len(self.tunnels) < self.stream_limit:
                return self.open_tunnel(stream)
            if stream.request is not None and not stream.is_request_whole:
                stream.anomalies |= EARLY_RESPONSE
        elif not stream.is_response_whole:
            add_trailers(stream.response, fields, anomalies)
        self.weigh(stream)
        return self.response_whole(stream) if half.ends_stream else 0

    cdef Stream open_stream(self, uint32_t number):
        cdef Stream stream
        if len(self.streams) >= self.stream_limit:
            stream = next(iter(self.streams.values()))
            self.finish_stream(stream, STREAM_LIMIT)
        stream = Stream.__new__(Stream)
        stream.number = number
        self.streams[number] = stream
        return stream

    cdef Body body_of(self, Message message):
        cdef Body body = Body(self.factory)
        cdef tuple codings = None
        if message.header(b"content-encoding") is not None:
            codings = self.factory.codings(message, False)
        body.begin(codings, isinstance(message, Response))
        return body

    cdef int request_whole(self, Stream stream) except -1:
        if stream.is_request_whole or stream.request is None:
            return 0
        stream.is_request_whole = True
        stream.asked_ns = self.now_ns
        self.finish_body(stream.request, stream.request_body)
        stream.request_body = None
        if stream.is_response_whole or not self.factory.parse_responses or self.half(1 - self.client_side).has_ended:
            return self.finish_stream(stream, 0)
        if stream.response is None:
            self.waiting[stream.number] = stream
        return self.weigh(stream)

    cdef int response_whole(self, Stream stream) except -1:
        if stream.is_response_whole or stream.response is None:
            return 0
        stream.is_response_whole = True
        self.finish_body(stream.response, stream.response_body)
        stream.response_body = None
        if stream.request is None or stream.is_request_whole or stream.anomalies & GAP:
            return self.finish_stream(stream, 0)
        return self.weigh(stream)

    cdef int reset(self, int side, uint32_t number) except -1:
        """RST_STREAM ends a stream at once (section 6.4); after a whole response it only says that no more is wanted."""
        cdef Stream stream = self.streams.get(number)
        cdef WebSocketConnection tunnel
        if stream is None:
            tunnel = self.tunnels.pop(number, None)
            if tunnel is not None:
                tunnel.end(0, END_RESET, self.now_ns)
                tunnel.end(1, END_RESET, self.now_ns)
            return 0
        if side == self.client_side and stream.response is None:
            self.resets += 1
            if self.resets > RESETS_NOTED and 2 * self.resets > self.requests:
                stream.anomalies |= RAPID_RESET
        return self.finish_stream(stream, 0 if stream.is_response_whole else RESET | INCOMPLETE)

    cdef int open_tunnel(self, Stream stream) except -1:
        """Tell the extended CONNECT of *stream* as it is; what its DATA frames carry from here on is a WebSocket."""
        cdef WebSocketConnection tunnel = WebSocketConnection(
            self.factory, self.flow, self.client_side, stream.request, stream.response)
        tunnel.index = stream.number * INDEX_STEP
        self.tunnels[stream.number] = tunnel
        if not stream.is_request_whole:
            self.finish_body(stream.request, stream.request_body)
        self.finish_body(stream.response, stream.response_body)
        stream.is_request_whole = stream.is_response_whole = True
        stream.anomalies = (stream.anomalies | UPGRADED) & ~EARLY_RESPONSE
        return self.finish_stream(stream, 0)

    cdef int finish_stream(self, Stream stream, uint64_t missing) except -1:
        """Emit *stream* as it is, with the anomalies *missing* if its response is not whole."""
        cdef unsigned int index = self.index
        if self.streams.pop(stream.number, None) is None:
            return 0
        self.waiting.pop(stream.number, None)
        self.endless.pop(stream.number, None)
        self.stream_bytes -= stream.held
        if stream.request is not None and not stream.is_request_whole:
            self.finish_body(stream.request, stream.request_body)
            if not stream.is_response_whole:
                stream.anomalies |= missing | INCOMPLETE
        if stream.response is not None and not stream.is_response_whole:
            self.finish_body(stream.response, stream.response_body)
            stream.anomalies |= missing & ~RESPONSE_TIMEOUT | (0 if missing & ENDLESS else INCOMPLETE)
        elif stream.response is None:
            stream.anomalies |= missing & (RESPONSE_TIMEOUT | STREAM_LIMIT | RESET)
        if stream.request is None and stream.response is None:
            return 0
        self.index += 1
        return send(
            self.factory, self.flow, self.client_side == 1, index, stream.request, stream.response, stream.anomalies)

    cdef int finish_body(self, Message message, Body body) except -1:
        cdef bytes length
        message.end_ns = self.now_ns
        if body is None:
            return 0
        length = message.header(b"content-length")
        body.finish(message)
        if length is not None and message.wire_length and length != b"%d" % message.wire_length:
            message.anomalies |= CONFLICTING_LENGTH
        return 0

    cdef int weigh(self, Stream stream) except -1:
        """Count anew what *stream* holds."""
        cdef Py_ssize_t held = STREAM_BYTES
        cdef Message message
        cdef Body body
        for message in (stream.request, stream.response):
            if message is not None:
                held += 2 * len(message.head) + (0 if message.body is None else len(message.body))
        for body in (stream.request_body, stream.response_body):
            if body is not None:
                held += body.held()
        self.stream_bytes += held - stream.held
        stream.held = held
        return 0

    cdef Stream next_due(self):
        """Return the stream that is to be ended next if nothing comes, or None."""
        cdef Stream first = next(iter(self.waiting.values())) if self.waiting else None
        cdef Stream other = next(iter(self.endless.values())) if self.endless else None
        if first is None or (other is not None and other.asked_ns < first.asked_ns):
            return other
        return first

    cdef int settle(self) except -1:
        """Bring what the owner sees up to date after bytes were read: counters, held bytes, deadline."""
        cdef Http2Half half
        cdef Stream stream
        self.held_bytes = self.stream_bytes
        for half in (self.half0, self.half1):
            self.factory.not_http_bytes += half.reader.skipped
            half.reader.skipped = 0
            self.held_bytes += half.reader.buffer.capacity + half.block.capacity + half.headers.size
        for tunnel in self.tunnels.values():
            self.held_bytes += (<WebSocketConnection>tunnel).held_bytes
        self.deadline_ns = 0
        stream = self.next_due()
        if stream is not None:
            self.deadline_ns = stream.asked_ns + self.factory.response_timeout_ns
        return 0
