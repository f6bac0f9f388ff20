from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.factory cimport ExchangeFactory

cdef enum:
    HEADER_LIMIT = 14     # 2 bytes, 8 of length, 4 of mask (RFC 6455, section 5.2)


cdef class Frames:
    cdef uint8_t[HEADER_LIMIT] header
    cdef int filled
    cdef int header_size
    cdef bint is_in_payload
    cdef uint64_t length
    cdef uint64_t left
    cdef uint8_t opcode
    cdef bint is_final
    cdef bint is_compressed
    cdef bint is_masked
    cdef ByteBuffer message          # the data message in progress, unmasked
    cdef uint64_t message_length     # of it as sent
    cdef uint64_t begin_ns
    cdef uint64_t anomalies
    cdef bint is_open                # a data message is in progress
    cdef bint is_text
    cdef bint is_message_compressed
    cdef bint is_closed              # a Close frame came, or the direction is not read any more
    cdef object inflater
    cdef bint takes_over_context


cdef class WebSocketConnection(StreamSink):
    cdef ExchangeFactory factory
    cdef FlowInfo flow
    cdef Request handshake
    cdef Response answer
    cdef Frames client
    cdef Frames server
    cdef int client_side
    cdef Py_ssize_t limit
    cdef public unsigned int index
    cdef inline Frames half(self, int side)
    cdef int header_step(self, Frames half, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except -1
    cdef int open_frame(self, Frames half, uint64_t time_ns) except -1
    cdef int payload_step(self, Frames half, const uint8_t** data, Py_ssize_t* size) except -1
    cdef int frame_whole(self, Frames half, uint64_t time_ns) except -1
    cdef int send(self, Frames half, uint64_t time_ns) except -1
    cdef bytes content(self, Frames half)
    cdef int close(self, Frames half) except -1
    cdef int settle(self) except -1
