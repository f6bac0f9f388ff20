# cython: language_level=3, boundscheck=False, wraparound=False
"""Http2Half: one direction of HTTP/2, from its frames to the fields of a header block (RFC 9113, sections 4.3 and 6.10)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from tcpmirror.protocols.buffer cimport buffer_append, buffer_clear, buffer_free
from tcpmirror.protocols.frames cimport (
    FLAG_END_HEADERS, FLAG_END_STREAM, FLAG_PADDED, FLAG_PRIORITY, HEADERS, PUSH_PROMISE, FrameReader)
from tcpmirror.protocols.hpack cimport HeaderDecoder

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t INCOMPLETE = 1 << Anomaly.INCOMPLETE
cdef uint64_t HEAD_LIMIT = 1 << Anomaly.HEAD_LIMIT
cdef uint64_t BAD_FRAME = 1 << Anomaly.BAD_FRAME
cdef uint64_t BAD_HPACK = 1 << Anomaly.BAD_HPACK
cdef uint64_t CONTINUATION_FLOOD = 1 << Anomaly.CONTINUATION_FLOOD

cdef enum:
    BLOCK_PARTS = 64          # frames of one header block that are read; 64 KiB in usual frames take 4


cdef class Http2Half:
    """Its frames, its header compression, the header block in progress. *head_limit*: bytes of a block that are kept."""

    def __init__(self, Py_ssize_t head_limit, bint is_joined):
        self.head_limit = head_limit
        self.reader = FrameReader(head_limit)
        self.headers = HeaderDecoder(is_joined)

    def __dealloc__(self):
        buffer_free(&self.block)

    cdef bint begin_block(self) except? True:
        """Take a HEADERS or PUSH_PROMISE frame without padding, priority and promise (sections 6.2 and 6.6); True: it is all."""
        cdef FrameReader reader = self.reader
        cdef const uint8_t* data = reader.payload
        cdef Py_ssize_t size = reader.payload_size
        cdef Py_ssize_t front = 0, padding = 0
        self.block_stream = reader.stream
        self.block_ns = reader.begin_ns
        self.block_parts = 0
        self.block_anomalies = 0
        self.promised = 0
        self.ends_stream = reader.type == HEADERS and reader.flags & FLAG_END_STREAM
        if reader.flags & FLAG_PADDED and size:
            padding = data[0]
            front = 1
        if reader.type == PUSH_PROMISE:
            if size >= front + 4:
                self.promised = (<uint32_t>(data[front] & 0x7F) << 24 | <uint32_t>data[front + 1] << 16
                                 | <uint32_t>data[front + 2] << 8 | data[front + 3])
            front += 4
        elif reader.flags & FLAG_PRIORITY:
            front += 5
        if reader.is_cut:
            padding = 0
            self.block_anomalies |= HEAD_LIMIT | INCOMPLETE
        if front + padding > size:
            self.block_anomalies |= BAD_FRAME
            padding = 0
            front = min(front, size)
        return self.add_to_block(data + front, size - front - padding, reader.flags & FLAG_END_HEADERS)

    cdef bint add_to_block(self, const uint8_t* data, Py_ssize_t size, bint is_last) except? True:
        """Add a part to the header block, which is cut where it grows too large; True: it is whole, for `read_block`."""
        cdef Py_ssize_t room = self.head_limit - self.block.size
        self.block_parts += 1
        if self.block_parts > BLOCK_PARTS or size > room:
            self.block_anomalies |= CONTINUATION_FLOOD
            size = 0 if self.block_parts > BLOCK_PARTS else room
        if is_last and self.block.size == 0:
            self.block_data = data
            self.block_size = size
            return True
        buffer_append(&self.block, data, size)
        self.block_data = self.block.data
        self.block_size = self.block.size
        return is_last

    cdef void drop_block(self) noexcept:
        """Give up the header block in progress."""
        if self.block_stream:
            self.block_stream = 0
            self.headers.lose()
        buffer_clear(&self.block)

    cdef list read_block(self):
        """Return the fields of the block that is whole; `block_anomalies` has what is odd about it."""
        cdef list fields = self.headers.decode(self.block_data, self.block_size, self.head_limit)
        cdef bint is_cut = self.block_anomalies & (CONTINUATION_FLOOD | HEAD_LIMIT) != 0
        self.block_anomalies |= self.seen_anomalies | self.headers.anomalies
        self.seen_anomalies = 0
        if is_cut:  # the table moved on with what was left out
            self.block_anomalies |= HEAD_LIMIT
            self.block_anomalies &= ~BAD_HPACK
            self.headers.lose()
        buffer_clear(&self.block)
        return fields
