from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Exchange, Request, Response
from tcpmirror.model.stream cimport FlowInfo, SinkFactory


cdef class ExchangeFactory(SinkFactory):
    cdef object emit
    cdef object limits
    cdef uint64_t response_timeout_ns
    cdef bint parse_responses
    cdef bint hash_bodies
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
    cdef object decoder(self, tuple headers)
    cdef Exchange exchange(self, FlowInfo flow, bint is_turned, unsigned int index, Request request, Response response,
                           uint64_t anomalies)
    cdef int send(self, FlowInfo flow, bint is_turned, unsigned int index, Request request, Response response,
                  uint64_t anomalies) except -1
