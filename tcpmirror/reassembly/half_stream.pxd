cimport cython
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from tcpmirror.model.stream cimport FlowInfo, StreamSink
from tcpmirror.reassembly.origins cimport Tally
from tcpmirror.reassembly.overlap cimport Conflicts, OverlapRule
from tcpmirror.reassembly.recent cimport RECENT_BYTES, Recent
from tcpmirror.reassembly.reorder_queue cimport Piece, ReorderQueue

cdef enum:
    URGENT_LIMIT = 8    # urgent bytes that are known and not reached yet; of further ones nobody knows who reads them


# What one direction may hold, the same for all of a table.
cdef struct HalfLimits:
    Py_ssize_t reorder_bytes
    Py_ssize_t reorder_segments
    uint64_t depth              # bytes of a direction that are looked at; 0: all
    bint is_urgent_inline       # urgent bytes stay in the stream


@cython.final
cdef class HalfStream:
    cdef uint32_t next_seq      # of the next byte to deliver
    cdef uint32_t base_seq      # of the first byte
    cdef bint is_started        # next_seq is known
    cdef bint is_tentative      # next_seq was inferred from the peer's ACK and nothing was delivered
    cdef bint has_syn
    cdef uint32_t isn           # initial sequence number, when has_syn
    cdef bint has_fin
    cdef uint32_t fin_seq
    cdef bint is_ended          # `end` was delivered
    cdef bint is_false_end      # a FIN was seen that its sender did not send
    cdef bint hit_limit, hit_depth, had_urgent
    cdef uint32_t acked         # highest ACK number the peer sent
    cdef bint has_acked
    cdef OverlapRule rule       # of the receiver
    cdef uint64_t delivered
    cdef Tally* tally           # of the flow's origin, which the flow keeps alive
    cdef const HalfLimits* limits   # of the table
    cdef ReorderQueue queue     # None: nothing was ever out of order
    cdef Conflicts conflicts    # None: as long as nobody compared
    cdef Recent recent
    cdef FlowInfo info          # of the flow, when it has a sink
    cdef int side
    cdef bytes syn_data         # what came with the SYN, until it is known who has it
    cdef uint64_t syn_data_ns
    cdef uint64_t hole_since_ns
    cdef uint64_t gaps
    cdef uint32_t urgent[URGENT_LIMIT]
    cdef int urgent_count

    cdef inline bint is_holding(self) noexcept:
        """Whether data waits behind a hole."""
        return self.queue is not None and len(self.queue.pieces) > 0

    cdef inline Py_ssize_t held_bytes(self) noexcept:
        """Return the bytes of memory that data takes."""
        return ((0 if self.queue is None else self.queue.held_bytes) + (0 if self.recent.ring == NULL else RECENT_BYTES)
                + (0 if self.syn_data is None else len(self.syn_data)))

    cdef inline bint is_complete(self) noexcept:
        """Whether everything up to the FIN was delivered."""
        return self.has_fin and self.is_started and <int32_t>(self.next_seq - self.fin_seq) >= 0

    cdef inline bint is_fin_acked(self) noexcept:
        """Whether the receiver has the FIN."""
        return self.has_fin and self.has_acked and <int32_t>(self.acked - self.fin_seq) > 0

    cdef inline bint is_odd(self) noexcept:
        """Whether something is to be looked at beyond the data."""
        return self.queue is not None or self.gaps or self.hit_depth or self.had_urgent or self.is_false_end

    cdef void start(self, uint32_t seq) noexcept
    cdef void see_syn(self, uint32_t isn) noexcept
    cdef inline void see_ack(self, uint32_t ack) noexcept:
        """Learn from the peer what it has received of this direction."""
        if not self.has_acked or <int32_t>(ack - self.acked) > 0:
            self.acked = ack
            self.has_acked = True
        if not self.delivered:
            self.begin_at_ack(ack)

    cdef void begin_at_ack(self, uint32_t ack) noexcept
    cdef void see_fin(self, uint32_t seq) noexcept
    cdef void see_urgent(self, uint32_t seq) noexcept
    cdef void lose(self, uint32_t length) noexcept
    cdef uint32_t tail(self) noexcept
    cdef bint is_waiting(self) noexcept
    cdef int add(self, StreamSink sink, int side, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing,
                 uint64_t time_ns, bint may_jump) except -1
    cdef int repeat(self, uint32_t seq, const uint8_t* data, uint32_t length) except -1
    cdef int hold(self, StreamSink sink, int side, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing,
                  uint64_t time_ns, bint may_jump) except -1
    cdef int make_room(self, StreamSink sink, int side, uint64_t time_ns, bint may_jump) except -1
    cdef int deliver(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint32_t missing, uint64_t time_ns) except -1
    cdef int deliver_bytes(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1
    cdef int deliver_urgent(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1
    cdef int hand_over(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1
    cdef int deliver_piece(self, StreamSink sink, int side, Piece piece) except -1
    cdef int drain(self, StreamSink sink, int side) except -1
    cdef void note_gap(self, uint32_t length) noexcept
    cdef int give_up_hole(self, StreamSink sink, int side, uint64_t time_ns) except -1
    cdef uint64_t hole_deadline(self, bint is_one_sided) noexcept
    cdef int end_tail(self, StreamSink sink, int side, uint64_t time_ns) except -1
    cdef int keep_syn_data(self, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1
    cdef int take_syn_data(self, StreamSink sink, int side, uint32_t length) except -1
    cdef int note_conflicts(self, uint64_t before) except -1
    cdef int open_queue(self) except -1
    cdef int let_go(self, uint64_t* counted_in) except -1
    cdef void forget(self) noexcept
