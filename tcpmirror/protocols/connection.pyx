# cython: language_level=3, boundscheck=False, wraparound=False
"""Connection: finds out from its first bytes what a flow speaks, and hands it on where the protocol changes.

HTTP/2 is known by the preface or, where that was not seen, by a frame header that few other bytes can be; TLS by its record
header; all else goes to HTTP/1. The bytes that decide are kept until they do (24 at most a side) and lose nothing. Protocols
change after 101 Switching Protocols, inside a CONNECT tunnel, and where an HTTP/2 preface follows HTTP/1.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.frames cimport FRAME_HEADER_SIZE, REQUEST_LINE_SIZE, can_be_frame, is_preface
from tcpmirror.protocols.http1 cimport STAYS, TO_HTTP2, TO_TUNNEL, TO_WEBSOCKET, Handover, Http1Connection
from tcpmirror.protocols.http2 cimport Http2Connection
from tcpmirror.protocols.tls cimport TlsConnection
from tcpmirror.protocols.websocket cimport WebSocketConnection

from collections import deque

cdef enum:
    HELLOS_KEPT = 1024   # the last of them, for those who ask what is encrypted here


cdef Choice choice_of(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Return what a direction speaks that begins with *data*, one byte at least."""
    if data[0] == c"P":
        if not is_preface(data, min(size, REQUEST_LINE_SIZE)):  # what decides must not depend on how much came at once
            return IS_HTTP1
        return IS_HTTP2 if size >= REQUEST_LINE_SIZE else UNDECIDED
    if data[0] == 0:
        if size < FRAME_HEADER_SIZE:
            return UNDECIDED
        return MAY_BE_HTTP2 if can_be_frame(data) else IS_HTTP1
    if 0x14 <= data[0] <= 0x17:  # a TLS record (RFC 8446, section 5.1)
        if (size > 1 and data[1] != 3) or (size > 2 and data[2] > 4):
            return IS_HTTP1
        return IS_TLS if size >= 3 else UNDECIDED
    return IS_HTTP1


cdef class ProtocolFactory(ExchangeFactory):
    """Makes the connections of one worker, TLS ones with the secrets of *decryption*, if that is given.

    ``hellos``: (server, ClientHello) of the last TLS flows.
    """

    def __init__(self, emit, limits, *, unsigned long long response_timeout_ns, bint parse_responses=True,
                 bint hash_bodies=False, decryption=None):
        ExchangeFactory.__init__(self, emit, limits, response_timeout_ns=response_timeout_ns, parse_responses=parse_responses,
                                 hash_bodies=hash_bodies)
        self.decryption = decryption
        self.hellos = deque(maxlen=HELLOS_KEPT)

    cdef StreamSink open(self, FlowInfo flow):
        return Connection(self, flow)


cdef class Connection(StreamSink):
    def __init__(self, ProtocolFactory factory, FlowInfo flow):
        self.factory = factory
        self.flow = flow

    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        if self.reader is None:
            return self.choose(side, data, length, time_ns)
        if self.tls is not None and length and side == 1 - self.tls.client_side:
            self.believe(data[0])
        self.reader.data(side, data, length, time_ns)
        if self.http1 is not None and self.http1.handover != STAYS:
            return self.take_over(side, data + (length - self.http1.rest), self.http1.rest, time_ns)
        if self.http2 is not None and not self.http2.may_be_wrong:
            return self.keep_or_drop_http2(side, data, length, time_ns)
        self.deadline_ns = self.reader.deadline_ns
        self.held_bytes = self.reader.held_bytes
        return 0

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        self.decide(IS_HTTP1)
        self.reader.gap(side, length, time_ns)
        if self.http1 is not None and self.http1.handover != STAYS:
            self.take_over(side, NULL, 0, time_ns)
            self.decide(IS_HTTP1)
            self.reader.gap(side, length, time_ns)
        elif self.http2 is not None and not self.http2.may_be_wrong:
            return self.keep_or_drop_http2(side, NULL, 0, time_ns)
        return self.settle()

    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1:
        self.decide(IS_HTTP1)
        self.reader.end(side, how, time_ns)
        if self.http1 is not None:
            self.http1.handover = STAYS
            self.http1.may_hand_over = False
        return self.settle()

    cdef int tick(self, uint64_t now_ns) except -1:
        if self.reader is None:
            return 0
        self.reader.tick(now_ns)
        return self.settle()

    cdef int shed(self) except -1:
        if self.reader is None:
            return 0
        self.reader.shed()
        self.held_bytes = self.reader.held_bytes
        return 0

    cdef int choose(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        """Look at the first bytes of a side; keep them while they may be more than one thing."""
        cdef Choice choice
        cdef bytes seen
        if length == 0:
            return 0
        seen = self.opening1 if side else self.opening0
        if seen is None:
            choice = choice_of(data, length)
        else:
            seen += PyBytes_FromStringAndSize(<const char*>data, length)
            choice = choice_of(<const uint8_t*>PyBytes_AS_STRING(seen), len(seen))
        if choice != UNDECIDED:
            self.decide(choice)
            return self.data(side, data, length, time_ns)
        chunk = PyBytes_FromStringAndSize(<const char*>data, length)
        if seen is None:
            seen = chunk
        if side:
            self.opening1 = seen
        else:
            self.opening0 = seen
        if self.opening is None:
            self.opening = []
        self.opening.append((side, chunk, time_ns))
        return 0

    cdef int decide(self, Choice choice) except -1:
        """Make the reader, unless there is one, and give it what was kept."""
        cdef list opening = self.opening
        cdef bytes chunk
        if self.reader is not None:
            return 0
        if choice == IS_HTTP2:
            self.reader = self.open_http2(False)
        elif choice == MAY_BE_HTTP2:
            self.reader = self.http2 = self.open_http2(not self.flow.is_client_known and self.tunnel is None)
            self.http2.doubt()
        elif choice == IS_TLS:
            if self.tunnel is not None:
                self.flow.first_index = self.tunnel.index
            self.reader = self.tls = TlsConnection(self.factory, self.flow, self.factory.hellos)
        elif self.tunnel is not None:
            self.reader = self.http1 = self.tunnel
        else:
            self.reader = self.http1 = Http1Connection(self.factory, self.flow)
            self.http1.may_hand_over = True
        if self.tunnel is not None and self.http1 is None:
            self.tunnel.leave_http()
        self.tunnel = None
        self.opening = self.opening0 = self.opening1 = None
        if opening is not None:
            for side, chunk, time_ns in opening:
                self.data(side, <const uint8_t*>PyBytes_AS_STRING(chunk), len(chunk), time_ns)
        return 0

    cdef Http2Connection open_http2(self, bint is_joined):
        """Return an HTTP/2 reader that goes on where `tunnel`, if there is one, stopped."""
        cdef Http2Connection http2 = Http2Connection(self.factory, self.flow, is_joined)
        if self.tunnel is not None:
            http2.client_side = 1 if self.tunnel.client is self.tunnel.half1 else 0
            http2.are_roles_known = True
            http2.index = self.tunnel.index
        return http2

    cdef int believe(self, uint8_t first) except -1:
        """The first byte of a server tells whether it took what looked like TLS for that: HTTP servers answer 400 in clear."""
        self.tls = None
        if first == c"H":
            self.reader = self.http1 = Http1Connection(self.factory, self.flow)
            self.http1.may_hand_over = True
        return 0

    cdef int keep_or_drop_http2(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        """Trust a guess that a header block bore out; after one that failed go on with HTTP/1, which looks for a start line."""
        cdef Http2Connection http2 = self.http2
        self.http2 = None
        if not http2.is_refuted:
            return self.settle()
        self.reader = self.http1 = Http1Connection(self.factory, self.flow)
        self.http1.may_hand_over = True
        if http2.held_rest is not None:
            self.data(side, <const uint8_t*>PyBytes_AS_STRING(http2.held_rest), len(http2.held_rest), time_ns)
        return self.data(side, data + (length - http2.rest), http2.rest, time_ns)

    cdef int take_over(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        """Go on with what HTTP/1 led to; *data* is what it left."""
        cdef Http1Connection http1 = self.http1
        cdef Handover to = http1.handover
        cdef Http2Connection http2
        cdef WebSocketConnection websocket
        http1.handover = STAYS
        http1.may_hand_over = False
        self.http1 = None
        self.reader = None
        self.tunnel = http1
        if to == TO_TUNNEL:
            self.deadline_ns = 0
            return self.choose(side, data, length, time_ns)
        self.tunnel = None
        if to == TO_WEBSOCKET:
            self.reader = websocket = WebSocketConnection(
                self.factory, self.flow, 1 if http1.client is http1.half1 else 0, http1.asked, http1.answered)
            websocket.index = http1.index
            return self.data(side, data, length, time_ns)
        self.tunnel = http1
        self.reader = http2 = self.open_http2(False)
        self.tunnel = None
        if to == TO_HTTP2:
            http2.after_request_line()
        else:
            http2.begin_upgraded(http1.asked, http1.index)
        if length:
            return self.data(side, data, length, time_ns)
        return self.settle()

    cdef int settle(self) except -1:
        self.deadline_ns = self.reader.deadline_ns
        self.held_bytes = self.reader.held_bytes
        return 0
