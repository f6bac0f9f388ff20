from libc.stdint cimport uint8_t, uint32_t, uint64_t

from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.frames cimport FrameReader
from tcpmirror.protocols.hpack cimport HeaderDecoder


cdef class Http2Half:
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
    cdef Py_ssize_t head_limit
    cdef const uint8_t* block_data   # of a block that is whole: where it lies until the next frame
    cdef Py_ssize_t block_size
    cdef bint begin_block(self) except? True
    cdef bint add_to_block(self, const uint8_t* data, Py_ssize_t size, bint is_last) except? True
    cdef void drop_block(self) noexcept
    cdef list read_block(self)
