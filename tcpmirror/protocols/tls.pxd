from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.factory cimport ExchangeFactory


cdef class TlsConnection(StreamSink):
    cdef ExchangeFactory factory
    cdef FlowInfo flow
    cdef object hellos
    cdef ByteBuffer opening     # of the side that speaks first, until its ClientHello is whole
    cdef int client_side        # -1: nobody spoke yet
    cdef bint is_read
    cdef int take_hello(self) except -1
