cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

from tcpmirror.model.segment cimport Segment
from tcpmirror.model.stream cimport FlowInfo, StreamSink
from tcpmirror.reassembly.half_stream cimport HalfStream
from tcpmirror.reassembly.origins cimport Origin

# Life of a flow. A tap may join late and may lose any packet, so any flow may take data in OPENING and FLOWING alike.
cdef enum FlowState:
    OPENING = 0   # nothing but SYNs and bare ACKs
    FLOWING = 1   # data was seen
    CLOSED = 2    # both directions ended; kept a moment for stragglers
    RESET = 3     # RST; new data makes a new flow


# A connection that may have taken over the 4-tuple: believed when the other end, or the sender's own data, agrees.
cdef struct Successor:
    bint exists, from_b, is_answer  # is_answer: it was the SYN-ACK that was seen
    uint32_t isn


@cython.final
cdef class Flow:
    cdef uint64_t hash
    cdef uint8_t a_ip[16]
    cdef uint8_t b_ip[16]
    cdef uint16_t a_port, b_port, domain
    cdef uint8_t ip_version, tunnel
    cdef uint16_t vlan, inner_vlan
    cdef int vni
    cdef FlowState state
    cdef bint is_client_known, is_b_client, is_midstream, was_reused
    cdef bint has_seen_a, has_seen_b
    cdef bint is_removed
    cdef bint is_reset_by_b     # who sent the RST, when reset_ns
    cdef uint64_t reset_ns      # when a RST came; 0: none
    cdef Successor successor
    cdef HalfStream a, b
    cdef Origin origin
    cdef StreamSink sink
    cdef FlowInfo info
    cdef uint64_t last_ns       # of the last segment that belonged to it
    cdef uint64_t due_ns        # nothing happens to it before this packet time unless a segment comes
    cdef Py_ssize_t counted_bytes
    cdef void* chain            # next in the bucket of the index
    cdef void* older            # by age of the last segment
    cdef void* newer
    cdef uint64_t slot          # of the wheel; 0: in none
    cdef void* before           # in the slot
    cdef void* behind

    cdef inline HalfStream half(self, bint is_b):
        return self.b if is_b else self.a

    cdef inline int side(self, bint is_b) noexcept:
        """Return the side that a sink knows it by."""
        return is_b != self.is_b_client

    cdef inline bint is_one_sided(self) noexcept:
        return not (self.has_seen_a and self.has_seen_b)

    cdef inline bint is_sender_b(self, const Segment* s) noexcept:
        return not (self.a_port == s.sport and self.b_port == s.dport
                    and memcmp(self.a_ip, s.src, 16) == 0 and memcmp(self.b_ip, s.dst, 16) == 0)

    cdef inline bint is_of(self, const Segment* s) noexcept:
        """Whether the segment has the flow's 4-tuple, in either direction."""
        if self.domain != s.domain or self.ip_version != s.ip_version:
            return False
        if self.a_port == s.sport and self.b_port == s.dport:
            if memcmp(self.a_ip, s.src, 16) == 0 and memcmp(self.b_ip, s.dst, 16) == 0:
                return True
        return (self.a_port == s.dport and self.b_port == s.sport
                and memcmp(self.a_ip, s.dst, 16) == 0 and memcmp(self.b_ip, s.src, 16) == 0)

    cdef inline bint has_only_later_deadlines(self) noexcept:
        """Whether `due_ns` still holds although segments came: silence ends later, and nothing else is due before."""
        return (self.state < FlowState.CLOSED and not self.a.has_fin and not self.b.has_fin and not self.reset_ns
                and not self.a.is_holding() and not self.b.is_holding()
                and (self.sink is None or not self.sink.deadline_ns or self.sink.deadline_ns >= self.due_ns))

    cdef FlowInfo describe(self)
