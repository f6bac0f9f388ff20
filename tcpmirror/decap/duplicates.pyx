# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Packets that a mirror delivers twice, as one does that copies both ports of a link, or a link before and behind a router.

A second copy has the same 4-tuple, sequence and acknowledgment numbers, flags, payload length, TCP checksum and IPv4
identification, and comes within the window. What the mirror or a router changes on the way (tags, tunnels, addresses of Ethernet,
time to live) is not looked at.

A retransmission is no duplicate. Over IPv4 it carries another identification; the few senders that write 0 there, and those over
IPv6, are told by time: timestamps (RFC 7323) change the checksum each millisecond, and no retransmission timer is shorter
than the 200 ms of Linux. What is left, a byte for byte equal packet within the window, adds nothing to the stream and is counted.

The default window of 10 ms is what a switch may hold a packet in the queue of the mirrored egress port (a buffer of 1 MiB at 1 Gbit/s
takes 8 ms to drain); it is a twentieth of the shortest retransmission timer.
"""
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from tcpmirror.model.hashing cimport mixed
from tcpmirror.model.segment cimport Segment

cdef enum:
    SETS = 4096
    WAYS = 4  # a set is one cache line; the table, 256 KiB, stays in a core's own cache and holds 10 ms of a million packets/s


cdef class DuplicateTable:
    """The packets of the last *window_ns*, in a table of fixed size: under more traffic than it holds the oldest are forgotten."""

    def __cinit__(self, uint64_t window_ns=10_000_000):
        self.window_ns = window_ns
        self.memory = PyMem_Calloc(WAYS * SETS + WAYS, sizeof(Seen))
        if self.memory == NULL:
            raise MemoryError
        self.slots = <Seen*>((<size_t>self.memory + 63) & ~<size_t>63)

    def __dealloc__(self):
        PyMem_Free(self.memory)

    cdef bint is_duplicate(self, const Segment* segment, uint32_t identity) noexcept nogil:
        """Whether *segment* was here within the window; if not, it is remembered.

        ``identity``: the IPv4 identification (0 for IPv6) and the TCP checksum. The segment's flow hash, which is keyed, and time must be
        set. The window runs from the first copy.
        """
        # Two odd factors and the shift between them keep equal changes of the two words from cancelling each other out.
        cdef uint64_t mark = segment.flow_hash + segment.sport + (<uint64_t>segment.seq << 32 | segment.ack) * <uint64_t>0x9e3779b97f4a7c15
        mark = mark ^ (mark >> 29)
        mark += (<uint64_t>identity << 32 ^ <uint64_t>segment.flags << 24 ^ segment.payload_length) * <uint64_t>0xc2b2ae3d27d4eb4f
        mark = mixed(mark)
        cdef Seen* ways = self.slots + WAYS * (mark & (SETS - 1))
        cdef int index, oldest = 0
        cdef uint64_t now = segment.time_ns
        for index in range(WAYS):
            if ways[index].fingerprint == mark:
                # Packets of several queues may be out of order, so the second copy may bear the earlier time.
                if (now - ways[index].time_ns if now >= ways[index].time_ns else ways[index].time_ns - now) < self.window_ns:
                    return True
                ways[index].time_ns = now
                return False
            if ways[index].time_ns < ways[oldest].time_ns:
                oldest = index
        ways[oldest].fingerprint = mark
        ways[oldest].time_ns = now
        return False

    def is_second_copy(self, uint64_t flow_hash, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t length, uint32_t identity,
                       uint64_t time_ns):
        """The same from Python, for tests."""
        cdef Segment segment
        memset(&segment, 0, sizeof(Segment))
        segment.flow_hash = flow_hash
        segment.seq = seq
        segment.ack = ack
        segment.flags = flags
        segment.payload_length = length
        segment.time_ns = time_ns
        return bool(self.is_duplicate(&segment, identity))
