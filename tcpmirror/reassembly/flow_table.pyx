# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The flow table: which flow a segment belongs to, and when flows begin and end.

All time is packet time. Whatever a flow does depends on its own segments only: a deadline that has passed is applied, with its
own time, before the next segment is looked at, so it makes no difference when the table's clock gets round to it. That is why the
same capture gives the same exchanges with any number of workers.

Flows hang in three structures: hash buckets (to find them), a list by age of the last segment (to evict the longest idle one
at a limit), and a wheel of 100 ms slots (to find passed deadlines; a flow stands in it once and is moved on when met).
"""
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from tcpmirror.model.segment cimport Segment, TcpFlag
from tcpmirror.model.stream cimport EndKind, FlowInfo, SinkFactory, StreamSink
from tcpmirror.reassembly.half_stream cimport HalfStream
from tcpmirror.reassembly.origins cimport Origin, Origins, Tally
from tcpmirror.reassembly.sequence cimport seq_diff

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BIT_GAP = 1 << Anomaly.GAP
cdef uint64_t BIT_CONFLICT = 1 << Anomaly.OVERLAP_CONFLICT
cdef uint64_t BIT_MIDSTREAM = 1 << Anomaly.MIDSTREAM
cdef uint64_t BIT_REORDER = 1 << Anomaly.REORDER_LIMIT
cdef uint64_t BIT_REUSED = 1 << Anomaly.TUPLE_REUSED
cdef uint64_t BIT_ONE_SIDED = 1 << Anomaly.ONE_SIDED
cdef uint64_t BIT_RESET = 1 << Anomaly.RESET

cdef enum:
    FLOW_BYTES = 1200         # a flow with its two halves, its place in the wheel and no data: measured with a million of them
    RST_WINDOW = 1 << 20      # a reset further from the next byte than this is not believed
cdef uint64_t SLOT_NS = 100_000_000


cdef class Flow:
    """One 4-tuple. `a` is the end that sent the first segment seen."""


cdef inline bint is_from_b(Flow flow, const Segment* s) noexcept:
    return not (flow.a_port == s.sport and flow.b_port == s.dport
                and memcmp(flow.a_ip, s.src, 16) == 0 and memcmp(flow.b_ip, s.dst, 16) == 0)


cdef inline bint is_same_tuple(Flow flow, const Segment* s) noexcept:
    if flow.domain != s.domain or flow.ip_version != s.ip_version:
        return False
    if flow.a_port == s.sport and flow.b_port == s.dport:
        if memcmp(flow.a_ip, s.src, 16) == 0 and memcmp(flow.b_ip, s.dst, 16) == 0:
            return True
    return (flow.a_port == s.dport and flow.b_port == s.sport
            and memcmp(flow.a_ip, s.dst, 16) == 0 and memcmp(flow.b_ip, s.src, 16) == 0)


cdef inline bint is_late_copy(HalfStream half, HalfStream peer, const Segment* s) noexcept:
    """Whether a segment of a flow that has ended belongs to it still: the two numbers it bears are those of the flow's own ends."""
    if s.flags & TcpFlag.TCP_SYN:
        return half.has_syn and half.isn == s.seq
    return peer.has_syn and 0 < seq_diff(s.ack, peer.isn) <= seq_diff(peer.next_seq, peer.isn) + 1


cdef class FlowTable:
    """The flows of one worker. ``memory_limit``: bytes for flows, held segments and what the sinks keep."""

    def __cinit__(self):
        self.bucket_count = 4096
        self.buckets = <PyObject**>PyMem_Malloc(self.bucket_count * sizeof(PyObject*))
        if self.buckets == NULL:
            raise MemoryError
        memset(self.buckets, 0, self.bucket_count * sizeof(PyObject*))

    def __init__(self, SinkFactory factory, *, Py_ssize_t memory_limit, Py_ssize_t flow_limit, uint64_t idle_ns, uint64_t half_open_ns,
                 uint64_t closing_ns, Py_ssize_t reorder_bytes, Py_ssize_t reorder_segments):
        self.factory = factory
        self.origins = Origins()
        self.wheel = {}
        self.memory_limit = memory_limit
        self.flow_limit = flow_limit
        self.idle_ns = idle_ns
        self.half_open_ns = half_open_ns
        self.closing_ns = closing_ns
        self.reorder_bytes = reorder_bytes
        self.reorder_segments = reorder_segments

    def __dealloc__(self):
        cdef Py_ssize_t index
        cdef PyObject* item
        cdef PyObject* following
        if self.buckets == NULL:
            return
        for index in range(self.bucket_count):
            item = self.buckets[index]
            while item != NULL:
                following = (<Flow>item).chain
                Py_DECREF(<object>item)
                item = following
        PyMem_Free(self.buckets)

    # -- one segment ------------------------------------------------------------------------------------------------------

    cdef int add(self, const Segment* s, const uint8_t* payload) except -1:
        """Take one segment; every byte of its payload ends in one sum of its origin."""
        cdef Flow flow = self.find(s)
        self.current = flow
        self.pending_bytes = s.payload_length
        cdef bint from_b
        cdef bint is_syn = (s.flags & TcpFlag.TCP_SYN) != 0
        cdef HalfStream half
        if flow is None:
            if s.flags & TcpFlag.TCP_RST:
                return self.ignore(self.origins.of(s, self.source))
            flow = self.current = self.open(s)
        else:
            self.run_deadlines(flow, s.time_ns)
            if flow.chain == <PyObject*>flow:  # it ended while its deadlines ran
                flow = self.current = self.open(s)
        from_b = is_from_b(flow, s)
        half = flow.b if from_b else flow.a
        if is_syn and not s.flags & TcpFlag.TCP_ACK:
            if flow.state >= FlowState.CLOSED:
                if half.has_syn and half.isn == s.seq and (flow.a if from_b else flow.b).has_syn:
                    # A copy of what has ended, by another source; or a connection that chose the same number, to look like one.
                    flow.reuse_isn = s.seq
                    flow.has_reuse_isn = True
                    return self.ignore(flow.origin)
                self.restart(flow, s)
            elif half.delivered and not (half.has_syn and half.isn == s.seq):
                flow.reuse_isn = s.seq  # believed only when the rest of the handshake, or data, agrees
                flow.has_reuse_isn = True
                return self.ignore(flow.origin)
        elif flow.has_reuse_isn and ((is_syn and s.ack == flow.reuse_isn + 1) or (s.payload_length and s.seq == flow.reuse_isn + 1
                                                                                  and seq_diff(s.seq, half.next_seq) != 0)):
            if flow.state >= FlowState.CLOSED and is_late_copy(half, flow.a if from_b else flow.b, s):
                return self.ignore(flow.origin)
            self.restart(flow, s)
        elif flow.state == FlowState.RESET and s.payload_length and half.is_started and seq_diff(s.seq, half.next_seq) >= 0:
            self.restart(flow, s)
            flow.is_midstream = True
        from_b = is_from_b(flow, s)
        if from_b:
            flow.has_seen_b = True
        else:
            flow.has_seen_a = True
        if s.time_ns > flow.last_ns:
            flow.last_ns = s.time_ns
        if self.newest != <PyObject*>flow:
            self.unlink(flow)
            self.link_newest(flow)
        if flow.state < FlowState.CLOSED:
            self.take(flow, s, payload, from_b)
        return self.ignore(flow.origin)

    cdef int ignore(self, Origin origin) noexcept:
        """Count what no half has taken of the segment's payload."""
        origin.tally.ignored_bytes += self.pending_bytes
        self.pending_bytes = 0
        return 0

    cdef int take(self, Flow flow, const Segment* s, const uint8_t* payload, bint from_b) except -1:
        cdef HalfStream half = flow.b if from_b else flow.a
        cdef HalfStream peer = flow.a if from_b else flow.b
        cdef uint32_t seq = s.seq
        cdef bint has_ack = (s.flags & TcpFlag.TCP_ACK) != 0
        if s.flags & TcpFlag.TCP_SYN:
            seq += 1
            if not half.delivered:
                half.see_syn(s.seq)
            if not flow.is_client_known and flow.sink is None:
                flow.is_client_known = True
                flow.is_b_client = from_b != has_ack
        if s.flags & TcpFlag.TCP_RST:
            if half.is_started and not -RST_WINDOW < seq_diff(seq, half.next_seq) < RST_WINDOW:
                return 0
            return self.close(flow, EndKind.END_RESET, s.time_ns, FlowState.RESET)
        if has_ack:
            peer.see_ack(s.ack)
        if s.flags & TcpFlag.TCP_FIN:
            if not half.is_started:
                half.start(seq)
            half.see_fin(seq + s.payload_length + s.missing_length)
        if s.payload_length + s.missing_length and not half.is_ended:
            if flow.sink is None:
                self.open_sink(flow, from_b)
            if flow.sink.deadline_ns and s.time_ns >= flow.sink.deadline_ns:
                flow.sink.tick(s.time_ns)
            self.pending_bytes = 0
            half.add(flow.sink, from_b != flow.is_b_client, seq, payload, s.payload_length, s.missing_length, s.time_ns,
                     self.reorder_bytes, self.reorder_segments)
        if half.has_fin or peer.has_fin or half.pieces or half.gaps or half.conflicts:
            self.settle(flow, s.time_ns)
        self.schedule(flow)
        return self.account(flow)

    cdef int settle(self, Flow flow, uint64_t time_ns) except -1:
        """Note anomalies, and deliver the ends that are due."""
        cdef HalfStream half, peer
        cdef int index
        for index in range(2):
            half = flow.b if index else flow.a
            peer = flow.a if index else flow.b
            if flow.info is not None:
                flow.info.anomalies |= ((BIT_GAP if half.gaps else 0) | (BIT_CONFLICT if half.conflicts else 0)
                                        | (BIT_REORDER if half.hit_limit else 0))
            if half.is_complete() and not half.is_ended:
                half.let_go(&half.tally.ignored_bytes)  # it lies behind the FIN
                if peer.is_waiting() and not peer.is_ended:
                    continue  # what the peer said before this end is still to come, or lost: that has to be told first
                half.is_ended = True
                if flow.sink is not None:
                    flow.sink.end(index != flow.is_b_client, EndKind.END_FIN, time_ns)
        if flow.a.is_ended and flow.b.is_ended:
            self.close(flow, EndKind.END_FIN, time_ns, FlowState.CLOSED)
        return 0

    cdef int open_sink(self, Flow flow, bint from_b) except -1:
        """Make the flow's sink, now that it has data: a scanned port costs no parser."""
        cdef FlowInfo info = FlowInfo.__new__(FlowInfo)
        cdef int size = 4 if flow.ip_version == 4 else 16
        if not flow.is_client_known:
            flow.is_b_client = from_b
            flow.is_midstream = True
        a_ip = (<const char*>flow.a_ip)[:size]
        b_ip = (<const char*>flow.b_ip)[:size]
        info.client_ip, info.server_ip = (b_ip, a_ip) if flow.is_b_client else (a_ip, b_ip)
        info.client_port = flow.b_port if flow.is_b_client else flow.a_port
        info.server_port = flow.a_port if flow.is_b_client else flow.b_port
        info.source = flow.domain
        info.vlan = flow.vlan
        info.inner_vlan = flow.inner_vlan
        info.vni = flow.vni
        info.tunnel = flow.tunnel
        info.flow_hash = flow.hash
        info.is_client_known = flow.is_client_known
        info.anomalies = (BIT_MIDSTREAM if flow.is_midstream else 0) | (BIT_REUSED if flow.was_reused else 0)
        flow.info = info
        flow.sink = self.factory.open(info)
        flow.state = FlowState.FLOWING
        if flow.a.is_ended:
            flow.sink.end(0 != flow.is_b_client, EndKind.END_FIN, flow.last_ns)
        if flow.b.is_ended:
            flow.sink.end(1 != flow.is_b_client, EndKind.END_FIN, flow.last_ns)
        return 0

    # -- beginnings and ends ----------------------------------------------------------------------------------------------

    cdef Flow find(self, const Segment* s):
        cdef PyObject* item = self.buckets[s.flow_hash & <uint64_t>(self.bucket_count - 1)]
        cdef Flow flow
        while item != NULL:
            flow = <Flow>item
            if flow.hash == s.flow_hash and is_same_tuple(flow, s):
                return flow
            item = flow.chain
        return None

    cdef Flow open(self, const Segment* s):
        cdef Flow flow
        cdef PyObject** bucket
        if self.flows >= self.flow_limit:
            self.evict(<Flow>self.oldest)
        if self.flows >= self.bucket_count:
            self.grow()
        flow = Flow.__new__(Flow)
        flow.hash = s.flow_hash
        memcpy(flow.a_ip, s.src, 16)
        memcpy(flow.b_ip, s.dst, 16)
        flow.a_port = s.sport
        flow.b_port = s.dport
        flow.domain = s.domain
        flow.ip_version = s.ip_version
        flow.vlan = s.vlan
        flow.inner_vlan = s.inner_vlan
        flow.vni = s.vni
        flow.tunnel = s.tunnel
        flow.origin = self.origins.of(s, self.source)
        self.open_halves(flow)
        flow.last_ns = s.time_ns
        flow.counted_bytes = FLOW_BYTES
        self.held_bytes += FLOW_BYTES
        bucket = &self.buckets[s.flow_hash & <uint64_t>(self.bucket_count - 1)]
        flow.chain = bucket[0]
        bucket[0] = <PyObject*>flow
        Py_INCREF(flow)
        self.link_newest(flow)
        self.flows += 1
        self.flows_total += 1
        self.schedule(flow)
        return flow

    cdef int open_halves(self, Flow flow) except -1:
        flow.a = HalfStream.__new__(HalfStream)
        flow.b = HalfStream.__new__(HalfStream)
        flow.a.tally = flow.b.tally = &flow.origin.tally
        return 0

    cdef int restart(self, Flow flow, const Segment* s) except -1:
        """The 4-tuple is used by a new connection: end the old one and begin again in the same slot."""
        cdef bint was_open = flow.state < FlowState.CLOSED and flow.sink is not None
        cdef uint32_t isn = flow.reuse_isn
        cdef bint had_isn = flow.has_reuse_isn
        self.close(flow, EndKind.END_INPUT, s.time_ns, FlowState.CLOSED)
        flow.state = FlowState.OPENING
        self.open_halves(flow)
        flow.is_client_known = False
        flow.is_b_client = False
        flow.is_midstream = False
        flow.has_seen_a = flow.has_seen_b = False
        flow.was_reused = was_open
        flow.has_reuse_isn = False
        self.flows_total += 1
        if had_isn and not (s.flags & TcpFlag.TCP_SYN and not s.flags & TcpFlag.TCP_ACK):
            # The SYN was seen before: its sender is the other end of this SYN-ACK, or the sender of this data.
            flow.is_client_known = True
            flow.is_b_client = is_from_b(flow, s) != (s.flags & TcpFlag.TCP_SYN != 0)
            (flow.b if flow.is_b_client else flow.a).see_syn(isn)
        return self.schedule(flow)

    cdef int close(self, Flow flow, EndKind how, uint64_t time_ns, FlowState state) except -1:
        """End both directions and let go of what the flow holds; it stays findable until it is removed."""
        cdef HalfStream half
        cdef int index, side
        cdef StreamSink sink = flow.sink
        cdef bint was_open = flow.state < FlowState.CLOSED
        flow.state = state
        if was_open:
            flow.a.end_tail(sink, 0 != flow.is_b_client, time_ns)
            flow.b.end_tail(sink, 1 != flow.is_b_client, time_ns)
        if sink is not None:
            if flow.a.gaps or flow.b.gaps:
                flow.info.anomalies |= BIT_GAP
            if not (flow.has_seen_a and flow.has_seen_b):
                flow.info.anomalies |= BIT_ONE_SIDED
            if how == EndKind.END_RESET:
                flow.info.anomalies |= BIT_RESET
            for index in range(2):
                half = flow.b if index else flow.a
                side = index != flow.is_b_client
                if not half.is_ended:
                    half.is_ended = True
                    sink.end(side, EndKind.END_FIN if half.is_complete() else how, time_ns)
        if was_open:
            self.note_mirror(flow, sink is not None)
        flow.sink = None
        flow.info = None
        self.held_bytes -= flow.counted_bytes - FLOW_BYTES
        flow.counted_bytes = FLOW_BYTES
        return self.schedule(flow)

    cdef void note_mirror(self, Flow flow, bint has_data) noexcept:
        """Count what a flow tells about the mirror, once it is over."""
        cdef Tally* tally = &flow.origin.tally
        if not has_data:
            return
        tally.flows += 1
        tally.no_syn_flows += flow.is_midstream
        tally.one_sided_flows += not (flow.has_seen_a and flow.has_seen_b)

    cdef int remove(self, Flow flow) except -1:
        """Take the flow out of the buckets and the age list. Its place in the wheel is dropped when met."""
        cdef PyObject** link = &self.buckets[flow.hash & <uint64_t>(self.bucket_count - 1)]
        while link[0] != NULL and link[0] != <PyObject*>flow:
            link = &(<Flow>link[0]).chain
        if link[0] == NULL:
            return 0
        link[0] = flow.chain
        flow.chain = <PyObject*>flow  # marks a flow that is no longer in the table
        self.unlink(flow)
        self.flows -= 1
        self.held_bytes -= flow.counted_bytes
        Py_DECREF(flow)
        return 0

    cdef int account(self, Flow flow) except -1:
        """Bring the total of held bytes up to date; past the limit the longest idle flows go."""
        cdef Py_ssize_t now = FLOW_BYTES + flow.a.held_bytes + flow.b.held_bytes
        if flow.sink is not None:
            now += flow.sink.held_bytes
        self.held_bytes += now - flow.counted_bytes
        flow.counted_bytes = now
        while self.held_bytes > self.memory_limit and self.oldest != NULL:
            self.memory_limit_hits += 1
            self.evict(<Flow>self.oldest)
        return 0

    cdef int evict(self, Flow victim) except -1:
        """End the flow for want of room; should its sink raise, it is this flow that is abandoned."""
        cdef Flow current = self.current
        self.flows_evicted += 1
        self.current = victim
        self.close(victim, EndKind.END_EVICTED, victim.last_ns, FlowState.CLOSED)
        self.remove(victim)
        self.current = current
        return 0

    # -- time -------------------------------------------------------------------------------------------------------------

    cdef uint64_t deadline(self, Flow flow):
        """Return the packet time at which something happens to the flow if no segment comes."""
        cdef uint64_t due, other
        cdef bint one_sided = not (flow.has_seen_a and flow.has_seen_b)
        if flow.state >= FlowState.CLOSED:
            return flow.last_ns + self.closing_ns
        if (flow.a.is_complete() and not flow.a.is_ended) or (flow.b.is_complete() and not flow.b.is_ended):
            due = flow.last_ns + self.closing_ns  # an end that waits for lost bytes of the other direction
        else:
            due = flow.last_ns + (self.half_open_ns if flow.state == FlowState.OPENING else self.idle_ns)
        other = flow.a.hole_deadline(one_sided)
        if other and other < due:
            due = other
        other = flow.b.hole_deadline(one_sided)
        if other and other < due:
            due = other
        if flow.sink is not None and flow.sink.deadline_ns and flow.sink.deadline_ns < due:
            due = flow.sink.deadline_ns
        return due

    cdef int run_deadlines(self, Flow flow, uint64_t now_ns) except -1:
        """Do what was due up to *now_ns*, each at its own time; removes the flow when its idle time is over."""
        cdef uint64_t due, hole
        cdef bint one_sided
        cdef int index, rounds = 0
        cdef HalfStream half
        while rounds < 10000:
            rounds += 1
            due = self.deadline(flow)
            if due > now_ns:
                return 0
            one_sided = not (flow.has_seen_a and flow.has_seen_b)
            if flow.sink is not None and flow.sink.deadline_ns and flow.sink.deadline_ns <= due:
                flow.sink.tick(due)
                continue
            for index in range(2):
                half = flow.b if index else flow.a
                hole = half.hole_deadline(one_sided)
                if hole and hole <= due and flow.state < FlowState.CLOSED:
                    half.give_up_hole(flow.sink, index != flow.is_b_client, due)
                    self.settle(flow, due)
                    break
            else:
                if flow.state < FlowState.CLOSED:
                    self.flows_idle += 1
                    self.close(flow, EndKind.END_IDLE, due, FlowState.CLOSED)
                return self.remove(flow)
        return 0

    cdef int schedule(self, Flow flow) except -1:
        """See that the wheel meets the flow no later than at its deadline."""
        cdef uint64_t slot = self.deadline(flow) // SLOT_NS + 1
        cdef list flows
        if flow.slot > self.wheel_at and flow.slot <= slot:
            return 0
        flow.slot = slot
        flows = self.wheel.get(slot)
        if flows is None:
            self.wheel[slot] = [flow]
        else:
            flows.append(flow)
        return 0

    cdef int visit(self, uint64_t slot, uint64_t now_ns) except -1:
        cdef list flows = self.wheel.pop(slot, None)
        cdef Flow flow
        if flows is None:
            return 0
        for flow in flows:
            if flow.chain == <PyObject*>flow or flow.slot != slot:
                continue  # gone, or standing in an earlier slot since
            flow.slot = 0
            self.current = flow
            self.run_deadlines(flow, now_ns)
            if flow.chain != <PyObject*>flow:
                self.account(flow)
                self.schedule(flow)
        return 0

    cdef int advance_to(self, uint64_t now_ns) except -1:
        """Let packet time reach *now_ns*: run the deadlines that have passed."""
        cdef uint64_t slot = now_ns // SLOT_NS
        if slot <= self.wheel_at:
            return 0
        if slot - self.wheel_at > 64:
            for due in sorted([key for key in self.wheel if key <= slot]):
                self.visit(due, now_ns)
        else:
            while self.wheel_at < slot:
                self.wheel_at += 1
                self.visit(self.wheel_at, now_ns)
        self.wheel_at = slot
        return 0

    def advance(self, uint64_t now_ns):
        """`advance_to` for Python callers."""
        self.advance_to(now_ns)

    def abandon(self):
        """Drop the flow that was being worked on, untold: its sink raised."""
        cdef Flow flow = self.current
        self.current = None
        if flow is None:
            return
        flow.origin.tally.abandoned_bytes += self.pending_bytes
        self.pending_bytes = 0
        flow.a.let_go(&flow.origin.tally.abandoned_bytes)
        flow.b.let_go(&flow.origin.tally.abandoned_bytes)
        if flow.chain == <PyObject*>flow:
            return
        flow.sink = None
        flow.state = FlowState.CLOSED
        self.remove(flow)

    def end_all(self, int domain=-1):
        """End every flow (of *domain*, if given) as at the end of its input: what is pending is delivered."""
        cdef PyObject* item = self.oldest
        cdef Flow flow
        cdef list flows = []
        while item != NULL:
            flow = <Flow>item
            if domain < 0 or flow.domain == domain:
                flows.append(flow)
            item = flow.newer
        for flow in flows:
            self.current = flow
            if flow.state < FlowState.CLOSED:
                self.close(flow, EndKind.END_INPUT, flow.last_ns, FlowState.CLOSED)
            self.remove(flow)

    # -- sums -------------------------------------------------------------------------------------------------------------

    @property
    def stream_bytes(self):
        return self.origins.total().delivered_bytes

    @property
    def retransmitted_bytes(self):
        return self.origins.total().retransmitted_bytes

    @property
    def ignored_bytes(self):
        return self.origins.total().ignored_bytes

    @property
    def reorder_held_bytes(self):
        return self.origins.total().held_bytes

    @property
    def abandoned_bytes(self):
        return self.origins.total().abandoned_bytes

    @property
    def out_of_order_segments(self):
        return self.origins.total().out_of_order_segments

    @property
    def overlap_conflicts(self):
        return self.origins.total().overlap_conflicts

    @property
    def gaps(self):
        return self.origins.total().gaps

    @property
    def gap_bytes(self):
        return self.origins.total().gap_bytes

    @property
    def truncated_bytes(self):
        return self.origins.total().truncated_bytes

    @property
    def mirror_lost_bytes(self):
        return self.origins.total().lost_bytes

    # -- lists ------------------------------------------------------------------------------------------------------------

    cdef void link_newest(self, Flow flow) noexcept:
        flow.older = self.newest
        flow.newer = NULL
        if self.newest != NULL:
            (<Flow>self.newest).newer = <PyObject*>flow
        self.newest = <PyObject*>flow
        if self.oldest == NULL:
            self.oldest = <PyObject*>flow

    cdef void unlink(self, Flow flow) noexcept:
        if flow.older != NULL:
            (<Flow>flow.older).newer = flow.newer
        elif self.oldest == <PyObject*>flow:
            self.oldest = flow.newer
        if flow.newer != NULL:
            (<Flow>flow.newer).older = flow.older
        elif self.newest == <PyObject*>flow:
            self.newest = flow.older
        flow.older = flow.newer = NULL

    cdef int grow(self) except -1:
        cdef Py_ssize_t count = self.bucket_count * 4
        cdef PyObject** buckets = <PyObject**>PyMem_Malloc(count * sizeof(PyObject*))
        cdef Py_ssize_t index
        cdef PyObject* item
        cdef PyObject* following
        cdef uint64_t slot
        if buckets == NULL:
            raise MemoryError
        memset(buckets, 0, count * sizeof(PyObject*))
        for index in range(self.bucket_count):
            item = self.buckets[index]
            while item != NULL:
                following = (<Flow>item).chain
                slot = (<Flow>item).hash & <uint64_t>(count - 1)
                (<Flow>item).chain = buckets[slot]
                buckets[slot] = item
                item = following
        PyMem_Free(self.buckets)
        self.buckets = buckets
        self.bucket_count = count
        return 0

    def feed(self, bytes src, int sport, bytes dst, int dport, uint32_t seq, uint32_t ack, int flags, bytes payload=b"",
             uint64_t time_ns=0, uint32_t missing=0, int domain=0, uint64_t flow_hash=0, int vlan=0, int inner_vlan=0, int vni=-1):
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
        s.payload_length = <uint32_t>len(payload)
        s.missing_length = missing
        s.vlan = <uint16_t>vlan
        s.inner_vlan = <uint16_t>inner_vlan
        s.vni = vni
        s.domain = <uint16_t>domain
        self.add(&s, <const uint8_t*><const char*>payload)
