from libc.stdint cimport uint64_t

from tcpmirror.model.stream cimport EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.decryption cimport Decryption
from tcpmirror.protocols.factory cimport ExchangeFactory

cdef enum:
    DONE = 0                 # outcomes of an event
    BAD = 3                  # tls_direction.Refusal.BAD
    AN_END = -1              # numbers of events without a record: an end; else the size of a lost record
    PEER_NS = 1_000_000_000  # a mirror shows both directions of a handshake within this time, or one only


# How far the bytes of one direction are cut into records.
cdef struct Cutting:
    ByteBuffer part          # of a record that is not whole, or of what has to be searched for one
    Py_ssize_t lost          # bytes since the last whole record that belong to none
    Py_ssize_t to_skip       # bytes to come of a record of which others were lost
    Py_ssize_t damaged_size  # the size of that record
    uint64_t uncounted       # bytes seen since the last that were decrypted
    bint is_hunting          # where the next record begins is not known
    bint is_guess            # a record may begin at the first byte of `part`
    bint is_given_up
    bint has_ended
    EndKind untold_end       # what the reader of the plaintext, once there is one, has to be told first; 0: nothing


cdef class TlsPlaintext(StreamSink):
    cdef ExchangeFactory factory
    cdef FlowInfo flow
    cdef Decryption decryption
    cdef object session
    cdef StreamSink inner       # who reads what was decrypted; None as long as there is nothing
    cdef Cutting cut0
    cdef Cutting cut1
    cdef int session_client     # the side that sends the ClientHello; -1: not known yet
    cdef object queue0          # events of a side that wait, each (order, record or None, number, time_ns)
    cdef object queue1
    cdef unsigned long long order
    cdef Py_ssize_t waiting_bytes
    cdef bint waits_for_secret
    cdef uint64_t waiting_since_ns  # 0: nothing waits
    cdef bint has_told_fault, is_decrypted, is_leaving
    cdef int take_event(self, int side, bytes record, Py_ssize_t number, uint64_t time_ns) except -1
    cdef int wait_for(self, int side, bytes record, Py_ssize_t number, uint64_t time_ns) except -1
    cdef int process(self, int side, bytes record, Py_ssize_t number, uint64_t time_ns) except -1
    cdef int deliver(self, int side, bytes plain, uint64_t time_ns) except -1
    cdef int deliver_gap(self, int side, Py_ssize_t length, uint64_t time_ns) except -1
    cdef int deliver_end(self, int side, EndKind how, uint64_t time_ns) except -1
    cdef int run(self) except -1
    cdef int resolve(self) except -1
    cdef int give_up(self, int side, uint64_t time_ns) except -1
    cdef int tell_fault(self) except -1
    cdef int count_encrypted(self, uint64_t length) except -1
    cdef int count_rest(self, Cutting* cut) except -1
    cdef int open_inner(self, uint64_t time_ns) except -1
    cdef int leave(self) except -1
