# cython: language_level=3, boundscheck=False, wraparound=False
"""Surveyed flows: the connections of the sensor, and for each what its bytes turned out to be.

Nothing is guessed here. What a flow is follows from what the sensor's own counters did while it had the flow's bytes.
"""
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.connection cimport ProtocolFactory

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t DECRYPTED = 1ULL << Anomaly.DECRYPTED

HTTP1, HTTP2, WEBSOCKET, TLS, UNKNOWN = "HTTP/1", "HTTP/2", "WebSocket", "TLS", "unknown"


cdef class SurveyFactory(ProtocolFactory):
    """Makes connections that are watched. *note* is called with each flow that is over: (`FlowInfo`, protocol, server port, which
    of the client and the server sent data, TLS server names). *emit* is the survey's own; exchanges pass through here.
    """
    cdef object note
    cdef object keep
    cdef int server_port  # of the last exchange of the flow whose bytes are being read; 0: none

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

    cdef StreamSink open(self, FlowInfo flow):
        if flow.anomalies & DECRYPTED:  # what is inside TLS is no flow of its own
            return ProtocolFactory.open(self, flow)
        return Watched(self, flow, ProtocolFactory.open(self, flow))


cdef class Watched(StreamSink):
    """One connection."""
    cdef SurveyFactory factory
    cdef FlowInfo flow
    cdef StreamSink inner
    cdef str protocol
    cdef int server_port
    cdef bint has_data0, has_data1, is_ended0, is_ended1
    cdef list names
    cdef uint64_t exchanges, http2_flows, websocket_flows, tls_flows

    def __init__(self, SurveyFactory factory, FlowInfo flow, StreamSink inner):
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
            is_turned = self.server_port == self.flow.client_port != self.flow.server_port
            spoke = (self.has_data1, self.has_data0) if is_turned else (self.has_data0, self.has_data1)
            self.factory.note(self.flow, self.protocol, self.server_port, spoke, self.names)
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
        cdef SurveyFactory factory = self.factory
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
            self.names += [hello.sni for _, hello in factory.hellos if hello.sni]
            factory.hellos.clear()
        return 0
