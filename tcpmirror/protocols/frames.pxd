from libc.stdint cimport uint8_t, uint32_t, uint64_t

from tcpmirror.protocols.buffer cimport ByteBuffer

cdef enum:
    FRAME_HEADER_SIZE = 9
    PREFACE_SIZE = 24
    REQUEST_LINE_SIZE = 18     # of the preface: what HTTP/1 reads of it, empty line included
    FLAG_END_STREAM = 0x1
    FLAG_END_HEADERS = 0x4
    FLAG_PADDED = 0x8
    FLAG_PRIORITY = 0x20


cdef enum FrameType:
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


cdef enum FrameState:
    IN_HEADER = 0
    IN_PREFACE = 1
    IN_PAYLOAD = 2   # kept until it is whole
    IN_CONTENT = 3   # of a DATA frame, handed on as it comes
    IN_REST = 4      # of a frame that no one reads
    RESYNCING = 5    # looking for the next frame header
    FINISHED = 6


cdef enum FrameEvent:
    FRAME_MORE = 0    # bytes are due
    FRAME_PART = 1    # `part` holds content of a DATA frame
    FRAME_WHOLE = 2   # `payload` holds that of a HEADERS, PUSH_PROMISE or CONTINUATION frame
    FRAME_BROKEN = 3  # what came can be no frame
    FRAME_FOUND = 4   # `buffer` holds bytes that begin with a frame header, to be read before all else


cdef bint can_be_frame(const uint8_t* data) noexcept nogil
cdef bint is_preface(const uint8_t* data, Py_ssize_t size) noexcept nogil


cdef class FrameReader:
    cdef FrameState state
    cdef ByteBuffer buffer
    cdef uint8_t[FRAME_HEADER_SIZE] header
    cdef Py_ssize_t filled            # bytes of `header`, or of the preface, that came
    cdef Py_ssize_t length            # of the frame
    cdef Py_ssize_t left              # bytes to come of it
    cdef Py_ssize_t padding           # bytes at its end that are padding
    cdef Py_ssize_t tried             # offset in `buffer` before which no header was found
    cdef Py_ssize_t payload_limit
    cdef uint8_t type
    cdef uint8_t flags
    cdef uint32_t stream
    cdef const uint8_t* payload
    cdef Py_ssize_t payload_size
    cdef const uint8_t* part
    cdef Py_ssize_t part_size
    cdef uint64_t begin_ns
    cdef uint64_t skipped             # bytes that are in no frame; not yet counted by the owner
    cdef bint is_padding_due
    cdef bint is_strict               # take usual frames only
    cdef bint is_cut                  # bytes of the payload are missing: lost, or beyond the limit
    cdef FrameEvent advance(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? FRAME_MORE
    cdef bint skip(self, uint64_t length) noexcept
    cdef void resync(self) noexcept
    cdef void finish(self) noexcept
    cdef bint take_last(self) noexcept
    cdef void accept(self, Py_ssize_t at) noexcept
    cdef FrameEvent header_step(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) noexcept
    cdef void open_frame(self) noexcept
    cdef FrameEvent preface_step(self, const uint8_t** data, Py_ssize_t* size) noexcept
    cdef FrameEvent payload_step(self, const uint8_t** data, Py_ssize_t* size) except? FRAME_MORE
    cdef FrameEvent content_step(self, const uint8_t** data, Py_ssize_t* size) noexcept
    cdef FrameEvent resync_step(self, const uint8_t** data, Py_ssize_t* size) except? FRAME_MORE
