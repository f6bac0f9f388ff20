# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled road of a worker: segments off the rings, into the flow table.

This is where ring and reassembly meet; what the table's sinks do with the streams is their affair.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from tcpmirror.model.segment cimport Segment
from tcpmirror.reassembly.flow_table cimport FlowTable
from tcpmirror.ring.ring cimport RingReader

cdef enum:
    SEGMENT_KIND = 1
    SOURCE_END_KIND = 2
    DRAIN_KIND = 5
    BATCH = 512
cdef uint64_t CLOCK_JUMP_NS = 3_600_000_000_000  # a packet further ahead than an hour does not set the clock by itself
cdef uint64_t CLOCK_BACK_NS = 1_000_000_000  # packets of several queues or rings are out of order by less than this


cdef class WorkerRoad:
    """Reads the rings in turn, a batch each.

    ``clock_ns``: packet time, the latest seen since it last went back; ``drained``: rings whose producer said that nothing more comes.
    """
    cdef list readers
    cdef FlowTable table
    cdef uint64_t[::1] counters
    cdef int at_segments, at_bytes, at_bad, at_retaken, at_discarded
    cdef public uint64_t clock_ns
    cdef public int drained
    cdef public bint is_discarding
    cdef int strikes
    cdef Py_ssize_t behind  # records taken since the clock went back behind what the table has reached
    cdef uint64_t corruptions_before

    def __init__(self, list readers, FlowTable table, page):
        self.readers = readers
        self.table = table
        self.counters = page.view
        self.at_segments, self.at_bytes = page.slot("segments"), page.slot("segment_bytes")
        self.at_bad, self.at_retaken = page.slot("bad_records"), page.slot("retaken_bytes")
        self.at_discarded = page.slot("discarded_bytes")
        self.corruptions_before = page.get("ring_corruptions")

    def skip(self, int ring):
        """Take the next record off *ring* unread: it has killed this worker twice."""
        cdef int kind = 0
        cdef uint32_t size = 0
        cdef RingReader reader = self.readers[ring]
        if reader.peek(&kind, &size) != NULL:
            reader.release()

    @property
    def ring_corruptions(self):
        """Times what lay on a ring was no records, predecessors of this process included."""
        cdef RingReader reader
        return self.corruptions_before + sum([reader.corruptions for reader in self.readers])

    def turn(self):
        """Take up to a batch from each ring; return how many records there were. Exceptions leave the record taken off."""
        cdef int taken = 0, source = 0
        cdef RingReader reader
        for reader in self.readers:
            self.table.source = source
            source += 1
            taken += self.read(reader)
        if taken:
            self.follow_back(taken)
            self.table.advance_to(self.clock_ns)
        return taken

    cdef int follow_back(self, Py_ssize_t taken) except -1:
        """Where packet time went back for good (the clock was set, captures were put together), have the table go back too.

        That costs a look at each flow, so it is done once in as many packets as there are flows.
        """
        if self.clock_ns + CLOCK_BACK_NS > self.table.wheel.reached_ns():
            self.behind = 0
            return 0
        self.behind += taken
        if self.behind > self.table.index.count:
            self.behind = 0
            return self.table.wheel.rewind(self.clock_ns)
        return 0

    cdef int read(self, RingReader reader) except -1:
        cdef int kind = 0, count = 0
        cdef uint32_t size = 0
        cdef const uint8_t* record
        cdef const Segment* segment
        while count < BATCH:
            record = reader.peek(&kind, &size)
            if record == NULL:
                break
            count += 1
            segment = <const Segment*>record
            if kind == SEGMENT_KIND and size >= sizeof(Segment) and size == sizeof(Segment) + segment.payload_length:
                if reader.is_counted():
                    self.counters[self.at_retaken] += segment.payload_length
                else:
                    self.counters[self.at_segments] += 1
                self.counters[self.at_bytes] += segment.payload_length
                if self.is_discarding:
                    self.counters[self.at_discarded] += segment.payload_length
                else:
                    self.see_time(segment.time_ns)
                    self.table.add(segment, record + sizeof(Segment))
            elif kind == SOURCE_END_KIND and size == 2:
                self.table.end_all(record[0] | record[1] << 8)
                self.clock_ns = 0
            elif kind == DRAIN_KIND:
                self.drained += 1
            else:
                self.counters[self.at_bad] += 1
            reader.release()
        return count

    cdef void see_time(self, uint64_t time_ns) noexcept:
        """Move the clock. A lone packet far in the future (a broken clock at the source) must not end every flow.

        Back it goes at once: deadlines of flows whose packets are older than the clock would be called passed before the
        flows' own packets were seen, and what came of them would depend on where a batch ends.
        """
        if time_ns <= self.clock_ns:
            self.strikes = 0
            if self.clock_ns - time_ns > CLOCK_BACK_NS:
                self.clock_ns = time_ns
        elif self.clock_ns == 0 or time_ns - self.clock_ns < CLOCK_JUMP_NS:
            self.clock_ns = time_ns
            self.strikes = 0
        else:
            self.strikes += 1
            if self.strikes > 16:
                self.clock_ns = time_ns
                self.strikes = 0

    def release_current(self):
        """Take the record whose handling raised off its ring."""
        cdef RingReader reader
        for reader in self.readers:
            if reader.next_tail > reader.tail:
                reader.release()
