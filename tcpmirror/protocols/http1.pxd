from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.framing cimport FramingKind
from tcpmirror.protocols.half cimport Half, HalfEvent, HalfState
from tcpmirror.protocols.pairing cimport Entry, Pairing


cdef enum Handover:
    STAYS = 0
    TO_HTTP2 = 1        # the client's preface began
    TO_H2C = 2          # 101 to `Upgrade: h2c`
    TO_WEBSOCKET = 3    # 101 to `Upgrade: websocket`
    TO_TUNNEL = 4       # CONNECT was answered: anything may follow


cdef class Http1Factory(ExchangeFactory):
    pass


cdef class Http1Connection(StreamSink):
    cdef ExchangeFactory factory
    cdef FlowInfo flow
    cdef Pairing pairing
    cdef Half half0
    cdef Half half1
    cdef Half client        # one of the two, or None while the roles are not known
    cdef Half server
    cdef uint64_t begun     # messages that began on the flow
    cdef uint64_t now_ns    # packet time of what is being read
    cdef uint64_t idle_ns   # packet time since which no response is in progress
    cdef uint64_t asked_ns  # packet time of the last request byte or loss
    cdef public unsigned int index
    cdef bint may_hand_over # somebody takes the connection on when it leaves HTTP/1
    cdef Handover handover  # why it did
    cdef Py_ssize_t rest    # bytes at the end of the last `data` that were not read then
    cdef Response answered  # the 101 that ended HTTP/1
    cdef Request asked      # its request, if that was seen
    cdef object watched     # Readings that want the client's next bytes, or None
    cdef bint is_endless    # the response in progress is an event stream
    cdef bint is_told       # it was emitted before its end
    cdef bint is_cut_off    # the flow ended without FIN: its last bytes may be missing
    cdef bint is_tunnel     # a CONNECT was answered; what follows may be HTTP or anything
    cdef inline Half half(self, int side)
    cdef int take_roles(self, Half client, Half server) except -1
    cdef int lost(self, Half half, uint64_t length, uint64_t left, HalfState before, uint64_t time_ns) except -1
    cdef int watch(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef int settle_readings(self, Entry entry) except -1
    cdef int take_event(self, Half half, HalfEvent event) except -1
    cdef int count(self, Half half) except -1
    cdef int role_came_late(self, Half half) except -1
    cdef int message_began(self, Half half) except -1
    cdef bint is_quiet(self)
    cdef bint is_even(self)
    cdef int message_dropped(self, Half half) except -1
    cdef int head_whole(self, Half half) except -1
    cdef int request_head(self, Half half) except -1
    cdef int response_head(self, Half half) except -1
    cdef int open_body(self, Half half, FramingKind kind) except -1
    cdef int message_whole(self, Half half) except -1
    cdef int request_whole(self, Half half) except -1
    cdef int response_whole(self, Half half) except -1
    cdef int cut(self, Half half, uint64_t anomalies) except -1
    cdef bytes mend(self, Half half)
    cdef int tell_endless(self) except -1
    cdef int told_whole(self, Half half) except -1
    cdef bint takes_over(self, Request asked, Half half)
    cdef int leave_http(self) except -1
    cdef Handover upgrade(self)
    cdef int hand_over(self, Handover to) except -1
    cdef int release(self, uint64_t anomaly) except -1
    cdef int settle(self, Half half) except -1
    cdef int emit_finished(self) except -1
    cdef int emit_entry(self, Entry entry) except -1
