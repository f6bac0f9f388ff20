# cython: language_level=3, boundscheck=False, wraparound=False
"""Origins: the sums of reassembly by source, VLAN and VNI, and from them how much the mirror lost.

A mirror that drops packets looks like a healthy one with less traffic, except for this: receivers acknowledge bytes that were never
seen. That, flows of which one direction only arrives, and flows whose SYN is missing are kept apart by origin, because a mirror
session, a VLAN or a tunnel is what an operator can mend. The number of origins is bounded, as traffic chooses VLANs and VNIs.
"""
from libc.stdint cimport int32_t, uint16_t, uint64_t
from libc.string cimport memset

from tcpmirror.model.segment cimport Segment

OTHER = -1  # the source of the origin that stands for all beyond the limit
# The place of each sum in a `Tally`.
SUMS = {name: place for place, name in enumerate((
    "stream_bytes", "retransmitted_bytes", "ignored_bytes", "reorder_held_bytes", "abandoned_bytes", "out_of_order_segments",
    "overlap_conflicts", "gaps", "gap_bytes", "truncated_bytes", "mirror_lost_bytes"))}


cdef class Origin:
    """One source, VLAN (``inner_vlan`` with QinQ; 0: none) and VNI (-1: none)."""

    def news(self):
        """Return what was added since it was last told: bytes seen, bytes lost, flows, one-sided flows, flows without SYN."""
        return (self.tally.delivered_bytes - self.told[0], self.tally.lost_bytes - self.told[1], self.tally.flows - self.told[2],
                self.tally.one_sided_flows - self.told[3], self.tally.no_syn_flows - self.told[4])

    def tell(self, tuple news):
        """Note that *news* has been told."""
        cdef int index
        for index in range(5):
            self.told[index] += <uint64_t>news[index]

    def sums(self):
        """Return every sum by name."""
        return dict(self.tally)


cdef class Origins:
    """The origins of one worker; those beyond *limit* are counted together."""

    def __init__(self, Py_ssize_t limit=1024):
        self.by_key = {}
        self.limit = limit
        self.other = self.make(OTHER, 0, 0, -1)

    def make(self, int source, int vlan, int inner_vlan, int vni):
        cdef Origin origin = Origin.__new__(Origin)
        origin.source = source
        origin.vlan = vlan
        origin.inner_vlan = inner_vlan
        origin.vni = vni
        return origin

    cdef Origin of(self, const Segment* s, int source):
        """Return the origin of a segment that came by *source*."""
        cdef uint64_t key = (<uint64_t>(source & 0xff) << 56 | <uint64_t>(s.vlan & 0xfff) << 44 | <uint64_t>(s.inner_vlan & 0xfff) << 32
                             | <uint64_t>(s.vni + 1))
        found = self.by_key.get(key)
        if found is not None:
            return <Origin>found
        if len(self.by_key) >= self.limit:
            return self.other
        origin = self.by_key[key] = self.make(source, s.vlan, s.inner_vlan, s.vni)
        return origin

    cdef Tally total(self) noexcept:
        cdef Tally sums
        cdef Origin origin
        cdef Py_ssize_t index
        memset(&sums, 0, sizeof(Tally))
        add_tally(&sums, &self.other.tally)
        for origin in self.by_key.values():
            add_tally(&sums, &origin.tally)
        return sums

    def __iter__(self):
        yield from self.by_key.values()
        yield self.other


cdef void add_tally(Tally* sums, const Tally* more) noexcept:
    """Add field by field: a tally is nothing but 64-bit words."""
    cdef uint64_t* into = <uint64_t*>sums
    cdef const uint64_t* words = <const uint64_t*>more
    cdef size_t index
    for index in range(sizeof(Tally) // sizeof(uint64_t)):
        into[index] += words[index]
