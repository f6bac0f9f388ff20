from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.tls_plaintext cimport TlsPlaintext


cdef class TlsConnection(TlsPlaintext):
    cdef object hellos
    cdef ByteBuffer opening     # of the side that speaks first, until its ClientHello is whole
    cdef Py_ssize_t opening_end   # of its last whole record
    cdef int opening_tries
    cdef int client_side        # -1: nobody spoke yet
    cdef bint is_read
    cdef int take_hello(self) except -1
    cdef int take_bytes(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1
    cdef Py_ssize_t take_records(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1
    cdef int lose_record(self, int side, uint64_t time_ns) except -1
    cdef int settle(self, uint64_t now_ns) except -1
