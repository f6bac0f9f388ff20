from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.factory cimport ExchangeFactory

cdef enum:
    HEADER_LIMIT = 14     # 2 bytes, 8 of length, 4 of mask (RFC 6455, section 5.2)


cdef class Frames:
    cdef uint8_t[HEADER_LIMIT] header
    cdef int filled                  # bytes of the header that came
    cdef int header_size
    cdef uint8_t opcode
    cdef bint is_masked
    cdef uint64_t length             # of the frame's payload
    cdef uint64_t left               # bytes to come of it
    cdef ByteBuffer message          # the data message in progress, unmasked
    cdef uint64_t message_length     # as sent, kept or not
    cdef uint64_t begin_ns
    cdef uint64_t anomalies          # of the message in progress
    cdef bint is_in_payload
    cdef bint is_open                # a data message is in progress
    cdef bint is_compressed          # it is
    cdef bint is_over                # Close came, or the frames can not be told any more
    cdef object inflater             # of permessage-deflate (RFC 7692), or None
    cdef bint may_compress
    cdef bint keeps_context
    cdef bint is_context_lost


cdef class WebSocketConnection(StreamSink):
    cdef ExchangeFactory factory
    cdef FlowInfo flow
    cdef tuple headers               # of the request that stands for every message
    cdef bytes head
    cdef bytes target
    cdef Response answer
    cdef Frames half0
    cdef Frames half1
    cdef int client_side
    cdef Py_ssize_t limit
    cdef public unsigned int index
    cdef inline Frames half(self, int side)
    cdef int read(self, int side, const uint8_t* data, Py_ssize_t size, uint64_t time_ns) except -1
    cdef Py_ssize_t header_bytes(self, Frames half, const uint8_t* data, Py_ssize_t size, uint64_t time_ns) except -1
    cdef int open_frame(self, int side, uint64_t time_ns) except -1
    cdef Py_ssize_t payload_bytes(self, Frames half, const uint8_t* data, Py_ssize_t size) except -1
    cdef int frame_whole(self, int side, uint64_t time_ns) except -1
    cdef int send(self, int side, uint64_t time_ns) except -1
    cdef bytes content(self, Frames half)
    cdef bytes inflate(self, Frames half)
    cdef int give_up(self, int side, uint64_t anomalies) except -1
    cdef int settle(self) except -1
