from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.exchange cimport Message
from tcpmirror.protocols.bodies cimport Body
from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.framing cimport Framing, FramingKind
from tcpmirror.protocols.head cimport Head, Role
from tcpmirror.protocols.evidence cimport Entry


cdef enum HalfState:
    AT_START = 0     # a start line is due
    IN_HEAD = 1
    IN_BODY = 2
    HUNTING = 3      # looking for the next start line
    CLOSED = 4       # no more HTTP/1 on this side; bytes are only counted


cdef enum HalfEvent:
    WANTS_DATA = 0
    MESSAGE_BEGAN = 1    # its first byte
    HEAD_WHOLE = 2       # `head` is filled; the owner answers with `open_body`, `pass_over` or `close`
    MESSAGE_WHOLE = 3
    MESSAGE_DROPPED = 4  # what began was no message
    NOT_HTTP_HERE = 5    # nothing like HTTP/1 in HUNTED_LIMIT bytes


cdef class Half:
    cdef Role role
    cdef HalfState state
    cdef ByteBuffer buffer
    cdef Head head
    cdef const uint8_t* head_data
    cdef Py_ssize_t head_size
    cdef Framing framing
    cdef Body body
    cdef Message message
    cdef Entry entry
    cdef Entry loss                  # lost bytes behind which nothing came yet
    cdef uint64_t order
    cdef uint64_t begin_ns
    cdef uint64_t end_ns
    cdef uint64_t line_ns            # when the first byte of `buffer` came
    cdef uint64_t recent_ns          # when its last ones came, from `recent_at` on
    cdef Py_ssize_t recent_at
    cdef uint64_t anomalies          # of the message in progress, or of the next one
    cdef uint64_t skipped            # bytes that belong to no message, not yet counted by the owner
    cdef uint64_t faults             # start lines and chunks that were none, heads too long; not yet counted by the owner
    cdef Py_ssize_t hunted
    cdef Py_ssize_t head_limit
    cdef Py_ssize_t hunt_limit
    cdef Py_ssize_t header_limit
    cdef Py_ssize_t line_size
    cdef bint is_lone_cr             # the current header line is a CR so far
    cdef bint has_start_line
    cdef bint has_whole_line         # `buffer` ends with the line end of a line not looked at yet
    cdef bint is_line_start
    cdef bint is_joined              # the flow was joined after its start
    cdef bint had_message
    cdef bint has_ended
    cdef bint is_upgrading           # the message in progress takes the connection out of HTTP/1
    cdef HalfEvent advance(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? WANTS_DATA
    cdef bint skip(self, uint64_t length) noexcept
    cdef bint can_cut_head(self) noexcept
    cdef void open_body(self, FramingKind kind, tuple codings) noexcept
    cdef void pass_over(self) noexcept
    cdef void hunt(self) noexcept
    cdef void close(self) noexcept
    cdef Py_ssize_t held(self) noexcept
    cdef inline bint is_in_message(self) noexcept:
        return self.state == IN_HEAD or self.state == IN_BODY
    cdef HalfEvent start(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) noexcept
    cdef HalfEvent body_step(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? WANTS_DATA
    cdef HalfEvent head_step(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? WANTS_DATA
    cdef HalfEvent start_line_step(
        self, const uint8_t** data, Py_ssize_t* size, Py_ssize_t* at, uint64_t time_ns) except? WANTS_DATA
    cdef int hold(self, const uint8_t* data, Py_ssize_t size, uint64_t time_ns) except -1
    cdef inline uint64_t time_at(self, Py_ssize_t at) noexcept:
        return self.line_ns if at < self.recent_at else self.recent_ns
    cdef bint is_start_line(self, const uint8_t* line, Py_ssize_t size) noexcept
    cdef HalfEvent drop(self) noexcept
    cdef Py_ssize_t find_head_end(self, const uint8_t* data, Py_ssize_t at, Py_ssize_t size) noexcept
    cdef inline bint head_limit_reached(self) noexcept:
        return self.buffer.size >= self.head_limit
    cdef bint is_plausible(self, const uint8_t* data, Py_ssize_t size) noexcept
    cdef HalfEvent head_limit_step(self) noexcept
    cdef HalfEvent hunt_step(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? WANTS_DATA
    cdef void drop_held(self, Py_ssize_t size) noexcept
    cdef int hunt_in_part(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except -1
    cdef HalfEvent begin_found(self, uint64_t time_ns) noexcept
    cdef HalfEvent not_found(self, Py_ssize_t size) noexcept
