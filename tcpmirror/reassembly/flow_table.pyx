# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The flow table: which flow a segment belongs to, and what its header and payload mean for that flow.

A segment that only the sensor sees (a TTL too small for the server, a number outside its window) must not end or begin anything:
a SYN, a FIN or a RST counts when the other end agrees, or when its sender does nothing that contradicts it.
"""
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from tcpmirror.model.segment cimport Segment, TcpFlag
from tcpmirror.model.stream cimport EndKind
from tcpmirror.reassembly.flow cimport Flow, FlowState
from tcpmirror.reassembly.flow_store cimport FlowStore
from tcpmirror.reassembly.half_stream cimport HalfStream
from tcpmirror.reassembly.origins cimport Origin
from tcpmirror.reassembly.sequence cimport seq_diff

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BIT_ONE_SIDED = 1 << Anomaly.ONE_SIDED

cdef enum:
    NEAR_BYTES = 1 << 20      # a RST further ahead is not believed, and nothing so far from a closed connection belongs to it


cdef class FlowTable(FlowStore):
    """The flows of one worker, and the way of segments into them."""

    # -- one segment --------------------------------------------------------------------------------------------------------

    cdef int add(self, const Segment* s, const uint8_t* payload) except -1:
        """Take one segment; every byte of its payload ends in one sum of its origin."""
        cdef Flow flow = self.index.find(s)
        cdef bint from_b
        self.current = flow
        self.pending_bytes = s.payload_length
        if flow is not None and s.time_ns >= flow.due_ns:
            self.run_deadlines(flow, s.time_ns)
        if flow is None or flow.is_removed:
            if s.flags & TcpFlag.TCP_RST:
                return self.ignore(self.origins.of(s, self.source))
            flow = self.current = self.open(s)
        from_b = flow.is_sender_b(s)
        if self.begins_again(flow, s, from_b):
            self.restart(flow, s)
            from_b = flow.is_sender_b(s)
        if flow.state >= FlowState.CLOSED or (flow.successor.exists and s.flags & TcpFlag.TCP_SYN and s.seq == flow.successor.isn):
            return self.ignore(flow.origin)
        self.see_sender(flow, from_b)
        if s.time_ns > flow.last_ns:
            flow.last_ns = s.time_ns
        self.index.touch(flow)
        self.take(flow, s, payload, from_b)
        return self.ignore(flow.origin)

    cdef int ignore(self, Origin origin) noexcept:
        """Count what no half has taken of the segment's payload."""
        origin.tally.ignored_bytes += self.pending_bytes
        self.pending_bytes = 0
        return 0

    cdef void see_sender(self, Flow flow, bint from_b) noexcept:
        """Note that a direction is mirrored."""
        if flow.has_seen_b if from_b else flow.has_seen_a:
            return
        if from_b:
            flow.has_seen_b = True
        else:
            flow.has_seen_a = True
        if flow.info is not None and not flow.is_one_sided():
            flow.info.anomalies &= ~BIT_ONE_SIDED

    cdef int take(self, Flow flow, const Segment* s, const uint8_t* payload, bint from_b) except -1:
        """Do what the flags say in the order in which a receiver does, then take the payload."""
        cdef HalfStream half = flow.half(from_b)
        cdef HalfStream peer = flow.half(not from_b)
        cdef bint has_ack = (s.flags & TcpFlag.TCP_ACK) != 0
        cdef uint32_t seq = s.seq
        if s.flags & TcpFlag.TCP_RST:
            return self.see_reset(flow, s, from_b)
        if s.flags & TcpFlag.TCP_SYN:
            seq += 1
            self.see_syn(flow, s, payload, from_b)
            if not has_ack:
                self.schedule(flow)
                return self.account(flow)
        if half.syn_data is not None or peer.syn_data is not None:
            self.decide_syn_data(flow, s, from_b)
        if has_ack:
            peer.see_ack(s.ack)
            if peer.has_fin and not peer.is_ended:
                self.settle(flow, s.time_ns)  # an end that this acknowledges comes before what this says
        if s.flags & TcpFlag.TCP_URG and s.payload_length:
            half.see_urgent(seq + (s.urgent - 1 if s.urgent else 0))
        if s.flags & TcpFlag.TCP_FIN:
            if not half.is_started:
                half.start(seq)
            half.see_fin(seq + s.payload_length + s.missing_length)
        if s.payload_length + s.missing_length and not half.is_ended:
            self.take_data(flow, s, payload, from_b)
        if half.has_fin or peer.has_fin or half.is_odd():
            self.settle(flow, s.time_ns)
        if not flow.has_only_later_deadlines():
            self.schedule(flow)
        return self.account(flow)

    cdef int take_data(self, Flow flow, const Segment* s, const uint8_t* payload, bint from_b) except -1:
        cdef HalfStream half = flow.half(from_b)
        cdef uint32_t seq = s.seq + (s.flags & TcpFlag.TCP_SYN != 0)
        if flow.sink is None:
            self.open_sink(flow, from_b)
        if flow.reset_ns and flow.is_reset_by_b == from_b and seq_diff(seq + s.payload_length, half.next_seq) > 0:
            flow.reset_ns = 0  # whoever sent that, its sender goes on
            half.is_false_end = True
        if flow.sink.deadline_ns and s.time_ns >= flow.sink.deadline_ns:
            flow.sink.tick(s.time_ns)
        self.pending_bytes = 0
        return half.add(flow.sink, flow.side(from_b), seq, payload, s.payload_length, s.missing_length, s.time_ns,
                        flow.side(from_b) == 1 or flow.is_one_sided())

    # -- SYN and RST --------------------------------------------------------------------------------------------------------

    cdef int see_syn(self, Flow flow, const Segment* s, const uint8_t* payload, bint from_b) except -1:
        """Learn where a direction begins; what the server's SYN-ACK says of the client's goes before the client's own word."""
        cdef HalfStream half = flow.half(from_b)
        cdef HalfStream peer = flow.half(not from_b)
        cdef bint has_ack = (s.flags & TcpFlag.TCP_ACK) != 0
        cdef int32_t taken
        if not half.delivered:
            if half.syn_data is not None and half.isn != s.seq:
                half.let_go(&half.tally.ignored_bytes)
            half.see_syn(s.seq)
        if not flow.is_client_known and flow.sink is None:
            flow.is_client_known = True
            flow.is_b_client = from_b != has_ack
        if has_ack and peer.has_syn and not peer.delivered and not peer.is_holding():
            taken = seq_diff(s.ack, peer.isn + 1)
            if taken < 0 or taken > (0 if peer.syn_data is None else len(peer.syn_data)):
                peer.let_go(&peer.tally.ignored_bytes)
                peer.see_syn(s.ack - 1)
        if s.payload_length and not has_ack and not half.delivered and half.syn_data is None:
            half.keep_syn_data(payload, s.payload_length, s.time_ns)
            self.pending_bytes = 0
        return 0

    cdef int decide_syn_data(self, Flow flow, const Segment* s, bint from_b) except -1:
        """Data of a SYN counts as far as the server acknowledged it; unheard, as far as its sender does not repeat it (RFC 7413)."""
        cdef HalfStream half = flow.half(from_b)
        cdef HalfStream peer = flow.half(not from_b)
        cdef int32_t taken
        if peer.syn_data is not None and s.flags & TcpFlag.TCP_ACK:
            taken = seq_diff(s.ack, peer.isn + 1)
            if taken > 0 or (taken == 0 and s.flags & TcpFlag.TCP_SYN):
                self.take_syn_data(flow, not from_b, taken)
        if half.syn_data is not None and not s.flags & TcpFlag.TCP_SYN:
            taken = seq_diff(s.seq, half.isn + 1)
            if taken >= 0:
                self.take_syn_data(flow, from_b, taken)
        return 0

    cdef int see_reset(self, Flow flow, const Segment* s, bint from_b) except -1:
        """A server's RST ends the flow; a client's one does when nothing more comes of the client for the closing time.

        Out of the window it is nothing (RFC 5961, section 3; a number that is inside and not exact gets a challenge, so doubt serves
        that too).
        """
        cdef HalfStream half = flow.half(from_b)
        cdef uint32_t lowest = half.next_seq
        if half.is_started:
            if half.has_acked and seq_diff(half.acked, lowest) < 0:
                lowest = half.acked
            if seq_diff(s.seq, lowest) < 0 or seq_diff(s.seq, half.next_seq) > NEAR_BYTES:
                return 0
        if flow.sink is None or (flow.is_client_known and flow.side(from_b) == 1):
            return self.close(flow, EndKind.END_RESET, s.time_ns, FlowState.RESET)
        if not flow.reset_ns:
            flow.reset_ns = s.time_ns
            flow.is_reset_by_b = from_b
        return self.schedule(flow)

    # -- a 4-tuple used again -----------------------------------------------------------------------------------------------

    cdef bint begins_again(self, Flow flow, const Segment* s, bint from_b):
        """Whether the segment shows that a new connection has the 4-tuple; a SYN that is not believed yet is remembered."""
        cdef HalfStream half = flow.half(from_b)
        cdef HalfStream peer = flow.half(not from_b)
        cdef int32_t ahead
        if flow.successor.exists and self.is_succeeded(flow, s, from_b):
            return True
        if s.flags & TcpFlag.TCP_SYN:
            if half.has_syn and half.isn == s.seq:
                return False
            if flow.state >= FlowState.CLOSED:
                return True
            if half.delivered or (half.has_syn and half.has_acked and half.acked == half.isn + 1):
                flow.successor.exists = True
                flow.successor.from_b = from_b
                flow.successor.isn = s.seq
                flow.successor.is_answer = s.flags & TcpFlag.TCP_ACK != 0
            return False
        if flow.state < FlowState.CLOSED or s.flags & TcpFlag.TCP_RST:
            return False
        if s.flags & TcpFlag.TCP_ACK and peer.is_started and not -NEAR_BYTES < seq_diff(s.ack, peer.next_seq) < NEAR_BYTES:
            return True  # its own numbers may be those of the one before, its peer's are not
        if not s.payload_length or not half.is_started:
            return False
        ahead = seq_diff(s.seq, half.next_seq)
        return ahead >= 0 if flow.state == FlowState.RESET else not -NEAR_BYTES < ahead < NEAR_BYTES

    cdef bint is_succeeded(self, Flow flow, const Segment* s, bint from_b) noexcept:
        """Whether the other end of the successor's SYN agrees, or where that is not mirrored its own data does."""
        cdef uint32_t begin = flow.successor.isn + 1
        cdef HalfStream half = flow.half(flow.successor.from_b)
        cdef int32_t off
        if from_b == flow.successor.from_b:
            return s.payload_length and s.seq == begin and half.next_seq != begin and flow.is_one_sided()
        if not s.flags & TcpFlag.TCP_ACK or half.next_seq == begin:
            return False
        off = seq_diff(s.ack, half.next_seq)
        return s.ack == begin or (0 < seq_diff(s.ack, begin) < NEAR_BYTES and not -NEAR_BYTES < off < NEAR_BYTES)

    cdef int restart(self, Flow flow, const Segment* s) except -1:
        """The 4-tuple is used by a new connection: end the old one and begin again in the same place."""
        cdef bint was_open = flow.state < FlowState.CLOSED and flow.sink is not None
        cdef bint is_syn = s.flags & TcpFlag.TCP_SYN != 0
        cdef bint is_succession = flow.successor.exists and not (is_syn and not s.flags & TcpFlag.TCP_ACK)
        self.close(flow, EndKind.END_INPUT, s.time_ns, FlowState.CLOSED)
        flow.state = FlowState.OPENING
        self.open_halves(flow)
        flow.is_client_known = flow.is_b_client = False
        flow.is_midstream = not is_syn and not is_succession
        flow.has_seen_a = flow.has_seen_b = False
        flow.was_reused = was_open
        flow.reset_ns = 0
        flow.last_ns = s.time_ns
        self.flows_total += 1
        if is_succession:
            flow.is_client_known = True
            flow.is_b_client = flow.successor.from_b != flow.successor.is_answer
            flow.half(flow.successor.from_b).see_syn(flow.successor.isn)
            self.see_sender(flow, flow.successor.from_b)
        flow.successor.exists = False
        return self.schedule(flow)

    # -- for tests and tools ------------------------------------------------------------------------------------------------

    def feed(self, bytes src, int sport, bytes dst, int dport, uint32_t seq, uint32_t ack, int flags, bytes payload=b"",
             uint64_t time_ns=0, uint32_t missing=0, int domain=0, uint64_t flow_hash=0, int vlan=0, int inner_vlan=0, int vni=-1,
             int urgent=0):
        """Take a segment given as plain values (for tests and tools): packed addresses, TCP flags as on the wire."""
        cdef Segment s
        memset(&s, 0, sizeof(Segment))
        s.time_ns = time_ns
        s.flow_hash = flow_hash
        memcpy(s.src, <const char*>src, len(src))
        memcpy(s.dst, <const char*>dst, len(dst))
        s.ip_version = 4 if len(src) == 4 else 6
        s.sport = <uint16_t>sport
        s.dport = <uint16_t>dport
        s.seq = seq
        s.ack = ack
        s.flags = <uint8_t>flags
        s.urgent = <uint16_t>urgent
        s.payload_length = <uint32_t>len(payload)
        s.missing_length = missing
        s.vlan = <uint16_t>vlan
        s.inner_vlan = <uint16_t>inner_vlan
        s.vni = vni
        s.domain = <uint16_t>domain
        self.add(&s, <const uint8_t*><const char*>payload)
