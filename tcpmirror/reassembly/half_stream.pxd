from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from tcpmirror.model.stream cimport StreamSink
from tcpmirror.reassembly.origins cimport Tally


cdef class Piece:
    cdef uint32_t seq
    cdef bytes data
    cdef uint32_t missing       # bytes after `data` that the capture cut off
    cdef uint64_t time_ns
    cdef inline uint32_t length(self):
        return <uint32_t>len(self.data) + self.missing


cdef class HalfStream:
    cdef public uint32_t next_seq       # of the next byte to deliver
    cdef public bint is_started         # next_seq is known
    cdef bint is_tentative              # next_seq was inferred from the peer's ACK and nothing was delivered
    cdef public bint has_syn
    cdef uint32_t isn                   # initial sequence number, when has_syn
    cdef bint has_fin
    cdef uint32_t fin_seq
    cdef public bint is_ended           # `end` was delivered
    cdef uint32_t acked                 # highest ACK number the peer sent
    cdef bint has_acked
    cdef public uint64_t delivered
    cdef Tally* tally                   # of the flow's origin, which the flow keeps alive
    cdef list pieces                    # out-of-order data, by seq, not overlapping
    cdef public Py_ssize_t held_bytes
    cdef uint64_t hole_since_ns
    cdef public uint64_t conflicts, gaps
    cdef public bint hit_limit

    cdef void start(self, uint32_t seq) noexcept
    cdef void see_syn(self, uint32_t isn) noexcept
    cdef void see_ack(self, uint32_t ack) noexcept
    cdef void lose(self, uint32_t length) noexcept
    cdef uint32_t tail(self) noexcept
    cdef bint is_waiting(self) noexcept
    cdef int end_tail(self, StreamSink sink, int side, uint64_t time_ns) except -1
    cdef void let_go(self, uint64_t* counted_in) noexcept
    cdef void note_gap(self, uint32_t length) noexcept
    cdef int deliver_piece(self, StreamSink sink, int side, Piece piece) except -1
    cdef void see_fin(self, uint32_t seq) noexcept
    cdef int add(self, StreamSink sink, int side, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing,
                 uint64_t time_ns, Py_ssize_t reorder_bytes, Py_ssize_t reorder_segments) except -1
    cdef int deliver(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint32_t missing, uint64_t time_ns) except -1
    cdef int hold(self, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing, uint64_t time_ns) except -1
    cdef int insert(self, Py_ssize_t at, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing, uint64_t time_ns) except -1
    cdef void compare(self, Piece old, uint32_t seq, const uint8_t* data, uint32_t length) noexcept
    cdef Py_ssize_t place(self, uint32_t seq)
    cdef int drain(self, StreamSink sink, int side) except -1
    cdef int give_up_hole(self, StreamSink sink, int side, uint64_t time_ns) except -1
    cdef uint64_t hole_deadline(self, bint is_one_sided) noexcept
    cdef int flush(self, StreamSink sink, int side, uint64_t time_ns) except -1
    cdef bint is_complete(self) noexcept
