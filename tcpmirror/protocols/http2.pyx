# cython: language_level=3, boundscheck=False, wraparound=False
"""HTTP/2 in clear on one flow (RFC 9113): from the preface on, after an upgrade, or joined in the middle.

Here frames and header blocks are told apart; `Http2Streams` makes exchanges of them, with heads written as HTTP/1 writes them.
Bytes never raise. What a server would answer with a connection error only sets an Anomaly here, because the tap may have lost
what would explain it.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport END_FIN, EndKind, FlowInfo
from tcpmirror.protocols.bodies cimport Body
from tcpmirror.protocols.buffer cimport buffer_clear
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.frames cimport (
    CONTINUATION, DATA, FINISHED, FLAG_END_HEADERS, FLAG_END_STREAM, FRAME_BROKEN, FRAME_FOUND, FRAME_MORE, FRAME_WHOLE,
    IN_CONTENT, REQUEST_LINE_SIZE, RST_STREAM, FrameEvent, FrameReader)
from tcpmirror.protocols.http2_half cimport Http2Half
from tcpmirror.protocols.http2_head cimport has_request_fields, status_of
from tcpmirror.protocols.http2_streams cimport Http2Streams, Stream
from tcpmirror.protocols.timed_sink cimport broken_off, unanswered
from tcpmirror.protocols.websocket cimport WebSocketConnection

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t GAP = 1 << Anomaly.GAP
cdef uint64_t HEAD_LIMIT = 1 << Anomaly.HEAD_LIMIT
cdef uint64_t BAD_FRAME = 1 << Anomaly.BAD_FRAME
cdef uint64_t BAD_HPACK = 1 << Anomaly.BAD_HPACK
cdef uint64_t CONTINUATION_FLOOD = 1 << Anomaly.CONTINUATION_FLOOD

cdef enum:
    RESYNC_LIMIT = 64         # times that one direction may fall out of step before it is given up
    PROMISE_LIMIT = 1000
    UNKNOWN_LOSS = 1 << 30    # more than is left of any frame that is read


cdef class Http2Connection(Http2Streams):
    """One flow, frame by frame."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow, bint is_joined):
        Http2Streams.__init__(self, factory, flow, is_joined)
        self.promises = set()

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
        self.reach(time_ns)
        if self.is_left_out(side):
            return 0
        self.consume(side, data, length, time_ns)
        return self.settle()

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        cdef Http2Half half = self.half(side)
        cdef FrameReader reader = half.reader
        cdef Stream stream
        self.reach(time_ns)
        if reader.state == FINISHED or self.is_left_out(side):
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
        cdef Http2Half half = self.half(side)
        cdef Stream stream
        cdef uint64_t lost = broken_off(how)
        if half.has_ended:
            return 0
        self.reach(time_ns)
        half.has_ended = True
        self.take_last(side, time_ns)
        half.drop_block()
        half.reader.finish()
        for tunnel in self.tunnels.values():
            (<WebSocketConnection>tunnel).end(side, how, time_ns)
        if side == self.client_side:
            for stream in list(self.streams.values()):
                if stream.request is not None and not stream.is_request_whole:
                    stream.anomalies |= lost
                    self.request_whole(stream)
        if self.half(1 - self.client_side).has_ended or how != END_FIN:
            lost |= unanswered(how)
            for stream in list(self.streams.values()):
                if side != self.client_side or stream.response is None:
                    self.finish_stream(stream, lost)
        return self.settle()

    cdef int consume(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        cdef Http2Half half = self.half(side)
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
            if self.is_left_out(side):  # as this frame showed
                return 0

    cdef bint is_left_out(self, int side) noexcept:
        """Whether nobody asks for what *side* says: it is the server, and responses are not read."""
        return self.are_roles_known and side != self.client_side and not self.factory.parse_responses

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
        cdef Http2Half half = self.half(side)
        half.drop_block()
        half.headers.lose()
        for tunnel in self.tunnels.values():
            (<WebSocketConnection>tunnel).gap(side, UNKNOWN_LOSS, self.now_ns)
        half.resyncs += 1
        if half.resyncs > RESYNC_LIMIT:
            half.reader.finish()
        else:
            half.reader.resync()
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
        cdef Http2Half half = self.half(side)
        cdef FrameReader reader = half.reader
        if reader.type == CONTINUATION:
            if not half.block_stream or half.block_stream != reader.stream:
                half.drop_block()
                half.headers.lose()
                return self.mark(side, BAD_FRAME)
            if reader.is_cut:
                half.block_anomalies |= CONTINUATION_FLOOD
            if not half.add_to_block(reader.payload, reader.payload_size, reader.flags & FLAG_END_HEADERS):
                return 0
            return self.take_block(side)
        if half.block_stream:
            half.drop_block()
            self.mark(side, BAD_FRAME)
        if reader.type == RST_STREAM:
            return self.reset(side, reader.stream)
        return self.take_block(side) if half.begin_block() else 0

    cdef int take_block(self, int side) except -1:
        """Read the header block that is whole, and give its fields to the message that they begin or end."""
        cdef Http2Half half = self.half(side)
        cdef list fields = half.read_block()
        if half.block_anomalies & (BAD_HPACK | HEAD_LIMIT):
            self.factory.http_errors += 1
        elif self.may_be_wrong and (has_request_fields(fields) or status_of(fields) > 0):
            self.may_be_wrong = False
            self.half0.reader.is_strict = False
            self.half1.reader.is_strict = False
        if self.may_be_wrong:  # nothing is believed yet
            pass
        elif half.promised:
            if len(self.promises) < PROMISE_LIMIT:
                self.promises.add(half.promised)
        else:
            self.take_fields(side, fields, half.block_anomalies)
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
