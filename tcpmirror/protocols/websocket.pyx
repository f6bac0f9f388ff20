# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""WebSocket (RFC 6455, with permessage-deflate of RFC 7692) after the 101 that opened it: every data message is told.

A message is emitted as an Exchange of protocol ``websocket``: one to the server as the body of a request with the method
WEBSOCKET, one to the client as the body of a response to such a request. The request has the path and the headers that tell
host and client of the handshake, and no more of it, so that what the handshake shows is not found again in every message.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.model.stream cimport END_RESET, EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.buffer cimport buffer_append, buffer_clear, buffer_free
from tcpmirror.protocols.factory cimport ExchangeFactory, exchange_of

import hashlib
import zlib

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t GAP = 1 << Anomaly.GAP
cdef uint64_t RESET = 1 << Anomaly.RESET
cdef uint64_t INCOMPLETE = 1 << Anomaly.INCOMPLETE
cdef uint64_t BODY_LIMIT = 1 << Anomaly.BODY_LIMIT
cdef uint64_t BODY_SHED = 1 << Anomaly.BODY_SHED
cdef uint64_t BAD_FRAME = 1 << Anomaly.BAD_FRAME
cdef uint64_t BAD_CODING = 1 << Anomaly.BAD_CODING
cdef uint64_t TRUNCATED_CODING = 1 << Anomaly.TRUNCATED_CODING
cdef uint64_t DECOMPRESSION_LIMIT = 1 << Anomaly.DECOMPRESSION_LIMIT

cdef enum Opcode:
    OP_CONTINUATION = 0
    OP_TEXT = 1
    OP_BINARY = 2
    OP_CLOSE = 8
    OP_PONG = 10

cdef enum:
    BIT_FIN = 0x80
    BIT_RSV1 = 0x40
    BITS_RESERVED = 0x30
    CONTROL_LIMIT = 125        # bytes of payload (section 5.5)
    RATIO_FROM = 1 << 20       # output that is harmless, whatever its ratio
    CODING_BYTES = 40960       # what an inflate stream holds: its window and tables

cdef bytes VERSION = b"WEBSOCKET"
cdef bytes DEFLATE_TAIL = b"\0\0\xff\xff"  # RFC 7692, section 7.2.2
# Of the handshake's headers these go on with its messages: for whom it is, and who asks through a proxy.
cdef frozenset KEPT_HEADERS = frozenset((
    b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"true-client-ip", b"cf-connecting-ip"))


cdef tuple deflate_of(Response answer):
    """Return (whether permessage-deflate was agreed on, whether the client's context goes on, whether the server's does)."""
    for name, value in answer.headers:
        if (<bytes>name).lower() == b"sec-websocket-extensions" and b"permessage-deflate" in (<bytes>value).lower():
            text = (<bytes>value).lower()
            return True, b"client_no_context_takeover" not in text, b"server_no_context_takeover" not in text
    return False, False, False


cdef class Frames:
    """One direction: the frame in progress, the message in progress, the state of its compression."""

    def __dealloc__(self):
        buffer_free(&self.message)


cdef class WebSocketConnection(StreamSink):
    """One flow from the 101 on. *handshake* None: its request was not seen."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow, int client_side, Request handshake, Response answer):
        self.factory = factory
        self.flow = flow
        self.client_side = client_side
        self.answer = Response(answer.head, b"", answer.time_ns, answer.status, VERSION)
        self.limit = factory.limits.body_bytes
        self.half0 = Frames()
        self.half1 = Frames()
        cdef Frames client = self.half(client_side)
        cdef Frames server = self.half(1 - client_side)
        client.may_compress, client.keeps_context, server.keeps_context = deflate_of(answer)
        server.may_compress = client.may_compress
        self.target = b"/" if handshake is None else handshake.target.partition(b"?")[0]
        self.headers = () if handshake is None else tuple(
            [(name, value) for name, value in handshake.headers if (<bytes>name).lower() in KEPT_HEADERS])
        self.head = b"WEBSOCKET %b HTTP/1.1\r\n%b\r\n" % (
            self.target, b"".join([b"%b: %b\r\n" % pair for pair in self.headers]))
        factory.websocket_flows += 1

    cdef inline Frames half(self, int side):
        return self.half1 if side else self.half0

    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        if side != self.client_side and not self.factory.parse_responses:
            return 0
        self.read(side, data, length, time_ns)
        return self.settle()

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        cdef Frames half = self.half(side)
        if half.is_over:
            return 0
        if not half.is_in_payload or length > half.left:
            half.is_context_lost = True
            return self.give_up(side, GAP | INCOMPLETE)
        half.left -= length
        if half.opcode < OP_CLOSE:
            half.anomalies |= GAP
            half.message_length += length
            half.is_context_lost = half.is_context_lost or half.is_compressed
        if half.left == 0:
            self.frame_whole(side, time_ns)
        return self.settle()

    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1:
        self.give_up(side, INCOMPLETE | (RESET if how == END_RESET else 0))
        return self.settle()

    cdef int shed(self) except -1:
        """Give up the messages in progress, and with a compressed one the context that it was to go on with."""
        cdef Frames half
        for half in (self.half0, self.half1):
            if not half.is_open or not half.message.size:
                continue
            half.anomalies |= BODY_SHED
            buffer_free(&half.message)
            if half.is_compressed:
                half.is_context_lost = True
                half.inflater = None
        return self.settle()

    cdef int read(self, int side, const uint8_t* data, Py_ssize_t size, uint64_t time_ns) except -1:
        cdef Frames half = self.half(side)
        cdef Py_ssize_t taken
        while size > 0 and not half.is_over:
            if half.is_in_payload:
                taken = self.payload_bytes(half, data, size)
            else:
                taken = self.header_bytes(half, data, size, time_ns)
                if half.filled == half.header_size:
                    self.open_frame(side, time_ns)
            data += taken
            size -= taken
            if half.is_in_payload and half.left == 0 and not half.is_over:
                self.frame_whole(side, time_ns)
        self.factory.not_http_bytes += size
        return 0

    cdef Py_ssize_t header_bytes(self, Frames half, const uint8_t* data, Py_ssize_t size, uint64_t time_ns) except -1:
        """Take bytes of a frame header; its second byte tells how long it is."""
        cdef Py_ssize_t taken = 0
        cdef uint8_t length
        if half.filled == 0:
            half.header_size = 2
        while taken < size and half.filled < half.header_size:
            half.header[half.filled] = data[taken]
            half.filled += 1
            taken += 1
            if half.filled == 2:
                length = half.header[1] & 0x7F
                half.header_size = 2 + (2 if length == 126 else 8 if length == 127 else 0) + (4 if half.header[1] & 0x80 else 0)
        return taken

    cdef int open_frame(self, int side, uint64_t time_ns) except -1:
        cdef Frames half = self.half(side)
        cdef uint8_t first = half.header[0]
        cdef int at
        half.opcode = first & 0x0F
        half.is_masked = half.header[1] & 0x80 != 0
        half.length = half.header[1] & 0x7F
        if half.length >= 126:
            half.length = 0
            for at in range(2, half.header_size - (4 if half.is_masked else 0)):
                half.length = half.length << 8 | half.header[at]
        half.left = half.length
        half.filled = 0
        half.is_in_payload = True
        if (first & BITS_RESERVED or OP_BINARY < half.opcode < OP_CLOSE or half.opcode > OP_PONG or half.length >> 63):
            self.factory.http_errors += 1
            return self.give_up(side, BAD_FRAME | INCOMPLETE)
        if half.opcode >= OP_CLOSE:
            if not first & BIT_FIN or half.length > CONTROL_LIMIT:
                half.anomalies |= BAD_FRAME
            return 0
        if half.is_masked != (side == self.client_side):  # section 5.1
            half.anomalies |= BAD_FRAME
        if half.opcode == OP_CONTINUATION:
            if not half.is_open:
                half.anomalies |= BAD_FRAME
        elif half.is_open:  # the message before never ended
            half.anomalies |= BAD_FRAME | INCOMPLETE
            self.send(side, time_ns)
        if not half.is_open:
            half.is_open = True
            half.begin_ns = time_ns
            half.is_compressed = first & BIT_RSV1
            if half.is_compressed and not half.may_compress:
                half.is_compressed = False
                half.anomalies |= BAD_FRAME
        return 0

    cdef Py_ssize_t payload_bytes(self, Frames half, const uint8_t* data, Py_ssize_t size) except -1:
        """Take bytes of a frame's payload, unmasked (section 5.3); those of control frames are not kept."""
        cdef Py_ssize_t taken = size if <uint64_t>size < half.left else <Py_ssize_t>half.left
        cdef Py_ssize_t kept = 0 if half.anomalies & BODY_SHED else min(taken, self.limit - half.message.size)
        cdef Py_ssize_t at, begin = half.message.size
        cdef uint64_t offset = half.length - half.left
        cdef uint8_t* mask = half.header + half.header_size - 4
        cdef uint8_t* to
        half.left -= taken
        if half.opcode >= OP_CLOSE:
            return taken
        half.message_length += taken
        buffer_append(&half.message, data, kept)
        if half.is_masked:
            to = half.message.data + begin
            for at in range(kept):
                to[at] ^= mask[(offset + at) & 3]
        return taken

    cdef int frame_whole(self, int side, uint64_t time_ns) except -1:
        cdef Frames half = self.half(side)
        half.is_in_payload = False
        if half.opcode == OP_CLOSE:
            return self.give_up(side, INCOMPLETE)
        if half.opcode < OP_CLOSE and half.header[0] & BIT_FIN:
            return self.send(side, time_ns)
        return 0

    cdef int send(self, int side, uint64_t time_ns) except -1:
        """Tell the message of *side* as it is, and begin another."""
        cdef Frames half = self.half(side)
        cdef ExchangeFactory factory = self.factory
        cdef Request request = Request(self.head, b"", half.begin_ns, b"WEBSOCKET", self.target, VERSION)
        cdef Response response = None
        cdef bytes body = self.content(half)
        cdef unsigned int index = self.index
        request._headers = self.headers
        message = request
        if side != self.client_side:
            message = response = Response(self.answer.head, b"", half.begin_ns, self.answer.status, VERSION)
            response._headers = self.answer.headers
        message.body = body
        message.body_length = max(len(body), 0 if half.is_compressed else half.message_length)
        message.wire_length = half.message_length
        message.end_ns = time_ns
        if factory.hash_bodies:
            message.body_sha256 = hashlib.sha256(body).digest()
        message.anomalies = half.anomalies
        half.anomalies = 0
        half.message_length = 0
        half.is_open = False
        buffer_clear(&half.message)
        self.index += 1
        factory.websocket_messages += 1
        factory.emit(exchange_of(self.flow, self.client_side == 1, index, request, response, 0))
        return 0

    cdef bytes content(self, Frames half):
        """Return the message without its compression, cut at the body limit."""
        if half.anomalies & BODY_SHED:
            return b""
        if half.message_length > <uint64_t>half.message.size and not half.anomalies & GAP:
            half.anomalies |= BODY_LIMIT
        if half.is_compressed:
            return self.inflate(half)
        return PyBytes_FromStringAndSize(<const char*>half.message.data, half.message.size)

    cdef bytes inflate(self, Frames half):
        """Undo permessage-deflate. What depends on a message that was not seen whole cannot be read: it is empty."""
        cdef bytes coded = PyBytes_FromStringAndSize(<const char*>half.message.data, half.message.size)
        cdef bint is_whole = not half.anomalies & (GAP | BODY_LIMIT | INCOMPLETE)
        cdef bytes output
        if half.is_context_lost and half.keeps_context and half.inflater is None:
            half.anomalies |= TRUNCATED_CODING
            return b""
        inflater = half.inflater
        if inflater is None:
            inflater = zlib.decompressobj(-15)
        half.inflater = None
        try:
            output = inflater.decompress(coded + DEFLATE_TAIL if is_whole else coded, self.limit + 1)
        except zlib.error:
            half.anomalies |= BAD_CODING
            half.is_context_lost = True
            return b""
        if len(output) > self.limit:
            half.anomalies |= DECOMPRESSION_LIMIT if len(output) > RATIO_FROM else BODY_LIMIT
            is_whole = False
        if inflater.eof:  # the sender ended the stream, and begins a new one (RFC 7692, section 7.2.3.4)
            return output[:self.limit]
        if not is_whole:
            half.is_context_lost = True
            half.anomalies |= TRUNCATED_CODING
        elif half.keeps_context:
            half.inflater = inflater
        return output[:self.limit]

    cdef int give_up(self, int side, uint64_t anomalies) except -1:
        """Read no more of *side*: Close came, or where the next frame begins is not known."""
        cdef Frames half = self.half(side)
        if half.is_over:
            return 0
        half.is_over = True
        if half.is_open:
            half.anomalies |= anomalies
            self.send(side, half.begin_ns)
        half.inflater = None
        buffer_free(&half.message)
        return 0

    cdef int settle(self) except -1:
        cdef Frames half
        self.held_bytes = len(self.head)
        for half in (self.half0, self.half1):
            self.held_bytes += half.message.capacity + (CODING_BYTES if half.inflater is not None else 0)
        return 0
