from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t

from tcpmirror.model.segment cimport Segment

# Where every captured payload byte of an origin went, and what is known of those that were never captured.
# Bytes taken = delivered + retransmitted + ignored + held + abandoned, at any time between two segments.
cdef struct Tally:
    uint64_t delivered_bytes
    uint64_t retransmitted_bytes    # seen before
    uint64_t ignored_bytes          # no receiver takes them: past a FIN, with a RST, on a flow that is over
    uint64_t held_bytes             # ahead of a hole, waiting; the one figure that also falls
    uint64_t abandoned_bytes        # of a flow given up for a bug
    uint64_t out_of_order_segments
    uint64_t overlap_conflicts
    uint64_t gaps
    uint64_t gap_bytes
    uint64_t truncated_bytes        # of gap_bytes: the capture cut them off
    uint64_t lost_bytes             # the receiver acknowledged them, and the mirror never showed them
    uint64_t flows                  # with data, and over
    uint64_t one_sided_flows        # of those: nothing came of the other direction
    uint64_t no_syn_flows           # of those: no SYN was seen


cdef class Origin:
    cdef readonly int source, vlan, inner_vlan, vni
    cdef Tally tally
    cdef uint64_t told[5]


cdef class Origins:
    cdef dict by_key
    cdef Py_ssize_t limit
    cdef Origin other
    cdef Origin of(self, const Segment* s, int source)
    cdef Tally total(self) noexcept
