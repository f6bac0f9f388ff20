# cython: language_level=3, boundscheck=False, wraparound=False
"""TLS on a flow: counted as encrypted and not analysed; its ClientHello says for whom it is and who speaks."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.buffer cimport buffer_append, buffer_free
from tcpmirror.protocols.factory cimport ExchangeFactory

from tcpmirror.model.exchange import endpoint_text
from tcpmirror.protocols.client_hello import read_client_hello

cdef enum:
    HELLO_LIMIT = 16384      # with the largest post-quantum key shares a ClientHello has 2 KiB


cdef class TlsConnection(StreamSink):
    """One flow. *hellos* takes (server, ClientHello)."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow, hellos):
        self.factory = factory
        self.flow = flow
        self.hellos = hellos
        self.client_side = -1
        factory.tls_flows += 1

    def __dealloc__(self):
        buffer_free(&self.opening)

    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        self.factory.tls_bytes += length
        self.factory.not_http_bytes += length
        if self.client_side < 0 and length:
            self.client_side = side
        if self.is_read or side != self.client_side:
            return 0
        buffer_append(&self.opening, data, min(length, HELLO_LIMIT - self.opening.size))
        return self.take_hello()

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        if side == self.client_side:
            self.is_read = True
            buffer_free(&self.opening)
            self.held_bytes = 0
        return 0

    cdef int take_hello(self) except -1:
        """Read the ClientHello as soon as it is whole."""
        cdef bytes opening = PyBytes_FromStringAndSize(<const char*>self.opening.data, self.opening.size)
        hello, is_open = read_client_hello(opening)
        self.is_read = hello is not None or not is_open or self.opening.size >= HELLO_LIMIT
        if hello is not None:
            if self.client_side == 0:
                server = endpoint_text(self.flow.server_ip, self.flow.server_port)
            else:
                server = endpoint_text(self.flow.client_ip, self.flow.client_port)
            self.hellos.append((server, hello))
        if self.is_read:
            buffer_free(&self.opening)
        self.held_bytes = self.opening.capacity
        return 0
