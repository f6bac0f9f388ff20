from libc.stdint cimport int64_t, uint8_t, uint64_t

from tcpmirror.protocols.bodies cimport Body

cdef enum FramingKind:
    BODY_NONE = 0
    BODY_LENGTH = 1
    BODY_CHUNKED = 2
    BODY_UNTIL_CLOSE = 3


cdef enum ChunkStep:
    CHUNK_SIZE = 0        # before or inside the hexadecimal digits
    CHUNK_EXTENSION = 1   # the rest of the size line
    CHUNK_DATA = 2
    CHUNK_DATA_END = 3    # the line end after the data
    CHUNK_TRAILER = 4


cdef enum Progress:
    BODY_MORE = 0
    BODY_DONE = 1
    BODY_BROKEN = 2       # what came is no chunk


cdef struct Framing:
    FramingKind kind
    ChunkStep step
    int64_t left          # bytes to come of the body (BODY_LENGTH) or the chunk
    bint has_digits       # a hexadecimal digit of the chunk size was read
    Py_ssize_t line_size  # bytes of the current trailer line, without its line end; of a size line: 1 if its last is no CR
    bint may_be_plain     # no chunk header was read yet, and the body may turn out not to be chunked at all
    int64_t plain_length  # its length then; negative: until the close
    uint64_t anomalies


cdef void framing_open(Framing* framing, FramingKind kind, int64_t length) noexcept nogil
cdef int framing_advance(Framing* framing, Body body, const uint8_t** data, Py_ssize_t* size) except -1
cdef Progress framing_skip(Framing* framing, Body body, uint64_t length) noexcept
