# cython: language_level=3, boundscheck=False, wraparound=False
"""Watched flows: the connections of the sensor, and for each what its bytes turned out to be.

Nothing is guessed here. What a flow is follows from what the sensor's own counters did while it had the flow's bytes.
"""
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.connection cimport ProtocolFactory

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t DECRYPTED = 1ULL << Anomaly.DECRYPTED

HTTP1, HTTP2, WEBSOCKET, TLS, UNKNOWN = "HTTP/1", "HTTP/2", "WebSocket", "TLS", "unknown"


cdef class WatchedFactory(ProtocolFactory):
    """Makes connections that are watched; what is learnt of them is for a subclass."""
    cdef int server_port  # of the last exchange of the flow whose bytes are being read, where that is asked for; 0: none

    cdef StreamSink open(self, FlowInfo flow):
        if flow.anomalies & DECRYPTED:  # what is inside TLS is no flow of its own
            return ProtocolFactory.open(self, flow)
        return Watched(self, flow, ProtocolFactory.open(self, flow))

    cdef int speaks(self, Watched flow) except -1:
        """The protocol of *flow* is known, or has changed."""
        return 0

    cdef int asks(self, Watched flow, str name) except -1:
        """The client of *flow*, which speaks TLS, asks for the server *name*."""
        return 0

    cdef int over(self, Watched flow) except -1:
        """Both directions of *flow* have ended."""
        return 0


cdef class CensusFactory(WatchedFactory):
    """Counts flows by protocol into *census*, a `Census`, as soon as that is known; one that changes it counts for each.

    What remains unknown counts when it is over. What *emit* gets is that of a `ProtocolFactory`.
    """
    cdef readonly object census

    def __init__(self, emit, census, limits, *, unsigned long long response_timeout_ns, bint parse_responses=True,
                 decryption=None):
        ProtocolFactory.__init__(self, emit, limits, response_timeout_ns=response_timeout_ns, parse_responses=parse_responses,
                                 decryption=decryption)
        self.census = census

    cdef int speaks(self, Watched flow) except -1:
        self.census.count(flow.place(), flow.protocol)
        return 0

    cdef int over(self, Watched flow) except -1:
        if flow.protocol is UNKNOWN and (flow.has_data0 or flow.has_data1):
            self.census.count(flow.place(), UNKNOWN)
        return 0

    cdef int asks(self, Watched flow, str name) except -1:
        self.census.name(flow.place(), name)
        return 0


cdef class SurveyFactory(WatchedFactory):
    """*note* is called with each flow that is over: (`FlowInfo`, protocol, server port, which
    of the client and the server sent data, TLS server names). *emit* is the survey's own; exchanges pass through here.
    """
    cdef object note
    cdef object keep

    def __init__(self, emit, note, limits, *, unsigned long long response_timeout_ns, bint parse_responses=True,
                 decryption=None):
        ProtocolFactory.__init__(self, self.take, limits, response_timeout_ns=response_timeout_ns, parse_responses=parse_responses,
                                 decryption=decryption)
        self.keep = emit
        self.note = note

    def take(self, exchange):
        """Note which end answered, and hand the exchange on."""
        self.server_port = exchange.server_port
        self.keep(exchange)

    cdef int over(self, Watched flow) except -1:
        is_turned = flow.server_port == flow.flow.client_port != flow.flow.server_port
        spoke = (flow.has_data1, flow.has_data0) if is_turned else (flow.has_data0, flow.has_data1)
        self.note(flow.flow, flow.protocol, flow.server_port, spoke, flow.names)
        return 0


cdef class Watched(StreamSink):
    """One connection."""
    cdef WatchedFactory factory
    cdef FlowInfo flow
    cdef StreamSink inner
    cdef str protocol
    cdef int server_port
    cdef bint has_data0, has_data1, is_ended0, is_ended1
    cdef list names
    cdef uint64_t exchanges, http2_flows, websocket_flows, tls_flows

    def __init__(self, WatchedFactory factory, FlowInfo flow, StreamSink inner):
        self.factory = factory
        self.flow = flow
        self.inner = inner
        self.protocol = UNKNOWN
        self.server_port = flow.server_port
        self.names = []

    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        if side:
            self.has_data1 = True
        else:
            self.has_data0 = True
        self.begin()
        self.inner.data(side, data, length, time_ns)
        return self.learn()

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        self.begin()
        self.inner.gap(side, length, time_ns)
        return self.learn()

    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1:
        self.begin()
        self.inner.end(side, how, time_ns)
        self.learn()
        if side:
            self.is_ended1 = True
        else:
            self.is_ended0 = True
        if self.is_ended0 and self.is_ended1:
            self.factory.over(self)
        return 0

    cdef int tick(self, uint64_t now_ns) except -1:
        self.begin()
        self.inner.tick(now_ns)
        return self.learn()

    cdef void begin(self) noexcept:
        """Remember where the counters stand."""
        self.exchanges = self.factory.exchanges
        self.http2_flows = self.factory.http2_flows
        self.websocket_flows = self.factory.websocket_flows
        self.tls_flows = self.factory.tls_flows
        self.factory.server_port = 0

    cdef int learn(self) except -1:
        """Take what the counters say since `begin` as said of this flow."""
        cdef WatchedFactory factory = self.factory
        cdef str before = self.protocol
        self.deadline_ns = self.inner.deadline_ns
        self.held_bytes = self.inner.held_bytes
        if factory.tls_flows != self.tls_flows:
            self.protocol = TLS
        elif not self.flow.anomalies & DECRYPTED:
            if factory.exchanges != self.exchanges and self.protocol is not HTTP2:
                self.protocol = HTTP1
            if factory.http2_flows != self.http2_flows:
                self.protocol = HTTP2
            if factory.websocket_flows != self.websocket_flows:
                self.protocol = WEBSOCKET
        if factory.server_port:
            self.server_port = factory.server_port
        if factory.hellos:
            for _, hello in factory.hellos:
                if hello.sni:
                    self.names.append(hello.sni)
                    factory.asks(self, hello.sni)
            factory.hellos.clear()
        if self.protocol is not before:
            factory.speaks(self)
        return 0

    cdef tuple place(self):
        """Return source, VLAN, inner VLAN and VNI."""
        return (self.flow.source, self.flow.vlan, self.flow.inner_vlan, self.flow.vni)
