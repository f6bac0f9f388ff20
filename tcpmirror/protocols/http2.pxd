from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.protocols.http2_streams cimport Http2Streams
from tcpmirror.protocols.websocket cimport WebSocketConnection


cdef class Http2Connection(Http2Streams):
    cdef set promises                # streams that the server opened: not looked at
    cdef bint may_be_wrong           # it is a guess that this is HTTP/2: no preface and no header block was read
    cdef bint is_refuted             # a wrong one
    cdef Py_ssize_t rest             # bytes at the end of the last `data` that were not read then
    cdef bytes held_rest             # of what was held back and refuted the guess before its end: what was not read
    cdef void doubt(self) noexcept
    cdef void after_request_line(self) noexcept
    cdef int consume(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1
    cdef int found(self, int side, uint64_t time_ns) except -1
    cdef bint is_left_out(self, int side) noexcept
    cdef int take_last(self, int side, uint64_t time_ns) except -1
    cdef int broken(self, int side) except -1
    cdef int lose_sync(self, int side) except -1
    cdef int tunnel_content(self, int side, WebSocketConnection tunnel, bint is_whole) except -1
    cdef int content(self, int side, bint is_whole) except -1
    cdef int frame(self, int side) except -1
    cdef int take_block(self, int side) except -1
    cdef int take_fields(self, int side, list fields, uint64_t anomalies) except -1
    cdef int learn_roles(self, int side, list fields) except -1
