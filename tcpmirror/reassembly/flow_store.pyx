# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The flow store: how flows begin and end, what they may hold together, and what happens to them when time passes.

All time is packet time. Whatever a flow does depends on its own segments only: a deadline that has passed is applied, with its
own time, before the next segment is looked at, so it makes no difference when the store's clock gets round to it. That is why the
same capture gives the same exchanges with any number of workers.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from tcpmirror.model.segment cimport Segment
from tcpmirror.model.stream cimport EndKind, SinkFactory, StreamSink
from tcpmirror.reassembly.flow cimport Flow, FlowState
from tcpmirror.reassembly.flow_index cimport FlowIndex
from tcpmirror.reassembly.half_stream cimport HalfStream
from tcpmirror.reassembly.origins cimport Origins, Tally
from tcpmirror.reassembly.overlap cimport HostRules
from tcpmirror.reassembly.wheel cimport Wheel

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.reassembly.origins import SUMS

cdef uint64_t BIT_GAP = 1 << Anomaly.GAP
cdef uint64_t BIT_REORDER = 1 << Anomaly.REORDER_LIMIT
cdef uint64_t BIT_ONE_SIDED = 1 << Anomaly.ONE_SIDED
cdef uint64_t BIT_RESET = 1 << Anomaly.RESET
cdef uint64_t BIT_URGENT = 1 << Anomaly.URGENT_DATA
cdef uint64_t BIT_DEPTH = 1 << Anomaly.FLOW_DEPTH
cdef uint64_t BIT_FALSE_END = 1 << Anomaly.FALSE_END

cdef enum:
    FLOW_BYTES = 850          # a flow with its two halves, in the index and the wheel and no data: measured with 60,000 of them
    SINK_BYTES = 2300         # an HTTP/1 connection in a body, besides the bytes it says it keeps: measured with 20,000 of them
    LEAN_WALK = 64            # flows looked at for bodies to let go, each time memory is short
cdef uint64_t ACTIVE_NS = 1_000_000_000  # a flow with a segment so lately is not called idle


cdef class FlowStore:
    """The flows of one worker.

    ``memory_limit``: bytes for flows, held segments and what the sinks keep; ``flow_depth``: bytes of each direction that the sinks
    get, 0: all; ``overlap_policy`` and ``overlap_hosts`` ((CIDR, policy), ...): see `overlap`, by the host that receives.
    """

    def __init__(self, SinkFactory factory, *, Py_ssize_t memory_limit, Py_ssize_t flow_limit, uint64_t idle_ns, uint64_t half_open_ns,
                 uint64_t closing_ns, Py_ssize_t reorder_bytes, Py_ssize_t reorder_segments, uint64_t flow_depth=0,
                 str overlap_policy="first", overlap_hosts=(), bint urgent_inline=True):
        self.factory = factory
        self.rules = HostRules(overlap_policy, overlap_hosts)
        self.origins = Origins()
        self.index = FlowIndex()
        self.wheel = Wheel()
        self.memory_limit = memory_limit
        self.flow_limit = flow_limit
        self.idle_ns = idle_ns
        self.half_open_ns = half_open_ns
        self.closing_ns = closing_ns
        self.half_limits.reorder_bytes = reorder_bytes
        self.half_limits.reorder_segments = reorder_segments
        self.half_limits.depth = flow_depth
        self.half_limits.is_urgent_inline = urgent_inline

    # -- beginnings ---------------------------------------------------------------------------------------------------------

    cdef Flow open(self, const Segment* s):
        cdef Flow flow
        if self.index.count >= self.flow_limit:
            self.evict(<Flow>self.index.oldest)
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
        self.index.add(flow)
        self.flows_total += 1
        self.schedule(flow)
        return flow

    cdef int open_halves(self, Flow flow) except -1:
        flow.a = HalfStream.__new__(HalfStream)
        flow.b = HalfStream.__new__(HalfStream)
        flow.a.tally = flow.b.tally = &flow.origin.tally
        flow.a.limits = flow.b.limits = &self.half_limits
        flow.a.rule = self.rules.of(flow.b_ip, flow.ip_version)
        flow.b.rule = self.rules.of(flow.a_ip, flow.ip_version)
        return 0

    cdef int open_sink(self, Flow flow, bint from_b) except -1:
        """Make the flow's sink, now that it has data: a scanned port costs no parser."""
        if not flow.is_client_known:
            flow.is_b_client = from_b
            flow.is_midstream = True
        flow.info = flow.a.info = flow.b.info = flow.describe()
        flow.a.side, flow.b.side = flow.side(False), flow.side(True)
        if flow.is_one_sided():
            flow.info.anomalies |= BIT_ONE_SIDED
        flow.sink = self.factory.open(flow.info)
        flow.state = FlowState.FLOWING
        self.schedule(flow)
        if flow.a.is_ended:
            flow.sink.end(flow.side(False), EndKind.END_FIN, flow.last_ns)
        if flow.b.is_ended:
            flow.sink.end(flow.side(True), EndKind.END_FIN, flow.last_ns)
        return 0

    # -- ends ---------------------------------------------------------------------------------------------------------------

    cdef int settle(self, Flow flow, uint64_t time_ns) except -1:
        """Note anomalies, and deliver the ends that are due."""
        cdef HalfStream half, peer
        cdef bint is_b
        for is_b in range(2):
            half, peer = flow.half(is_b), flow.half(not is_b)
            if flow.info is not None:
                flow.info.anomalies |= oddities(half)
            if not half.is_complete() or half.is_ended:
                continue
            if not (half.is_fin_acked() or flow.is_one_sided() or (flow.is_client_known and flow.side(is_b) == 1)):
                continue  # a client's FIN that its server may never have seen
            half.let_go(&half.tally.ignored_bytes)  # it lies behind the FIN
            if peer.is_waiting() and not peer.is_ended and not flow.is_one_sided():
                continue  # what the peer said before this end is still to come, or lost: that has to be told first
            half.is_ended = True
            if flow.sink is not None:
                flow.sink.end(flow.side(is_b), EndKind.END_FIN, time_ns)
        if flow.a.is_ended and flow.b.is_ended:
            self.close(flow, EndKind.END_FIN, time_ns, FlowState.CLOSED)
        return 0

    cdef int take_syn_data(self, Flow flow, bint is_b, uint32_t length) except -1:
        if length and flow.sink is None:
            self.open_sink(flow, is_b)
        return flow.half(is_b).take_syn_data(flow.sink, flow.side(is_b), length)

    cdef int close(self, Flow flow, EndKind how, uint64_t time_ns, FlowState state) except -1:
        """End both directions and let go of what the flow holds; it stays findable until it is removed."""
        cdef HalfStream half
        cdef bint is_b
        cdef bint was_open = flow.state < FlowState.CLOSED
        if flow.reset_ns and how != EndKind.END_FIN:
            how = EndKind.END_RESET
        if was_open:
            for is_b in range(2):
                half = flow.half(is_b)
                if half.syn_data is not None:  # nobody said whether it was taken
                    self.take_syn_data(flow, is_b, 0 if half.delivered else <uint32_t>len(half.syn_data))
            flow.a.end_tail(flow.sink, flow.side(False), time_ns)
            flow.b.end_tail(flow.sink, flow.side(True), time_ns)
        flow.state = state
        if flow.sink is not None:
            flow.info.anomalies |= oddities(flow.a) | oddities(flow.b) | (BIT_RESET if how == EndKind.END_RESET else 0)
            for is_b in range(2):
                half = flow.half(is_b)
                if not half.is_ended:
                    half.is_ended = True
                    flow.sink.end(flow.side(is_b), EndKind.END_FIN if half.is_complete() else how, time_ns)
        if was_open:
            self.note_mirror(flow, flow.sink is not None)
            flow.last_ns = max(flow.last_ns, time_ns)
        flow.sink = None
        flow.info = flow.a.info = flow.b.info = None
        flow.a.forget()
        flow.b.forget()
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
        tally.one_sided_flows += flow.is_one_sided()

    cdef int remove(self, Flow flow) except -1:
        """Forget the flow."""
        self.wheel.take_out(flow)
        if self.index.remove(flow):
            self.held_bytes -= flow.counted_bytes
        return 0

    # -- memory -------------------------------------------------------------------------------------------------------------

    cdef int account(self, Flow flow) except -1:
        """Bring the total of held bytes up to date, and see that it is within the limit."""
        cdef Py_ssize_t now = FLOW_BYTES + flow.a.held_bytes() + flow.b.held_bytes()
        if flow.sink is not None:
            now += SINK_BYTES + flow.sink.held_bytes
        self.held_bytes += now - flow.counted_bytes
        flow.counted_bytes = now
        if self.held_bytes > self.memory_limit:
            self.make_room(flow.last_ns)
        return 0

    cdef int make_room(self, uint64_t now_ns) except -1:
        """The longest idle flows go; where none is idle, bodies go before the flows do."""
        while self.held_bytes > self.memory_limit and self.index.oldest != NULL:
            self.memory_limit_hits += 1
            if (<Flow>self.index.oldest).last_ns + ACTIVE_NS > now_ns and self.shed_bodies():
                continue
            self.evict(<Flow>self.index.oldest)
        return 0

    cdef bint shed_bodies(self) except? True:
        """Ask the sinks of the oldest flows to keep heads only; return whether that gave anything back."""
        cdef void* item = self.index.oldest
        cdef Flow flow
        cdef Py_ssize_t before, walked = 0
        cdef bint has_shed = False
        while item != NULL and walked < LEAN_WALK and self.held_bytes > self.memory_limit:
            flow = <Flow>item
            item = flow.newer
            walked += 1
            if flow.sink is None:
                continue
            before = flow.sink.held_bytes
            flow.sink.shed()
            if flow.sink.held_bytes < before:
                self.bodies_shed += 1
                self.held_bytes -= before - flow.sink.held_bytes
                flow.counted_bytes -= before - flow.sink.held_bytes
                has_shed = True
        return has_shed

    cdef int evict(self, Flow victim) except -1:
        """End the flow for want of room; should its sink raise, it is this flow that is abandoned."""
        cdef Flow current = self.current
        self.flows_evicted += 1
        self.current = victim
        self.close(victim, EndKind.END_EVICTED, victim.last_ns, FlowState.CLOSED)
        self.remove(victim)
        self.current = current
        return 0

    # -- time ---------------------------------------------------------------------------------------------------------------

    cdef uint64_t end_deadline(self, Flow flow) noexcept:
        """Return when an end counts that waits for its acknowledgement, or for lost bytes of the other direction; 0: none does."""
        if (flow.a.is_complete() and not flow.a.is_ended) or (flow.b.is_complete() and not flow.b.is_ended):
            return flow.last_ns + self.closing_ns
        return 0

    cdef uint64_t silence_deadline(self, Flow flow) noexcept:
        """Return when the flow is over if nothing more comes."""
        if flow.state >= FlowState.CLOSED or (flow.is_one_sided() and (flow.a.is_ended or flow.b.is_ended)):
            return flow.last_ns + self.closing_ns
        return flow.last_ns + (self.half_open_ns if flow.state == FlowState.OPENING else self.idle_ns)

    cdef uint64_t deadline(self, Flow flow) noexcept:
        """Return the packet time at which something happens to the flow if no segment comes."""
        cdef uint64_t due = self.silence_deadline(flow)
        if flow.state >= FlowState.CLOSED:
            return due
        due = earlier(due, self.end_deadline(flow))
        due = earlier(due, flow.reset_ns + self.closing_ns if flow.reset_ns else 0)
        due = earlier(due, flow.a.hole_deadline(flow.is_one_sided()))
        due = earlier(due, flow.b.hole_deadline(flow.is_one_sided()))
        return due if flow.sink is None else earlier(due, flow.sink.deadline_ns)

    cdef int run_deadlines(self, Flow flow, uint64_t now_ns) except -1:
        """Do what was due up to *now_ns*, each at its own time; removes the flow when its idle time is over."""
        cdef uint64_t due
        cdef int rounds = 0
        while rounds < 10000 and not flow.is_removed:
            rounds += 1
            due = flow.due_ns = self.deadline(flow)
            if due > now_ns:
                return 0
            self.run_deadline(flow, due)
        return 0

    cdef int run_deadline(self, Flow flow, uint64_t due) except -1:
        cdef uint64_t hole
        cdef bint is_b
        if flow.state < FlowState.CLOSED:
            if flow.sink is not None and flow.sink.deadline_ns and flow.sink.deadline_ns <= due:
                return flow.sink.tick(due)
            for is_b in range(2):
                hole = flow.half(is_b).hole_deadline(flow.is_one_sided())
                if hole and hole <= due:
                    flow.half(is_b).give_up_hole(flow.sink, flow.side(is_b), due)
                    return self.settle(flow, due)
            if flow.reset_ns and flow.reset_ns + self.closing_ns <= due:
                return self.close(flow, EndKind.END_RESET, due, FlowState.RESET)
            hole = self.end_deadline(flow)
            if hole and hole <= due:
                return self.force_end(flow, due)
            self.flows_idle += 1
            self.close(flow, EndKind.END_IDLE, due, FlowState.CLOSED)
        return self.remove(flow)

    cdef int force_end(self, Flow flow, uint64_t time_ns) except -1:
        """Deliver the ends that waited long enough."""
        cdef HalfStream half, peer
        cdef bint is_b
        for is_b in range(2):
            half, peer = flow.half(is_b), flow.half(not is_b)
            if half.is_complete() and not half.is_ended:
                half.let_go(&half.tally.ignored_bytes)
                if peer.is_waiting():
                    peer.end_tail(flow.sink, flow.side(not is_b), time_ns)
                half.is_ended = True
                if flow.sink is not None:
                    flow.sink.end(flow.side(is_b), EndKind.END_FIN, time_ns)
        return self.settle(flow, time_ns)

    cdef int schedule(self, Flow flow) except -1:
        """See that the wheel meets the flow no later than at its deadline."""
        if not flow.is_removed:
            flow.due_ns = self.deadline(flow)
            self.wheel.put(flow, flow.due_ns)
        return 0

    cdef int advance_to(self, uint64_t now_ns) except -1:
        """Let packet time reach *now_ns*: run the deadlines that have passed."""
        cdef Flow flow
        cdef list flows = self.wheel.reach(now_ns)
        if flows is None:
            return 0
        try:
            for flow in flows:
                if flow.is_removed:
                    continue
                self.current = flow
                self.run_deadlines(flow, now_ns)
                if not flow.is_removed:
                    self.schedule(flow)
                    self.account(flow)
        except BaseException:  # one flow's sink: those that were not looked at yet are met again
            for flow in flows:
                self.schedule(flow)
            raise
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
        flow.sink = None
        flow.state = FlowState.CLOSED
        self.remove(flow)

    def end_all(self, int domain=-1):
        """End every flow (of *domain*, if given) as at the end of its input: what is pending is delivered."""
        cdef void* item = self.index.oldest
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
        if not self.index.count:
            self.wheel.at = 0  # the next input has a time of its own

    # -- sums ---------------------------------------------------------------------------------------------------------------

    @property
    def flows(self):
        return self.index.count

    def __getattr__(self, str name):
        """Return a sum over all origins, by its name in `SUMS`."""
        cdef Tally sums
        place = SUMS.get(name)
        if place is None:
            raise AttributeError(name)
        sums = self.origins.total()
        return (<uint64_t*>&sums)[<int>place]


cdef inline uint64_t earlier(uint64_t due, uint64_t other) noexcept:
    """Return the earlier of both; *other* may be 0, for never."""
    return other if other and other < due else due


cdef uint64_t oddities(HalfStream half) noexcept:
    """Return the anomalies that a direction has shown."""
    return ((BIT_GAP if half.gaps else 0) | (BIT_REORDER if half.hit_limit else 0) | (BIT_DEPTH if half.hit_depth else 0)
            | (BIT_URGENT if half.had_urgent else 0) | (BIT_FALSE_END if half.is_false_end else 0))
