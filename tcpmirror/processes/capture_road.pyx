# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled road of the capture process: a frame in, a segment on the ring of one worker.

This is where capture, decap and ring meet. No Python bytecode runs for an ordinary frame.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from tcpmirror.capture.filter_program cimport FilterProgram
from tcpmirror.capture.receiver cimport FrameReceiver
from tcpmirror.decap.cursor cimport Verdict
from tcpmirror.decap.decapsulator cimport Decapsulator
from tcpmirror.decap.duplicates cimport DuplicateTable
from tcpmirror.decap.fragments cimport FragmentJoiner
from tcpmirror.model.segment cimport Segment, TcpFlag
from tcpmirror.ring.flow_hash cimport HashKey, flow_hash, read_key
from tcpmirror.ring.ring cimport Doorbell, RingWriter
from tcpmirror.ring.shedding cimport Shedder

from tcpmirror.decap.decapsulator import REASONS
from tcpmirror.telemetry.ledger import CAPTURED_BYTE_ENDS as BYTE_ENDS
from tcpmirror.telemetry.ledger import PACKET_ENDS as ENDS

cdef extern from "<unistd.h>" nogil:
    int usleep(unsigned int)

cdef enum:
    SEGMENT_KIND = 1
    MAX_WORKERS = 256
    VERDICTS = 16


cdef uint64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t>now.tv_sec * 1000000000 + now.tv_nsec


cdef class CaptureRoad(FrameReceiver):
    """Takes frames from a source: as a callable ``(time_ns, frame)``, or where they lie, by `take`.

    ``is_patient``: wait for room on a full ring (files) instead of dropping (live). ``domain`` keeps flows of different
    files apart; live sources share domain 0, because one flow may arrive by several interfaces. ``duplicates``: drops and counts second copies, or None. ``is_discarding``: stop before the rings, to measure
    capture alone. Each frame of an aggregate (802.11) is a packet. Each packet ends in one counter: `segments`, `duplicates`, one of `lost_*`, `fragments_joined`, or for as long
    as it waits `fragments_held`.
    """
    cdef Decapsulator decapsulator
    cdef FragmentJoiner fragments
    cdef DuplicateTable duplicates
    cdef FilterProgram inner_frames, inner_packets
    cdef HashKey key
    cdef list writers, bells
    cdef int workers
    cdef Shedder shedder
    cdef uint64_t[::1] counters
    cdef int at_packets, at_bytes, at_segments, at_segment_bytes, at_ring_full, at_shed, at_threshold, at_bad_checksum, at_duplicates
    cdef int at_reason[VERDICTS]
    cdef int at_joined, at_held
    cdef bint pending[MAX_WORKERS]
    cdef public bint is_patient, is_discarding
    cdef public int domain
    cdef public object while_waiting  # called ten times a second while a full ring is waited for
    cdef public bint is_stopping
    cdef uint64_t counted_joined, counted_lost
    cdef bint is_vlan_key, is_vni_key
    cdef HashKey shard_key
    cdef uint64_t shard_index, shard_count
    cdef int at_simulated, at_tcp_bytes, at_duplicate_bytes, at_shed_bytes, at_ring_full_bytes, at_simulated_bytes
    cdef int at_discarded, at_discarded_bytes, at_other_shard
    cdef uint32_t gap_share, full_share  # of 2**32
    cdef uint64_t dice

    def __init__(self, Decapsulator decapsulator, bytes hash_key, list writers, list bells, page, Shedder shedder, FragmentJoiner fragments,
                 bint is_patient=False, DuplicateTable duplicates=None):
        self.decapsulator = decapsulator
        self.key = read_key(hash_key)
        self.writers = writers
        self.bells = bells
        self.workers = len(writers)
        self.shedder = shedder
        self.fragments = fragments
        self.duplicates = duplicates
        self.is_patient = is_patient
        self.counters = page.view
        self.at_packets, self.at_bytes = page.slot("packets"), page.slot("bytes")
        self.at_segments, self.at_segment_bytes = page.slot("segments"), page.slot("segment_bytes")
        self.at_ring_full, self.at_shed = page.slot("lost_ring_full"), page.slot("lost_shed")
        self.at_threshold = page.slot("shed_threshold_permille")
        self.at_bad_checksum = page.slot("bad_checksum")
        self.at_duplicates = page.slot("duplicates")
        for verdict, name in REASONS.items():
            self.at_reason[<int>verdict] = page.slot(name)
        self.at_simulated = page.slot("lost_simulated")
        self.dice = 0x9e3779b97f4a7c15
        self.at_joined, self.at_held = page.slot("fragments_joined"), page.slot("fragments_held")
        self.at_tcp_bytes, self.at_duplicate_bytes = page.slot("tcp_bytes"), page.slot("duplicate_bytes")
        self.at_shed_bytes, self.at_ring_full_bytes = page.slot("shed_bytes"), page.slot("ring_full_bytes")
        self.at_simulated_bytes = page.slot("simulated_bytes")
        self.at_discarded, self.at_discarded_bytes = page.slot("lost_discarded"), page.slot("discarded_bytes")
        self.at_other_shard = page.slot("lost_other_shard")
        self.shard_count = 1
        self.inherit(page)

    cdef int inherit(self, page) except -1:
        """Count what a process that died on this page had in hand: fragments, and at most one packet."""
        self.counters[self.at_reason[<int>Verdict.FRAGMENT]] += self.counters[self.at_held]
        self.counters[self.at_held] = 0
        page.add("lost_interrupted", max(0, page.get("packets") - sum(map(page.get, ENDS))))
        page.add("interrupted_bytes", max(0, page.get("tcp_bytes") - sum(map(page.get, BYTE_ENDS))))
        return 0

    def simulate(self, double gap, double ring_full):
        """Drop these shares of the segments on purpose, the same ones in every run (for tests)."""
        self.gap_share = <uint32_t>(gap * 0xffffffff)
        self.full_share = <uint32_t>(ring_full * 0xffffffff)

    def keep_apart(self, bint vlans, bint vnis):
        """Let flows of one 4-tuple be several: one for each pair of VLAN tags, one for each VNI."""
        self.is_vlan_key = vlans
        self.is_vni_key = vnis

    def take_share(self, uint64_t index, uint64_t count, bytes key):
        """Take only flows of share *index* of *count*, as everybody divides them who has the same *key* of 16 bytes."""
        self.shard_index = index
        self.shard_count = count
        self.shard_key = read_key(key)

    cdef bint is_of_other_shard(self, const Segment* segment) noexcept nogil:
        """Whether another sensor takes the segment's flow. Tags do not count: copies of a flow may differ in them."""
        return (flow_hash(segment, &self.shard_key, 0) >> 32) * self.shard_count >> 32 != self.shard_index

    cdef uint64_t tags_of(self, const Segment* segment) noexcept nogil:
        """Return what belongs to the flow's key beside its 4-tuple, 0 for nothing: VNI + 1 (25 bits), inner and outer VLAN (12 each)."""
        cdef uint64_t tags = 0
        if self.is_vlan_key:
            tags = <uint64_t>segment.vlan | <uint64_t>segment.inner_vlan << 12
        if self.is_vni_key:
            tags |= <uint64_t>(segment.vni + 1) << 24
        return tags

    cdef bint strikes(self, uint32_t share) noexcept nogil:
        """Throw the dice (xorshift64: Marsaglia, 2003)."""
        self.dice ^= self.dice << 13
        self.dice ^= self.dice >> 7
        self.dice ^= self.dice << 17
        return <uint32_t>(self.dice >> 32) < share

    def use(self, Decapsulator decapsulator, int domain):
        """Take the frames that follow with *decapsulator*, as flows of *domain*."""
        self.decapsulator = decapsulator
        self.domain = domain
        self.fragments.clear()

    def filter_inner(self, FilterProgram frames, FilterProgram packets):
        """Drop what encapsulations carry unless it matches: *frames* judges inner frames, *packets* inner IP packets."""
        self.inner_frames = frames
        self.inner_packets = packets

    cdef int take(self, uint64_t time_ns, const uint8_t* frame, Py_ssize_t size, int link_type, uint16_t vlan) except -1:
        cdef Segment segment
        cdef const uint8_t* payload = NULL
        cdef Verdict verdict
        if link_type >= 0:
            self.decapsulator.link_type = link_type
        self.decapsulator.stripped_vlan = vlan
        self.counters[self.at_packets] += 1
        self.counters[self.at_bytes] += size
        verdict = self.decapsulator.decode(frame, size, &segment, &payload)
        self.take_decoded(verdict, &segment, payload, time_ns)
        while self.decapsulator.more_at != NULL:
            self.counters[self.at_packets] += 1
            verdict = self.decapsulator.decode_more(&segment, &payload)
            self.take_decoded(verdict, &segment, payload, time_ns)
        return 0

    cdef int take_decoded(self, Verdict verdict, Segment* segment, const uint8_t* payload, uint64_t time_ns) except -1:
        if verdict == Verdict.OK:
            segment.time_ns = time_ns
            return self.place(segment, payload)
        if verdict == Verdict.FRAGMENT:
            return self.join_fragment(segment, time_ns)
        self.counters[self.at_reason[<int>verdict]] += 1
        return 0

    cdef bint is_inner_wanted(self, const uint8_t* end) noexcept:
        """Whether the filter for what encapsulations carry keeps the segment last read, which ends at *end*."""
        cdef Decapsulator d = self.decapsulator
        if d.inner_at == NULL:
            return True
        cdef FilterProgram program = self.inner_frames if d.is_inner_frame else self.inner_packets
        return program.matches(d.inner_at, end - d.inner_at, end - d.inner_at)

    cdef int join_fragment(self, Segment* segment, uint64_t time_ns) except -1:
        """Hand the piece over, and go on with the whole datagram once it is there."""
        cdef Decapsulator d = self.decapsulator
        cdef const uint8_t* payload = NULL
        cdef Verdict verdict
        cdef int rounds
        cdef const uint8_t* whole
        cdef Py_ssize_t length = 0
        for rounds in range(4):
            whole = self.fragments.join(d.fragment_at, d.fragment_length, <int64_t>time_ns, self.tags_of(segment), &length)
            self.count_fragments()
            if whole == NULL:
                return 0
            verdict = d.decode_ip(whole, length, segment, &payload)
            if verdict != Verdict.FRAGMENT:
                return self.take_decoded(verdict, segment, payload, time_ns)
        self.counters[self.at_reason[<int>Verdict.DEPTH]] += 1  # fragments of fragments of fragments
        return 0

    cdef int place(self, Segment* segment, const uint8_t* payload) except -1:
        """Put the segment on the ring of its flow's worker, or count why not."""
        cdef int worker
        cdef RingWriter writer
        cdef uint8_t* target
        cdef uint64_t size = sizeof(Segment) + segment.payload_length
        if self.inner_frames is not None and not self.is_inner_wanted(payload + segment.payload_length):
            self.counters[self.at_reason[<int>Verdict.FILTERED]] += 1
            return 0
        if self.shard_count > 1 and self.is_of_other_shard(segment):
            self.counters[self.at_other_shard] += 1
            return 0
        segment.domain = <uint16_t>self.domain
        self.counters[self.at_bad_checksum] += segment.has_bad_checksum
        segment.flow_hash = flow_hash(segment, &self.key, self.tags_of(segment))
        self.counters[self.at_tcp_bytes] += segment.payload_length
        if self.duplicates is not None and self.duplicates.is_duplicate(segment, self.decapsulator.identity):
            self.counters[self.at_duplicates] += 1
            self.counters[self.at_duplicate_bytes] += segment.payload_length
            return 0
        if self.is_discarding:
            self.counters[self.at_discarded] += 1
            self.counters[self.at_discarded_bytes] += segment.payload_length
            return 0
        worker = <int>((segment.flow_hash >> 48) * <uint64_t>self.workers >> 16)
        writer = <RingWriter>self.writers[worker]
        if self.is_left_out(segment, worker, writer):
            self.counters[self.at_shed] += 1
            self.counters[self.at_shed_bytes] += segment.payload_length
            return 0
        if self.gap_share and self.strikes(self.gap_share):
            self.counters[self.at_simulated] += 1
            self.counters[self.at_simulated_bytes] += segment.payload_length
            return 0
        if self.full_share and self.strikes(self.full_share):
            self.counters[self.at_ring_full] += 1
            self.counters[self.at_ring_full_bytes] += segment.payload_length
            return 0
        target = writer.reserve(SEGMENT_KIND, size)
        if target == NULL:
            target = self.wait_for_room(worker, size) if self.is_patient else NULL
            if target == NULL:
                self.counters[self.at_ring_full] += 1
                self.counters[self.at_ring_full_bytes] += segment.payload_length
                return 0
        memcpy(target, segment, sizeof(Segment))
        memcpy(target + sizeof(Segment), payload, segment.payload_length)
        writer.commit()
        self.pending[worker] = True
        self.counters[self.at_segments] += 1
        self.counters[self.at_segment_bytes] += segment.payload_length
        return 0

    cdef bint is_left_out(self, const Segment* segment, int worker, RingWriter writer) noexcept:
        """Whether the segment's flow is skipped. That is decided by its SYN, or by SYN and ACK where a mirror has only that side."""
        if segment.flags & TcpFlag.TCP_SYN and not self.is_patient:
            return not self.shedder.admits(segment.flow_hash, worker, writer.fill_level())
        return self.shedder.is_shed(segment.flow_hash)

    cdef uint8_t* wait_for_room(self, int worker, uint64_t size) except? NULL:
        cdef uint8_t* target = NULL
        cdef int turns = 0
        cdef RingWriter writer = <RingWriter>self.writers[worker]
        while target == NULL and not self.is_stopping:
            turns += 1
            if turns % 500 == 0 and self.while_waiting is not None:
                self.while_waiting()
            (<Doorbell>self.bells[worker]).strike()
            with nogil:
                usleep(200)
            target = writer.reserve(SEGMENT_KIND, size)
        return target

    def flush(self):
        """Wake the workers that got segments, and take more flows again where rings have emptied; call it after each batch."""
        cdef int worker
        cdef uint64_t now_ns = monotonic_ns()
        for worker in range(self.workers):
            if self.pending[worker]:
                self.pending[worker] = False
                (<Doorbell>self.bells[worker]).strike()
            self.shedder.ease(worker, (<RingWriter>self.writers[worker]).fill_level(), now_ns)
        self.counters[self.at_threshold] = self.shedder.highest() * 1000 // 65536

    cdef int count_fragments(self) except -1:
        """Add what the joiner counted since the last call."""
        cdef uint64_t joined = self.fragments.joined, lost = self.fragments.lost
        self.counters[self.at_joined] += joined - self.counted_joined
        self.counters[self.at_reason[<int>Verdict.FRAGMENT]] += lost - self.counted_lost
        self.counters[self.at_held] = self.fragments.held
        self.counted_joined = joined
        self.counted_lost = lost
        return 0

    def end_source(self):
        """Count fragments that still wait as lost, and flush; call it where a source ends."""
        self.fragments.clear()
        self.count_fragments()
        self.flush()

    def announce(self, int kind, bytes payload):
        """Send every worker a record of *kind*, behind the segments already sent; waits for room."""
        cdef int worker
        for worker in range(self.workers):
            while not (<RingWriter>self.writers[worker]).write(kind, payload) and not self.is_stopping:
                (<Doorbell>self.bells[worker]).strike()
                with nogil:
                    usleep(200)
            (<Doorbell>self.bells[worker]).strike()
