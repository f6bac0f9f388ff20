# cython: language_level=3, boundscheck=False, wraparound=False
"""What all connections of one worker share: where exchanges go, the limits, the counters."""
from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Exchange, Request, Response
from tcpmirror.model.stream cimport FlowInfo, SinkFactory

from tcpmirror.protocols.codings import ContentDecoder, codings_of


cdef class ExchangeFactory(SinkFactory):
    """Counts over all connections of one worker.

    ``emit`` is called with each finished Exchange; what it raises comes out of the call that delivered the bytes. With
    ``parse_responses`` off requests are emitted as soon as they are whole. Counters: ``requests``, ``responses`` (final ones),
    ``exchanges`` emitted, of them ``unanswered`` and ``response_only``; ``not_http_bytes``: bytes that belong to no message;
    ``http_errors``: start lines, lengths, chunks, frames and header blocks that were none or contradict each other, heads too
    long; ``websocket_messages`` are no exchanges, though they are emitted as such.
    """

    def __init__(self, emit, limits, *, unsigned long long response_timeout_ns, bint parse_responses=True,
                 bint hash_bodies=False):
        self.emit = emit
        self.limits = limits
        self.response_timeout_ns = response_timeout_ns
        self.parse_responses = parse_responses
        self.hash_bodies = hash_bodies

    cdef object decoder(self, tuple headers):
        """Return what undoes the codings that *headers* name, or None if they name none."""
        cdef list names = codings_of(headers)
        if not names:
            return None
        limits = self.limits
        return ContentDecoder(names, limits.coding_layers, limits.decompressed_bytes, limits.decompression_ratio)

    cdef Exchange exchange(self, FlowInfo flow, bint is_turned, unsigned int index, Request request, Response response,
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
        if request is not None:
            exchange.anomalies |= request.anomalies
        if response is not None:
            exchange.anomalies |= response.anomalies
        return exchange

    cdef int send(self, FlowInfo flow, bint is_turned, unsigned int index, Request request, Response response,
                  uint64_t anomalies) except -1:
        """Emit an exchange, and count it."""
        if request is None:
            self.response_only += 1
        if response is None and self.parse_responses:
            self.unanswered += 1
        self.exchanges += 1
        self.emit(self.exchange(flow, is_turned, index, request, response, anomalies))
        return 0
