from libc.stdint cimport uint8_t, uint32_t, uint64_t

from tcpmirror.model.exchange cimport Message, Request, Response
from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.bodies cimport Body
from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.frames cimport FrameReader
from tcpmirror.protocols.hpack cimport HeaderDecoder
from tcpmirror.protocols.websocket cimport WebSocketConnection


cdef class Stream:
    cdef uint32_t number
    cdef Request request             # None: it was not seen
    cdef Response response
    cdef Body request_body
    cdef Body response_body
    cdef uint64_t anomalies
    cdef uint64_t asked_ns           # packet time at which the request was whole
    cdef Py_ssize_t held
    cdef bint is_request_whole
    cdef bint is_response_whole
    cdef bint is_websocket           # an extended CONNECT asks for one (RFC 8441)


cdef class Half2:
    cdef FrameReader reader
    cdef HeaderDecoder headers
    cdef ByteBuffer block            # the parts of a header block that goes on in CONTINUATION frames
    cdef Py_ssize_t block_parts
    cdef uint32_t block_stream       # 0: no block is open
    cdef uint32_t promised           # the stream that the open block promises, or 0
    cdef uint64_t block_ns
    cdef uint64_t block_anomalies
    cdef uint64_t seen_anomalies     # to be put on the next message
    cdef uint32_t highest            # stream that was opened
    cdef Py_ssize_t resyncs
    cdef bint ends_stream
    cdef bint has_ended


cdef class Http2Connection(StreamSink):
    cdef ExchangeFactory factory
    cdef FlowInfo flow
    cdef Half2 half0
    cdef Half2 half1
    cdef dict streams                # number -> Stream, oldest first
    cdef dict waiting                # of them those whose request is whole and whose response did not begin
    cdef dict endless                # those whose response is an event stream
    cdef dict tunnels                # number -> WebSocketConnection of an extended CONNECT that was granted
    cdef set promises                # streams that the server opened: not looked at
    cdef Py_ssize_t stream_limit
    cdef Py_ssize_t head_limit
    cdef Py_ssize_t stream_bytes     # held by streams
    cdef uint64_t requests
    cdef uint64_t resets             # of requests that were not answered yet
    cdef uint64_t now_ns
    cdef public unsigned int index
    cdef int client_side             # 0 or 1
    cdef bint are_roles_known
    cdef bint may_be_wrong           # it is a guess that this is HTTP/2: no preface and no header block was read
    cdef bint is_refuted             # a wrong one
    cdef Py_ssize_t rest             # bytes at the end of the last `data` that were not read then
    cdef bytes held_rest             # of what was held back and refuted the guess before its end: what was not read
    cdef void doubt(self) noexcept
    cdef inline Half2 half(self, int side)
    cdef int begin_upgraded(self, Request request, unsigned int index) except -1
    cdef void after_request_line(self) noexcept
    cdef int consume(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1
    cdef int found(self, int side, uint64_t time_ns) except -1
    cdef int take_last(self, int side, uint64_t time_ns) except -1
    cdef int broken(self, int side) except -1
    cdef int lose_sync(self, int side) except -1
    cdef int mark(self, int side, uint64_t anomalies) except -1
    cdef int open_tunnel(self, Stream stream) except -1
    cdef int tunnel_content(self, int side, WebSocketConnection tunnel, bint is_whole) except -1
    cdef int content(self, int side, bint is_whole) except -1
    cdef int frame(self, int side) except -1
    cdef int begin_block(self, int side) except -1
    cdef int add_to_block(self, int side, const uint8_t* data, Py_ssize_t size, bint is_last) except -1
    cdef int drop_block(self, int side) except -1
    cdef int take_block(self, int side, const uint8_t* data, Py_ssize_t size) except -1
    cdef int take_fields(self, int side, list fields, uint64_t anomalies) except -1
    cdef int learn_roles(self, int side, list fields) except -1
    cdef int request_fields(self, int side, list fields, uint64_t anomalies) except -1
    cdef int response_fields(self, int side, list fields, uint64_t anomalies) except -1
    cdef Stream open_stream(self, uint32_t number)
    cdef int request_whole(self, Stream stream) except -1
    cdef int response_whole(self, Stream stream) except -1
    cdef int reset(self, int side, uint32_t number) except -1
    cdef int finish_stream(self, Stream stream, uint64_t missing) except -1
    cdef int finish_body(self, Message message, Body body) except -1
    cdef Body body_of(self, Message message)
    cdef int weigh(self, Stream stream) except -1
    cdef Stream next_due(self)
    cdef int settle(self) except -1
