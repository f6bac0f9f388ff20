from libc.stdint cimport uint32_t, uint64_t

from tcpmirror.model.exchange cimport Message, Request, Response
from tcpmirror.model.stream cimport FlowInfo
from tcpmirror.protocols.bodies cimport Body
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.http2_half cimport Http2Half
from tcpmirror.protocols.timed_sink cimport TimedSink


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


cdef class Http2Streams(TimedSink):
    cdef ExchangeFactory factory
    cdef FlowInfo flow
    cdef Http2Half half0
    cdef Http2Half half1
    cdef dict streams                # number -> Stream, oldest first
    cdef dict waiting                # of them those whose request is whole and whose response did not begin
    cdef dict endless                # those whose response is an event stream
    cdef dict tunnels                # number -> WebSocketConnection of an extended CONNECT that was granted
    cdef Py_ssize_t stream_limit
    cdef Py_ssize_t stream_bytes     # held by streams
    cdef uint64_t requests
    cdef uint64_t resets             # of requests that were not answered yet
    cdef public unsigned int index
    cdef int client_side             # 0 or 1
    cdef bint are_roles_known
    cdef inline Http2Half half(self, int side):
        return self.half1 if side else self.half0
    cdef int begin_upgraded(self, Request request, unsigned int index) except -1
    cdef int mark(self, int side, uint64_t anomalies) except -1
    cdef int open_tunnel(self, Stream stream) except -1
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
