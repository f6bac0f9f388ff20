from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.http1 cimport Handover, Http1Connection
from tcpmirror.protocols.http2 cimport Http2Connection
from tcpmirror.protocols.tls cimport TlsConnection


cdef enum Choice:
    UNDECIDED = 0
    IS_HTTP1 = 1     # or nothing that is known: HTTP/1 looks for a start line, and counts
    IS_HTTP2 = 2
    MAY_BE_HTTP2 = 3
    IS_TLS = 4


cdef class ProtocolFactory(ExchangeFactory):
    cdef readonly object hellos


cdef class Connection(StreamSink):
    cdef ProtocolFactory factory
    cdef FlowInfo flow
    cdef StreamSink reader           # None until the protocol is known
    cdef Http1Connection http1       # the same while it is HTTP/1
    cdef TlsConnection tls           # the same while the server has not spoken
    cdef Http2Connection http2       # the same while that is a guess
    cdef Http1Connection tunnel      # what answered CONNECT, while it is not known what the tunnel carries
    cdef list opening                # (side, bytes, time_ns) of what came before the choice
    cdef bytes opening0              # all of them, by side
    cdef bytes opening1
    cdef int choose(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1
    cdef int decide(self, Choice choice) except -1
    cdef Http2Connection open_http2(self, bint is_joined)
    cdef int believe(self, uint8_t first) except -1
    cdef int keep_or_drop_http2(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1
    cdef int take_over(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1
    cdef int settle(self) except -1
