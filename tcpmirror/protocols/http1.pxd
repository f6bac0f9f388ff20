from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Request
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.framing cimport FramingKind
from tcpmirror.protocols.half cimport Half, HalfEvent
from tcpmirror.protocols.http1_exchanges cimport Http1Exchanges


cdef enum Handover:
    STAYS = 0
    TO_HTTP2 = 1        # the client's preface began
    TO_H2C = 2          # 101 to `Upgrade: h2c`
    TO_WEBSOCKET = 3    # 101 to `Upgrade: websocket`
    TO_TUNNEL = 4       # CONNECT was answered: anything may follow


cdef class Http1Factory(ExchangeFactory):
    pass


cdef class Http1Connection(Http1Exchanges):
    cdef bint may_hand_over # somebody takes the connection on when it leaves HTTP/1
    cdef Handover handover  # why it did
    cdef Py_ssize_t rest    # bytes at the end of the last `data` that were not read then
    cdef bint is_told       # it was emitted before its end
    cdef bint is_tunnel     # a CONNECT was answered; what follows may be HTTP or anything
    cdef int take_roles(self, Half client, Half server) except -1
    cdef int take_event(self, Half half, HalfEvent event) except -1
    cdef int role_came_late(self, Half half) except -1
    cdef int message_began(self, Half half) except -1
    cdef int message_dropped(self, Half half) except -1
    cdef int head_whole(self, Half half) except -1
    cdef int request_head(self, Half half) except -1
    cdef int response_head(self, Half half) except -1
    cdef int open_body(self, Half half, FramingKind kind) except -1
    cdef int message_whole(self, Half half) except -1
    cdef int request_whole(self, Half half) except -1
    cdef int response_whole(self, Half half) except -1
    cdef int cut(self, Half half, uint64_t anomalies) except -1
    cdef int tell_endless(self) except -1
    cdef int told_whole(self, Half half) except -1
    cdef bint takes_over(self, Request asked, Half half)
    cdef int leave_http(self) except -1
    cdef Handover upgrade(self)
    cdef int hand_over(self, Handover to) except -1
