# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One direction of a TCP flow: puts segments in order and delivers each byte once, or tells what is missing.

In-order data goes straight through. Data ahead of the next byte is held, sorted and without overlaps; where two copies of a
byte differ the first one stays, and that is counted (evasion, or a broken middlebox). A hole becomes a gap when nobody can
fill it any more: the receiver has acknowledged beyond it (so it saw what the mirror lost), or, where the receiver's direction is not
mirrored, after three seconds, or when held data passes its limit. A hole that the receiver has *not* acknowledged stays open: otherwise a
segment far ahead, which the receiver throws away, could make the sensor skip what it will accept.
"""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from tcpmirror.model.stream cimport StreamSink
from tcpmirror.reassembly.origins cimport Tally
from tcpmirror.reassembly.sequence cimport seq_diff

cdef uint64_t ACKED_HOLE_NS = 100_000_000      # captures of two directions may swap packets; never by so much
cdef uint64_t ONE_SIDED_HOLE_NS = 3_000_000_000  # the usual time for a sender's third retransmission (RFC 6298)
cdef int32_t OLDEST_REWIND = 65536
cdef int32_t UNSEEN_LIMIT = 1 << 28    # acknowledged bytes of a direction never seen that are kept open; half of half the number space
cdef int32_t LARGEST_WINDOW = 1 << 30  # RFC 7323, section 2.3: an ACK further ahead is no word of the receiver


cdef class Piece:
    pass


cdef class HalfStream:
    """State of one direction; positions are 32-bit sequence numbers, sizes are bytes."""

    def __cinit__(self):
        self.pieces = None

    cdef void start(self, uint32_t seq) noexcept:
        self.next_seq = seq
        self.is_started = True

    cdef void see_syn(self, uint32_t isn) noexcept:
        self.isn = isn
        self.has_syn = True
        self.is_tentative = False
        if self.has_acked and not 0 < seq_diff(self.acked, isn) < LARGEST_WINDOW:
            self.has_acked = False  # it was said about another connection
        self.start(isn + 1)

    cdef void see_ack(self, uint32_t ack) noexcept:
        """Learn from the peer what it has received of this direction."""
        if not self.has_acked or seq_diff(ack, self.acked) > 0:
            self.acked = ack
            self.has_acked = True
        if not self.is_started:
            self.start(ack)
            self.is_tentative = True
        elif not self.delivered and not self.pieces and seq_diff(ack, self.next_seq) > UNSEEN_LIMIT:
            self.lose(<uint32_t>seq_diff(ack, self.next_seq))  # this direction is not mirrored, and numbers wrap
            self.next_seq = ack

    cdef void lose(self, uint32_t length) noexcept:
        """Count *length* bytes from the next one on that were never seen, as far as the receiver has them."""
        cdef int32_t had = seq_diff(self.acked, self.next_seq)
        if not self.has_acked:  # the receiver is not mirrored; the sender went on without repeating them
            self.tally.lost_bytes += length
        elif 0 < had < LARGEST_WINDOW:
            self.tally.lost_bytes += min(length, <uint32_t>had)

    cdef uint32_t tail(self) noexcept:
        """Return how many bytes the receiver acknowledged behind the last one seen; a FIN has a number too and is no byte."""
        cdef int32_t length
        if not self.has_acked or not self.is_started:
            return 0
        length = seq_diff(self.acked, self.next_seq)
        if self.has_fin:
            length = min(length, seq_diff(self.fin_seq, self.next_seq))
        elif length == 1:
            return 0
        return <uint32_t>length if 0 < length < LARGEST_WINDOW else 0

    cdef bint is_waiting(self) noexcept:
        """Whether something of this direction is known to be missing."""
        return (self.pieces and not self.is_complete()) or self.tail() > 0

    cdef int end_tail(self, StreamSink sink, int side, uint64_t time_ns) except -1:
        """Deliver what is held and tell of lost bytes behind it: the flow ends. *sink* None: nobody listens."""
        cdef uint32_t length
        if sink is not None and not self.is_ended:
            self.flush(sink, side, time_ns)
        length = self.tail()
        if not length:
            return 0
        self.tally.lost_bytes += length
        if sink is not None and self.delivered and not self.is_ended:
            self.note_gap(length)
            self.next_seq += length
            sink.gap(side, length, time_ns)
        return 0

    cdef void let_go(self, uint64_t* counted_in) noexcept:
        """Let go of what is held, undelivered."""
        cdef Piece piece
        if self.pieces:
            for piece in self.pieces:
                self.tally.held_bytes -= len(piece.data)
                counted_in[0] += len(piece.data)
        self.pieces = None
        self.held_bytes = 0

    cdef void see_fin(self, uint32_t seq) noexcept:
        if not self.has_fin:
            self.has_fin = True
            self.fin_seq = seq

    cdef bint is_complete(self) noexcept:
        """Whether everything up to the FIN was delivered."""
        return self.has_fin and self.is_started and seq_diff(self.next_seq, self.fin_seq) >= 0

    cdef int add(self, StreamSink sink, int side, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing,
                 uint64_t time_ns, Py_ssize_t reorder_bytes, Py_ssize_t reorder_segments) except -1:
        """Take one segment's payload: *length* captured bytes, then *missing* that the capture cut off."""
        cdef int32_t ahead
        cdef uint32_t old
        if not self.is_started:
            self.start(seq)
        ahead = seq_diff(seq, self.next_seq)
        if self.is_tentative and ahead < 0 and ahead > -OLDEST_REWIND:
            self.next_seq = seq
            ahead = 0
        self.is_tentative = False
        if ahead < 0:
            old = <uint32_t>-ahead
            if old >= length + missing:
                self.tally.retransmitted_bytes += length
                return 0
            self.tally.retransmitted_bytes += min(old, length)
            if old <= length:
                data += old
                length -= old
            else:
                missing -= old - length
                length = 0
            seq += old
            ahead = 0
        if ahead == 0 and not self.pieces:
            return self.deliver(sink, side, data, length, missing, time_ns)
        if ahead:
            self.tally.out_of_order_segments += 1
            if not self.pieces:
                self.hole_since_ns = time_ns
        self.hold(seq, data, length, missing, time_ns)
        self.drain(sink, side)
        while self.pieces and (self.held_bytes > reorder_bytes or len(self.pieces) > reorder_segments):
            self.hit_limit = True
            self.give_up_hole(sink, side, time_ns)
        return 0

    cdef int deliver(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint32_t missing, uint64_t time_ns) except -1:
        cdef uint32_t room
        if self.has_fin and seq_diff(self.next_seq + length + missing, self.fin_seq) > 0:
            # Bytes past the FIN: no receiver takes them.
            room = <uint32_t>max(0, seq_diff(self.fin_seq, self.next_seq))
            missing = min(missing, room - length) if room > length else 0
            self.tally.ignored_bytes += length - min(length, room)
            length = min(length, room)
        self.next_seq += length + missing
        self.delivered += length
        self.tally.delivered_bytes += length
        if length:
            sink.data(side, data, length, time_ns)
        if missing:
            self.note_gap(missing)
            self.tally.truncated_bytes += missing
            sink.gap(side, missing, time_ns)
        return 0

    cdef void note_gap(self, uint32_t length) noexcept:
        self.gaps += 1
        self.tally.gaps += 1
        self.tally.gap_bytes += length

    cdef Py_ssize_t place(self, uint32_t seq):
        """Return the index of the first held piece that starts after *seq*."""
        cdef Py_ssize_t low = 0, high = len(self.pieces), middle
        while low < high:
            middle = (low + high) >> 1
            if seq_diff((<Piece>self.pieces[middle]).seq, seq) <= 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int hold(self, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing, uint64_t time_ns) except -1:
        """Keep what is new of the segment between the pieces that are held already."""
        cdef Py_ssize_t at
        cdef Piece other
        cdef uint32_t cut, used, kept
        cdef int32_t room
        if self.pieces is None:
            self.pieces = []
        at = self.place(seq)
        if at:
            other = <Piece>self.pieces[at - 1]
            room = seq_diff(other.seq + other.length(), seq)
            if room > 0:
                self.compare(other, seq, data, length)
                cut = min(<uint32_t>room, length + missing)
                used = min(cut, length)
                self.tally.retransmitted_bytes += used
                data += used
                length -= used
                missing -= cut - used
                seq += cut
        while length + missing:
            if at == len(self.pieces):
                return self.insert(at, seq, data, length, missing, time_ns)
            other = <Piece>self.pieces[at]
            room = seq_diff(other.seq, seq)
            if <uint32_t>room >= length + missing:
                return self.insert(at, seq, data, length, missing, time_ns)
            kept = min(<uint32_t>room, length)
            if room > 0:
                self.insert(at, seq, data, kept, <uint32_t>room - kept, time_ns)
                at += 1
            self.compare(other, seq, data, length)
            cut = min(<uint32_t>room + other.length(), length + missing)
            used = min(cut, length)
            self.tally.retransmitted_bytes += used - kept
            data += used
            length -= used
            missing -= cut - used
            seq += cut
            at += 1
        return 0

    cdef int insert(self, Py_ssize_t at, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing, uint64_t time_ns) except -1:
        cdef Piece piece = Piece.__new__(Piece)
        piece.seq = seq
        piece.data = (<const char*>data)[:length]
        piece.missing = missing
        piece.time_ns = time_ns
        self.pieces.insert(at, piece)
        self.held_bytes += length + 96
        self.tally.held_bytes += length
        return 0

    cdef void compare(self, Piece old, uint32_t seq, const uint8_t* data, uint32_t length) noexcept:
        """Count a conflict when the bytes that both copies hold differ."""
        cdef int32_t offset = seq_diff(seq, old.seq)
        cdef uint32_t skip_new = 0, skip_old = 0, common
        if offset >= 0:
            skip_old = <uint32_t>offset
        else:
            skip_new = <uint32_t>-offset
        if skip_old >= <uint32_t>len(old.data) or skip_new >= length:
            return
        common = min(<uint32_t>len(old.data) - skip_old, length - skip_new)
        if memcmp(<const char*>old.data + skip_old, data + skip_new, common):
            self.conflicts += 1
            self.tally.overlap_conflicts += 1

    cdef int drain(self, StreamSink sink, int side) except -1:
        """Deliver what has become contiguous."""
        cdef Piece piece
        cdef Py_ssize_t count = 0
        try:
            while count < len(self.pieces):
                piece = <Piece>self.pieces[count]
                if seq_diff(piece.seq, self.next_seq) > 0:
                    break
                count += 1
                self.held_bytes -= len(piece.data) + 96
                self.tally.held_bytes -= len(piece.data)
                self.deliver_piece(sink, side, piece)
        finally:  # whatever the sink raised, no piece is there twice
            if count:
                del self.pieces[:count]
        if count and self.pieces:
            self.hole_since_ns = max(self.hole_since_ns, piece.time_ns)
        return 0

    cdef int deliver_piece(self, StreamSink sink, int side, Piece piece) except -1:
        """Deliver what is new of a piece that begins no later than the next byte (a SYN may have moved that)."""
        cdef const uint8_t* data = <const uint8_t*><const char*>piece.data
        cdef uint32_t length = <uint32_t>len(piece.data), missing = piece.missing
        cdef uint32_t old = <uint32_t>-seq_diff(piece.seq, self.next_seq)
        cdef uint32_t used = min(old, length)
        self.tally.retransmitted_bytes += used
        return self.deliver(sink, side, data + used, length - used, missing - min(missing, old - used), piece.time_ns)

    cdef int give_up_hole(self, StreamSink sink, int side, uint64_t time_ns) except -1:
        """Declare the bytes before the first held piece lost, and go on behind them."""
        cdef uint32_t length
        if not self.pieces:
            return 0
        if seq_diff((<Piece>self.pieces[0]).seq, self.next_seq) > 0:
            length = (<Piece>self.pieces[0]).seq - self.next_seq
            self.note_gap(length)
            self.lose(length)
            self.next_seq += length
            sink.gap(side, length, time_ns)
        self.drain(sink, side)
        if self.pieces:
            self.hole_since_ns = max(self.hole_since_ns, time_ns)
        return 0

    cdef uint64_t hole_deadline(self, bint is_one_sided) noexcept:
        """Return the packet time at which the first hole becomes a gap, or 0."""
        if not self.pieces:
            return 0
        if is_one_sided:
            return self.hole_since_ns + ONE_SIDED_HOLE_NS
        if self.has_acked and seq_diff(self.acked, (<Piece>self.pieces[0]).seq) >= 0:
            return self.hole_since_ns + ACKED_HOLE_NS
        return 0

    cdef int flush(self, StreamSink sink, int side, uint64_t time_ns) except -1:
        """Deliver all that is held, with gaps for what is missing: the flow ends."""
        while self.pieces:
            self.give_up_hole(sink, side, time_ns)
        return 0
