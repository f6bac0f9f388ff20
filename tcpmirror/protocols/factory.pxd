from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Exchange, Message, Request, Response
from tcpmirror.model.stream cimport FlowInfo, SinkFactory
from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.decryption cimport Decryption
from tcpmirror.protocols.known_bodies cimport KnownBodies


cdef inline Exchange exchange_of(FlowInfo flow, bint is_turned, unsigned int index, Request request, Response response,
                                 uint64_t anomalies):
    """Return the exchange number *index* of *flow*; *is_turned*: side 1 turned out to be the client."""
    cdef Exchange exchange = Exchange.__new__(Exchange)
    exchange.request = request
    exchange.response = response
    exchange.client_ip = flow.server_ip if is_turned else flow.client_ip
    exchange.client_port = flow.server_port if is_turned else flow.client_port
    exchange.server_ip = flow.client_ip if is_turned else flow.server_ip
    exchange.server_port = flow.client_port if is_turned else flow.server_port
    exchange.source = flow.source
    exchange.vlan = flow.vlan
    exchange.inner_vlan = flow.inner_vlan
    exchange.vni = flow.vni
    exchange.tunnel = flow.tunnel
    exchange.flow_hash = flow.flow_hash
    exchange.index = index
    exchange.anomalies = flow.anomalies | anomalies
    exchange.overlaps = flow.overlaps
    if request is not None:
        exchange.anomalies |= request.anomalies
    if response is not None:
        exchange.anomalies |= response.anomalies
    return exchange


cdef class ExchangeFactory(SinkFactory):
    cdef object emit
    cdef object limits
    cdef uint64_t response_timeout_ns
    cdef bint parse_responses
    cdef bint hash_bodies
    cdef readonly KnownBodies known_bodies  # of responses
    cdef ByteBuffer spare                  # a block for the next body that is long: it need not grow step by step
    cdef readonly Decryption decryption    # None: there are no secrets
    cdef public unsigned long long requests
    cdef public unsigned long long responses
    cdef public unsigned long long exchanges
    cdef public unsigned long long unanswered
    cdef public unsigned long long response_only
    cdef public unsigned long long not_http_bytes
    cdef public unsigned long long http_errors
    cdef public unsigned long long http2_flows
    cdef public unsigned long long websocket_flows
    cdef public unsigned long long websocket_messages
    cdef public unsigned long long tls_flows
    cdef public unsigned long long tls_bytes
    cdef tuple codings(self, Message message, bint is_plain)
    cdef object decoder(self, tuple codings)


cdef inline int send(ExchangeFactory factory, FlowInfo flow, bint is_turned, unsigned int index, Request request,
                     Response response, uint64_t anomalies) except -1:
    """Emit the exchange number *index* of *flow*, and count it; *is_turned*: side 1 turned out to be the client."""
    if request is None:
        factory.response_only += 1
    if response is None and factory.parse_responses:
        factory.unanswered += 1
    factory.exchanges += 1
    factory.emit(exchange_of(flow, is_turned, index, request, response, anomalies))
    return 0
