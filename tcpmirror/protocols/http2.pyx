# cython: language_level=3, boundscheck=False, wraparound=False
"""HTTP/2 in clear on one flow (RFC 9113): from the preface on, after an upgrade, or joined in the middle.

Streams become exchanges with heads written as HTTP/1 writes them, in the order in which they complete. Time is packet time
only, and bytes never raise. What a server would answer with a connection error only sets an Anomaly here, because the tap
may have lost what would explain it.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from tcpmirror.model.exchange cimport Message, Request, Response
from tcpmirror.model.stream cimport END_FIN, END_RESET, EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.bodies cimport Body
from tcpmirror.protocols.buffer cimport buffer_append, buffer_clear, buffer_free
from tcpmirror.protocols.factory cimport ExchangeFactory, send
from tcpmirror.protocols.frames cimport (
    CONTINUATION, DATA, FINISHED, FLAG_END_HEADERS, FLAG_END_STREAM, FLAG_PADDED, FLAG_PRIORITY, FRAME_BROKEN, FRAME_FOUND,
    FRAME_MORE, FRAME_PART, FRAME_WHOLE, HEADERS, IN_CONTENT, PUSH_PROMISE, REQUEST_LINE_SIZE, RST_STREAM, FrameEvent,
    FrameReader)
from tcpmirror.protocols.hpack cimport HeaderDecoder
from tcpmirror.protocols.websocket cimport WebSocketConnection
from tcpmirror.protocols.http2_head cimport add_trailers, has_request_fields, request_of, response_of, status_of

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t GAP = 1 << Anomaly.GAP
cdef uint64_t RESET = 1 << Anomaly.RESET
cdef uint64_t RESPONSE_TIMEOUT = 1 << Anomaly.RESPONSE_TIMEOUT
cdef uint64_t RESPONSE_ONLY = 1 << Anomaly.RESPONSE_ONLY
cdef uint64_t INCOMPLETE = 1 << Anomaly.INCOMPLETE
cdef uint64_t EARLY_RESPONSE = 1 << Anomaly.EARLY_RESPONSE
cdef uint64_t HEAD_LIMIT = 1 << Anomaly.HEAD_LIMIT
cdef uint64_t CONFLICTING_LENGTH = 1 << Anomaly.CONFLICTING_LENGTH
cdef uint64_t ENDLESS = 1 << Anomaly.ENDLESS
cdef uint64_t BAD_FRAME = 1 << Anomaly.BAD_FRAME
cdef uint64_t BAD_HPACK = 1 << Anomaly.BAD_HPACK
cdef uint64_t STREAM_LIMIT = 1 << Anomaly.STREAM_LIMIT
cdef uint64_t RAPID_RESET = 1 << Anomaly.RAPID_RESET
cdef uint64_t UPGRADED = 1 << Anomaly.UPGRADED
cdef uint64_t CONTINUATION_FLOOD = 1 << Anomaly.CONTINUATION_FLOOD

cdef enum:
    BLOCK_PARTS = 64          # frames of one header block that are read; 64 KiB in usual frames take 4
    RESETS_NOTED = 100        # unanswered requests taken back, and more than half of all, are a rapid reset (CVE-2023-44487)
    RESYNC_LIMIT = 64         # times that one direction may fall out of step before it is given up
    PROMISE_LIMIT = 1000
    STREAM_BYTES = 512        # what a stream takes besides its heads and bodies
    UNKNOWN_LOSS = 1 << 30    # more than is left of any frame that is read
    INDEX_STEP = 1 << 16      # the messages of a WebSocket count from its stream's number times this, apart from exchanges
    CODING_BYTES = 40960      # what an inflate stream holds: its window and tables


cdef class Stream:
    """An exchange on its way."""


cdef class Half2:
    """One direction: its frames, its header compression, the header block in progress."""

    def __init__(self, Py_ssize_t head_limit, bint is_joined):
        self.reader = FrameReader(head_limit)
        self.headers = HeaderDecoder(is_joined)

    def __dealloc__(self):
        buffer_free(&self.block)


cdef class Http2Connection(StreamSink):
    """One flow. *is_joined*: the connection began before the first byte seen, so header tables are not known whole."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow, bint is_joined):
        self.factory = factory
        self.flow = flow
        self.streams = {}
        self.waiting = {}
        self.endless = {}
        self.tunnels = {}
        self.promises = set()
        self.head_limit = factory.limits.head_bytes
        self.stream_limit = factory.limits.concurrent_streams
        self.half0 = Half2(self.head_limit, is_joined)
        self.half1 = Half2(self.head_limit, is_joined)
        self.are_roles_known = flow.is_client_known
        factory.http2_flows += 1

    cdef inline Half2 half(self, int side):
        return self.half1 if side else self.half0

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

    cdef void doubt(self) noexcept:
        """Begin as a guess: what comes may not be HTTP/2 at all."""
        self.may_be_wrong = True
        self.half0.reader.is_strict = True
        self.half1.reader.is_strict = True

    cdef void after_request_line(self) noexcept:
        """The first lines of the client's preface were read elsewhere."""
        cdef FrameReader reader = self.half(self.client_side).reader
        reader.filled = REQUEST_LINE_SIZE

    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        if self.deadline_ns and time_ns >= self.deadline_ns:
            self.tick(time_ns)
        self.now_ns = time_ns
        if self.are_roles_known and side != self.client_side and not self.factory.parse_responses:
            return 0
        self.consume(side, data, length, time_ns)
        return self.settle()

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        cdef Half2 half = self.half(side)
        cdef FrameReader reader = half.reader
        cdef Stream stream
        if self.deadline_ns and time_ns >= self.deadline_ns:
            self.tick(time_ns)
        self.now_ns = time_ns
        if reader.state == FINISHED or (self.are_roles_known and side != self.client_side and not self.factory.parse_responses):
            return 0
        if reader.skip(length):
            if reader.state == IN_CONTENT:
                stream = self.streams.get(reader.stream)
                if reader.stream in self.tunnels:
                    (<WebSocketConnection>self.tunnels[reader.stream]).gap(side, length, time_ns)
                elif stream is not None:
                    stream.anomalies |= GAP
                    body = stream.request_body if side == self.client_side else stream.response_body
                    if body is not None:
                        (<Body>body).skip(length)
            self.consume(side, NULL, 0, time_ns)
            return self.settle()
        self.take_last(side, time_ns)
        self.lose_sync(side)
        self.mark(side, GAP)
        return self.settle()

    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1:
        cdef Half2 half = self.half(side)
        cdef Stream stream
        cdef uint64_t lost = INCOMPLETE | (RESET if how == END_RESET else 0)
        if half.has_ended:
            return 0
        if self.deadline_ns and time_ns >= self.deadline_ns:
            self.tick(time_ns)
        self.now_ns = time_ns
        half.has_ended = True
        self.take_last(side, time_ns)
        self.drop_block(side)
        half.reader.finish()
        for tunnel in self.tunnels.values():
            (<WebSocketConnection>tunnel).end(side, how, time_ns)
        if side == self.client_side:
            for stream in list(self.streams.values()):
                if stream.request is not None and not stream.is_request_whole:
                    stream.anomalies |= lost
                    self.request_whole(stream)
        # Without FIN or RST nobody said that no answer was coming: the request timed out, whenever the end was noticed.
        if self.half(1 - self.client_side).has_ended or how != END_FIN:
            lost = lost if how == END_FIN or how == END_RESET else lost | RESPONSE_TIMEOUT
            for stream in list(self.streams.values()):
                if side != self.client_side or stream.response is None:
                    self.finish_stream(stream, lost)
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

    cdef int consume(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        cdef Half2 half = self.half(side)
        cdef FrameReader reader = half.reader
        cdef FrameEvent event
        while True:
            event = reader.advance(&data, &length, time_ns)
            if event == FRAME_MORE:
                return 0
            if event == FRAME_FOUND:
                self.found(side, time_ns)
                if self.is_refuted:  # by what was held back: the end of that is in `held_rest`
                    self.rest = length
                    return 0
            elif event == FRAME_BROKEN:
                if self.may_be_wrong:
                    self.may_be_wrong = False
                    self.is_refuted = True
                    self.rest = length
                    return 0
                self.broken(side)
            elif reader.type == DATA:
                self.content(side, event == FRAME_WHOLE)
            else:
                self.frame(side)

    cdef int found(self, int side, uint64_t time_ns) except -1:
        """Read what was held back while the next frame was looked for."""
        cdef FrameReader reader = self.half(side).reader
        cdef bytes held = PyBytes_FromStringAndSize(<const char*>reader.buffer.data, reader.buffer.size)
        buffer_clear(&reader.buffer)
        self.consume(side, <const uint8_t*>PyBytes_AS_STRING(held), len(held), time_ns)
        if self.is_refuted:
            self.held_rest = held[len(held) - self.rest:]
        return 0

    cdef int take_last(self, int side, uint64_t time_ns) except -1:
        """Read the frame that was held back in case that another one follows: none will."""
        if self.half(side).reader.take_last():
            self.found(side, time_ns)
        return 0

    cdef int broken(self, int side) except -1:
        self.factory.http_errors += 1
        self.mark(side, BAD_FRAME)
        return self.lose_sync(side)

    cdef int lose_sync(self, int side) except -1:
        """Look for the next frame; header blocks may have gone by."""
        cdef Half2 half = self.half(side)
        self.drop_block(side)
        half.headers.lose()
        for tunnel in self.tunnels.values():
            (<WebSocketConnection>tunnel).gap(side, UNKNOWN_LOSS, self.now_ns)
        half.resyncs += 1
        if half.resyncs > RESYNC_LIMIT:
            half.reader.finish()
        else:
            half.reader.resync()
        return 0

    cdef int mark(self, int side, uint64_t anomalies) except -1:
        """Note *anomalies* of a direction on its messages in progress."""
        cdef Half2 half = self.half(side)
        cdef Stream stream
        for stream in self.streams.values():
            if not (stream.is_request_whole if side == self.client_side else stream.is_response_whole):
                stream.anomalies |= anomalies
        if not self.streams:
            half.seen_anomalies |= anomalies
        return 0

    cdef int content(self, int side, bint is_whole) except -1:
        """Take what came of a DATA frame."""
        cdef FrameReader reader = self.half(side).reader
        cdef Stream stream = self.streams.get(reader.stream)
        cdef bint is_client = side == self.client_side
        cdef Body body
        if stream is None:
            if reader.stream in self.tunnels:
                return self.tunnel_content(side, self.tunnels[reader.stream], is_whole)
            return 0
        body = stream.request_body if is_client else stream.response_body
        if body is None or (stream.is_request_whole if is_client else stream.is_response_whole):
            return 0
        if reader.part_size:
            body.wire_length += reader.part_size
            body.add(reader.part, reader.part_size)
            body.settle()
            self.weigh(stream)
        if is_whole and reader.flags & FLAG_END_STREAM:
            return self.request_whole(stream) if is_client else self.response_whole(stream)
        return 0

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

    cdef int tunnel_content(self, int side, WebSocketConnection tunnel, bint is_whole) except -1:
        cdef FrameReader reader = self.half(side).reader
        if reader.part_size:
            tunnel.data(side, reader.part, reader.part_size, self.now_ns)
        if is_whole and reader.flags & FLAG_END_STREAM:
            tunnel.end(side, END_FIN, self.now_ns)
            if tunnel.half0.is_over and tunnel.half1.is_over:
                del self.tunnels[reader.stream]
        return 0

    cdef int frame(self, int side) except -1:
        """Take a frame that is not DATA. Between the parts of a header block no other may come (section 6.10)."""
        cdef Half2 half = self.half(side)
        cdef FrameReader reader = half.reader
        if reader.type == CONTINUATION:
            if not half.block_stream or half.block_stream != reader.stream:
                self.drop_block(side)
                half.headers.lose()
                return self.mark(side, BAD_FRAME)
            if reader.is_cut:
                half.block_anomalies |= CONTINUATION_FLOOD
            return self.add_to_block(side, reader.payload, reader.payload_size, reader.flags & FLAG_END_HEADERS)
        if half.block_stream:
            self.drop_block(side)
            self.mark(side, BAD_FRAME)
        if reader.type == RST_STREAM:
            return self.reset(side, reader.stream)
        return self.begin_block(side)

    cdef int begin_block(self, int side) except -1:
        """Take a HEADERS or PUSH_PROMISE frame without padding, priority and promise (sections 6.2 and 6.6)."""
        cdef Half2 half = self.half(side)
        cdef FrameReader reader = half.reader
        cdef const uint8_t* data = reader.payload
        cdef Py_ssize_t size = reader.payload_size
        cdef Py_ssize_t front = 0, padding = 0
        half.block_stream = reader.stream
        half.block_ns = reader.begin_ns
        half.block_parts = 0
        half.block_anomalies = 0
        half.promised = 0
        half.ends_stream = reader.type == HEADERS and reader.flags & FLAG_END_STREAM
        if reader.flags & FLAG_PADDED and size:
            padding = data[0]
            front = 1
        if reader.type == PUSH_PROMISE:
            if size >= front + 4:
                half.promised = (<uint32_t>(data[front] & 0x7F) << 24 | <uint32_t>data[front + 1] << 16
                                 | <uint32_t>data[front + 2] << 8 | data[front + 3])
            front += 4
        elif reader.flags & FLAG_PRIORITY:
            front += 5
        if reader.is_cut:
            padding = 0
            half.block_anomalies |= HEAD_LIMIT | INCOMPLETE
        if front + padding > size:
            half.block_anomalies |= BAD_FRAME
            padding = 0
            front = min(front, size)
        return self.add_to_block(side, data + front, size - front - padding, reader.flags & FLAG_END_HEADERS)

    cdef int add_to_block(self, int side, const uint8_t* data, Py_ssize_t size, bint is_last) except -1:
        """Add a part to the header block; one that is whole is read, one that grows too large is kept cut."""
        cdef Half2 half = self.half(side)
        cdef Py_ssize_t room = self.head_limit - half.block.size
        half.block_parts += 1
        if half.block_parts > BLOCK_PARTS or size > room:
            half.block_anomalies |= CONTINUATION_FLOOD
            size = 0 if half.block_parts > BLOCK_PARTS else room
        if is_last and half.block.size == 0:
            return self.take_block(side, data, size)
        buffer_append(&half.block, data, size)
        return self.take_block(side, half.block.data, half.block.size) if is_last else 0

    cdef int drop_block(self, int side) except -1:
        """Give up the header block in progress."""
        cdef Half2 half = self.half(side)
        if half.block_stream:
            half.block_stream = 0
            half.headers.lose()
        buffer_clear(&half.block)
        return 0

    cdef int take_block(self, int side, const uint8_t* data, Py_ssize_t size) except -1:
        cdef Half2 half = self.half(side)
        cdef uint64_t anomalies = half.block_anomalies | half.seen_anomalies
        cdef list fields = half.headers.decode(data, size, self.head_limit)
        half.seen_anomalies = 0
        anomalies |= half.headers.anomalies
        if half.block_anomalies & (CONTINUATION_FLOOD | HEAD_LIMIT):  # the table moved on with what was left out
            anomalies |= HEAD_LIMIT
            anomalies &= ~BAD_HPACK
            half.headers.lose()
        if anomalies & (BAD_HPACK | HEAD_LIMIT):
            self.factory.http_errors += 1
        elif self.may_be_wrong and (has_request_fields(fields) or status_of(fields) > 0):
            self.may_be_wrong = False
            self.half0.reader.is_strict = False
            self.half1.reader.is_strict = False
        buffer_clear(&half.block)
        if self.may_be_wrong:  # nothing is believed yet
            half.block_stream = 0
            return 0
        if half.promised:
            if len(self.promises) < PROMISE_LIMIT:
                self.promises.add(half.promised)
        else:
            self.take_fields(side, fields, anomalies)
        half.block_stream = 0
        return 0

    cdef int take_fields(self, int side, list fields, uint64_t anomalies) except -1:
        """Give the fields to the message that they begin or end."""
        if not self.are_roles_known:
            self.learn_roles(side, fields)
        if side == self.client_side:
            return self.request_fields(side, fields, anomalies)
        if not self.factory.parse_responses or self.half(side).block_stream in self.promises:
            return 0
        return self.response_fields(side, fields, anomalies)

    cdef int learn_roles(self, int side, list fields) except -1:
        cdef bint is_request = has_request_fields(fields)
        if is_request or status_of(fields) >= 0:
            self.client_side = side if is_request else 1 - side
            self.are_roles_known = True
        return 0

    cdef int request_fields(self, int side, list fields, uint64_t anomalies) except -1:
        cdef Half2 half = self.half(side)
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
        cdef Half2 half = self.half(side)
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
        cdef Body body = Body(self.factory.limits.body_bytes, self.factory.hash_bodies)
        cdef object codings = None
        if message.header(b"content-encoding") is not None:
            codings = self.factory.decoder(message.headers)
        body.begin(codings)
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
                held += body.kept.capacity + (CODING_BYTES if body.codings is not None else 0)
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
        cdef Half2 half
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
