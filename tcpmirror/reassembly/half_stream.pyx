# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One direction of a TCP flow: puts segments in order and delivers each byte once, or tells what is missing.

In-order data goes straight through. Data ahead of the next byte is held (`reorder_queue`); where two copies of a byte differ the
rule of the receiving host decides (`overlap`), and both are shown. A hole becomes a gap when nobody can fill it any more: the
receiver has acknowledged beyond it (so it saw what the mirror lost), or, where the receiver's direction is not mirrored, after three
seconds. A hole that the receiver has *not* acknowledged stays open: otherwise a segment far ahead, which the receiver throws away,
could make the sensor skip what it will accept. For the same reason it is the data furthest ahead that goes when a client, whose
acknowledgements are seen, has more waiting than the reorder window holds; where a server does, its hole is a gap.

A FIN counts when the receiver acknowledged it, because one that only the sensor sees would hide what follows.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from tcpmirror.model.stream cimport FlowInfo, StreamSink
from tcpmirror.reassembly.overlap cimport Conflicts
from tcpmirror.reassembly.recent cimport recent_compare, recent_free, recent_keep
from tcpmirror.reassembly.reorder_queue cimport Piece, ReorderQueue
from tcpmirror.reassembly.sequence cimport seq_diff

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import endpoint_text
from tcpmirror.model.overlap import Overlap

cdef uint64_t ACKED_HOLE_NS = 100_000_000      # captures of two directions may swap packets; never by so much
cdef uint64_t ONE_SIDED_HOLE_NS = 3_000_000_000  # the usual time for a sender's third retransmission (RFC 6298)
cdef uint64_t BIT_CONFLICT = 1 << Anomaly.OVERLAP_CONFLICT
cdef int32_t OLDEST_REWIND = 65536
cdef int32_t UNSEEN_LIMIT = 1 << 28    # acknowledged bytes of a direction never seen that are kept open; half of half the number space
cdef int32_t LARGEST_WINDOW = 1 << 30  # RFC 7323, section 2.3: an ACK further ahead is no word of the receiver


cdef class HalfStream:
    """State of one direction; positions are 32-bit sequence numbers, sizes are bytes."""

    def __dealloc__(self):
        recent_free(&self.recent)

    # -- what headers tell ------------------------------------------------------------------------------------------------

    cdef void start(self, uint32_t seq) noexcept:
        self.next_seq = self.base_seq = seq
        self.is_started = True

    cdef void see_syn(self, uint32_t isn) noexcept:
        self.isn = isn
        self.has_syn = True
        self.is_tentative = False
        if self.has_acked and not 0 < seq_diff(self.acked, isn) < LARGEST_WINDOW:
            self.has_acked = False  # it was said about another connection
        self.start(isn + 1)

    cdef void begin_at_ack(self, uint32_t ack) noexcept:
        """Infer from the peer's ACK where this direction goes on, of which nothing was delivered."""
        if not self.is_started:
            self.start(ack)
            self.is_tentative = True
        elif not self.is_holding() and seq_diff(ack, self.next_seq) > UNSEEN_LIMIT:
            self.lose(<uint32_t>seq_diff(ack, self.next_seq))  # this direction is not mirrored, and numbers wrap
            self.next_seq = ack

    cdef void see_fin(self, uint32_t seq) noexcept:
        """Note where the stream ends; not in what was said already, nor before what waits."""
        if self.has_fin or seq_diff(seq, self.next_seq) < 0:
            return
        if self.is_holding() and self.queue.covers(seq):
            self.is_false_end = True
            return
        self.has_fin = True
        self.fin_seq = seq

    cdef void see_urgent(self, uint32_t seq) noexcept:
        """Note an urgent byte, which the receiver's `read` leaves out (RFC 6093, section 3)."""
        cdef int index
        if self.is_started and seq_diff(seq, self.next_seq) < 0:
            return
        for index in range(self.urgent_count):
            if self.urgent[index] == seq:
                return
        self.had_urgent = True
        if self.urgent_count < URGENT_LIMIT and not self.limits.is_urgent_inline:
            self.urgent[self.urgent_count] = seq
            self.urgent_count += 1

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
        return (self.is_holding() and not self.is_complete()) or self.tail() > 0

    # -- data in ----------------------------------------------------------------------------------------------------------

    cdef int add(self, StreamSink sink, int side, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing,
                 uint64_t time_ns, bint may_jump) except -1:
        """Take one segment's payload: *length* captured bytes, then *missing* that the capture cut off.

        *may_jump*: past the reorder window the hole is given up; otherwise what is furthest ahead goes.
        """
        cdef int32_t ahead
        cdef uint32_t old
        if not self.is_started:
            self.start(seq)
        ahead = seq_diff(seq, self.next_seq)
        if self.is_tentative and ahead < 0 and ahead > -OLDEST_REWIND:
            self.next_seq = self.base_seq = seq
            ahead = 0
        self.is_tentative = False
        if self.has_fin and not self.is_fin_acked() and seq_diff(seq, self.fin_seq) <= 0 < seq_diff(seq + length, self.fin_seq):
            self.has_fin = False  # who says more has not ended
            self.is_false_end = True
        if ahead < 0:
            old = <uint32_t>-ahead
            if length and self.recent.ring != NULL:
                self.repeat(seq, data, min(old, length))
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
        if ahead == 0 and not self.is_holding():
            return self.deliver(sink, side, data, length, missing, time_ns)
        return self.hold(sink, side, seq, data, length, missing, time_ns, may_jump)

    cdef int repeat(self, uint32_t seq, const uint8_t* data, uint32_t length) except -1:
        """Compare bytes that were delivered with what they were; one byte before the next is a keep-alive (RFC 9293, 3.8.4)."""
        cdef uint64_t before
        if length == 1 and seq + 1 == self.next_seq:
            return 0
        if self.conflicts is None:
            self.conflicts = Conflicts.__new__(Conflicts)
        before = self.conflicts.count
        recent_compare(&self.recent, self.conflicts, seq, data, length)
        return self.note_conflicts(before)

    cdef int note_conflicts(self, uint64_t before) except -1:
        """Count the conflicts found since *before*, and tell the flow at once: the next byte may finish an exchange."""
        cdef FlowInfo info = self.info
        if self.conflicts.count == before:
            return 0
        self.tally.overlap_conflicts += self.conflicts.count - before
        info.anomalies |= BIT_CONFLICT
        ip, port = (info.server_ip, info.server_port) if self.side else (info.client_ip, info.client_port)
        for seq, kept, other in self.conflicts.fresh():
            info.overlaps += (Overlap(endpoint_text(ip, port), (seq - self.base_seq) & 0xffffffff, kept, other),)
        return 0

    cdef int open_queue(self) except -1:
        if self.conflicts is None:
            self.conflicts = Conflicts.__new__(Conflicts)
        self.queue = ReorderQueue.__new__(ReorderQueue)
        self.queue.conflicts = self.conflicts
        return 0

    cdef int hold(self, StreamSink sink, int side, uint32_t seq, const uint8_t* data, uint32_t length, uint32_t missing,
                  uint64_t time_ns, bint may_jump) except -1:
        """Put a segment among what waits, and deliver what has become contiguous."""
        cdef uint64_t conflicts, held
        if self.queue is None:
            self.open_queue()
        if seq != self.next_seq:
            self.tally.out_of_order_segments += 1
            if not self.is_holding():
                self.hole_since_ns = time_ns
        conflicts, held = self.conflicts.count, self.queue.data_bytes
        if length:
            self.tally.retransmitted_bytes += self.queue.put(self.rule, seq, data, length, time_ns)
        if missing:
            self.queue.put(self.rule, seq + length, NULL, missing, time_ns)
        self.tally.held_bytes += self.queue.data_bytes - held
        self.note_conflicts(conflicts)
        self.drain(sink, side)
        while self.is_holding() and (self.queue.held_bytes > self.limits.reorder_bytes
                                     or len(self.queue.pieces) > self.limits.reorder_segments):
            self.make_room(sink, side, time_ns, may_jump)
        return 0

    cdef int make_room(self, StreamSink sink, int side, uint64_t time_ns, bint may_jump) except -1:
        """Past the reorder window: give up the first hole, or let go of what is furthest ahead."""
        cdef Py_ssize_t last = len(self.queue.pieces) - 1
        cdef uint64_t held = self.queue.data_bytes
        self.hit_limit = True
        if may_jump or (self.has_acked and seq_diff(self.acked, (<Piece>self.queue.pieces[0]).seq) >= 0):
            return self.give_up_hole(sink, side, time_ns)
        self.queue.remove(last, last + 1)
        held -= self.queue.data_bytes
        self.tally.held_bytes -= held
        self.tally.ignored_bytes += held
        return 0

    # -- data out ---------------------------------------------------------------------------------------------------------

    cdef int deliver(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint32_t missing, uint64_t time_ns) except -1:
        cdef uint32_t room
        if self.has_fin and seq_diff(self.next_seq + length + missing, self.fin_seq) > 0:
            # Bytes past the FIN: no receiver takes them.
            room = <uint32_t>max(0, seq_diff(self.fin_seq, self.next_seq))
            missing = min(missing, room - length) if room > length else 0
            self.tally.ignored_bytes += length - min(length, room)
            length = min(length, room)
        if length:
            self.deliver_bytes(sink, side, data, length, time_ns)
        if missing:
            self.next_seq += missing
            self.note_gap(missing)
            self.tally.truncated_bytes += missing
            sink.gap(side, missing, time_ns)
        return 0

    cdef int deliver_bytes(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1:
        recent_keep(&self.recent, self.next_seq, data, length)
        if self.urgent_count:
            return self.deliver_urgent(sink, side, data, length, time_ns)
        self.next_seq += length
        return self.hand_over(sink, side, data, length, time_ns)

    cdef int deliver_urgent(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1:
        """Deliver what lies between urgent bytes."""
        cdef uint32_t stop, place
        cdef int index
        cdef bint is_urgent
        while length:
            stop = length
            is_urgent = False
            for index in range(self.urgent_count - 1, -1, -1):
                if seq_diff(self.urgent[index], self.next_seq) < 0:
                    self.urgent_count -= 1
                    self.urgent[index] = self.urgent[self.urgent_count]
                else:
                    place = self.urgent[index] - self.next_seq
                    if place < stop:
                        stop = place
                        is_urgent = True
            self.next_seq += stop + is_urgent
            self.tally.ignored_bytes += is_urgent
            if stop:
                self.hand_over(sink, side, data, stop, time_ns)
            data += stop + is_urgent
            length -= stop + is_urgent
        return 0

    cdef int hand_over(self, StreamSink sink, int side, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1:
        """Give the sink what lies within the depth, and tell it how much more there was."""
        cdef uint32_t seen = length
        if self.limits.depth and self.delivered + length > self.limits.depth:
            seen = <uint32_t>(self.limits.depth - self.delivered) if self.delivered < self.limits.depth else 0
            self.hit_depth = True
        self.delivered += seen
        self.tally.delivered_bytes += seen
        if seen:
            sink.data(side, data, seen, time_ns)
        if seen < length:
            self.tally.ignored_bytes += length - seen
            sink.gap(side, length - seen, time_ns)
        return 0

    cdef void note_gap(self, uint32_t length) noexcept:
        self.gaps += 1
        self.tally.gaps += 1
        self.tally.gap_bytes += length

    cdef int drain(self, StreamSink sink, int side) except -1:
        """Deliver what has become contiguous."""
        cdef Piece piece
        cdef list pieces = self.queue.pieces
        cdef Py_ssize_t count = 0
        try:
            while count < len(pieces):
                piece = <Piece>pieces[count]
                if seq_diff(piece.seq, self.next_seq) > 0:
                    break
                count += 1
                self.tally.held_bytes -= 0 if piece.data is None else piece.length
                self.deliver_piece(sink, side, piece)
        finally:  # whatever the sink raised, no piece is there twice
            if count:
                self.queue.remove(0, count)
        if count and pieces:  # each hole waits from when the first bytes behind it came, not for the hole before it
            self.hole_since_ns = (<Piece>pieces[0]).time_ns
        return 0

    cdef int deliver_piece(self, StreamSink sink, int side, Piece piece) except -1:
        """Deliver what is new of a piece that begins no later than the next byte (a SYN may have moved that)."""
        cdef uint32_t old = min(<uint32_t>-seq_diff(piece.seq, self.next_seq), piece.length)
        if piece.data is None:
            return self.deliver(sink, side, NULL, 0, piece.length - old, piece.time_ns)
        self.tally.retransmitted_bytes += old
        return self.deliver(sink, side, <const uint8_t*>PyBytes_AS_STRING(piece.data) + piece.skip + old, piece.length - old, 0,
                            piece.time_ns)

    # -- holes and ends ---------------------------------------------------------------------------------------------------

    cdef int give_up_hole(self, StreamSink sink, int side, uint64_t time_ns) except -1:
        """Declare the bytes before the first held piece lost, and go on behind them."""
        cdef int32_t length
        if not self.is_holding():
            return 0
        length = seq_diff((<Piece>self.queue.pieces[0]).seq, self.next_seq)
        if length > 0:
            self.note_gap(length)
            self.lose(length)
            self.next_seq += <uint32_t>length
            sink.gap(side, length, time_ns)
        return self.drain(sink, side)

    cdef uint64_t hole_deadline(self, bint is_one_sided) noexcept:
        """Return the packet time at which the first hole becomes a gap, or 0."""
        if not self.is_holding():
            return 0
        if is_one_sided:
            return self.hole_since_ns + ONE_SIDED_HOLE_NS
        if self.has_acked and seq_diff(self.acked, (<Piece>self.queue.pieces[0]).seq) >= 0:
            return self.hole_since_ns + ACKED_HOLE_NS
        return 0

    cdef int end_tail(self, StreamSink sink, int side, uint64_t time_ns) except -1:
        """Deliver what is held and tell of lost bytes behind it: the flow ends. *sink* None: nobody listens."""
        cdef uint32_t length
        if self.is_complete():
            return self.let_go(&self.tally.ignored_bytes)  # it lies behind the FIN
        if sink is not None and not self.is_ended:
            while self.is_holding():
                self.give_up_hole(sink, side, time_ns)
        length = self.tail()
        if not length:
            return 0
        self.tally.lost_bytes += length
        if sink is not None and self.delivered and not self.is_ended:
            self.note_gap(length)
            self.next_seq += length
            sink.gap(side, length, time_ns)
        return 0

    cdef int keep_syn_data(self, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1:
        """Keep what came with a SYN (RFC 7413): the server may take it, or throw it away and have it sent again."""
        self.syn_data = PyBytes_FromStringAndSize(<const char*>data, length)
        self.syn_data_ns = time_ns
        self.tally.held_bytes += length
        return 0

    cdef int take_syn_data(self, StreamSink sink, int side, uint32_t length) except -1:
        """Deliver the first *length* bytes of what came with the SYN; nobody took the rest."""
        cdef bytes data = self.syn_data
        cdef uint32_t taken = min(length, <uint32_t>len(data))
        self.syn_data = None
        self.tally.held_bytes -= len(data)
        self.tally.ignored_bytes += len(data) - taken
        if taken:
            self.add(sink, side, self.isn + 1, <const uint8_t*>PyBytes_AS_STRING(data), taken, 0, self.syn_data_ns, True)
        return 0

    cdef int let_go(self, uint64_t* counted_in) except -1:
        """Let go of what is held, undelivered."""
        if self.queue is not None:
            self.tally.held_bytes -= self.queue.data_bytes
            counted_in[0] += self.queue.data_bytes
            self.queue.remove(0, len(self.queue.pieces))
        if self.syn_data is not None:
            self.tally.held_bytes -= len(self.syn_data)
            counted_in[0] += len(self.syn_data)
            self.syn_data = None
        return 0

    cdef void forget(self) noexcept:
        """Free what is kept for comparing: the flow is over."""
        recent_free(&self.recent)
