from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from tcpmirror.model.segment cimport Segment
from tcpmirror.model.stream cimport EndKind, FlowInfo, SinkFactory, StreamSink
from tcpmirror.reassembly.half_stream cimport HalfStream
from tcpmirror.reassembly.origins cimport Origin, Origins

# Life of a flow. A tap may join late and may lose any packet, so any flow may take data in OPENING and FLOWING alike.
cdef enum FlowState:
    OPENING = 0   # nothing but SYNs and bare ACKs
    FLOWING = 1   # data was seen
    CLOSED = 2    # both directions ended; kept a moment for stragglers
    RESET = 3     # RST; new data makes a new flow


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
    cdef bint has_reuse_isn
    cdef uint32_t reuse_isn
    cdef HalfStream a, b
    cdef Origin origin
    cdef StreamSink sink
    cdef FlowInfo info
    cdef uint64_t last_ns
    cdef uint64_t slot          # of the wheel; 0: in none
    cdef Py_ssize_t counted_bytes
    cdef PyObject* chain        # next in the bucket
    cdef PyObject* older
    cdef PyObject* newer


cdef class FlowTable:
    cdef SinkFactory factory
    cdef Flow current           # whose segment or deadline is being worked on
    cdef PyObject** buckets
    cdef Py_ssize_t bucket_count
    cdef PyObject* oldest
    cdef PyObject* newest
    cdef dict wheel
    cdef uint64_t wheel_at
    cdef readonly Py_ssize_t flows, held_bytes
    cdef Py_ssize_t memory_limit, flow_limit, reorder_bytes, reorder_segments
    cdef uint64_t idle_ns, half_open_ns, closing_ns
    cdef readonly uint64_t flows_total, flows_evicted, flows_idle, memory_limit_hits
    cdef readonly Origins origins
    cdef public int source      # by which the next segment comes
    cdef uint64_t pending_bytes # payload of the segment in hand that no sum has yet

    cdef int add(self, const Segment* s, const uint8_t* payload) except -1
    cdef Flow find(self, const Segment* s)
    cdef Flow open(self, const Segment* s)
    cdef int restart(self, Flow flow, const Segment* s) except -1
    cdef int take(self, Flow flow, const Segment* s, const uint8_t* payload, bint from_b) except -1
    cdef int open_sink(self, Flow flow, bint from_b) except -1
    cdef int settle(self, Flow flow, uint64_t time_ns) except -1
    cdef int close(self, Flow flow, EndKind how, uint64_t time_ns, FlowState state) except -1
    cdef int account(self, Flow flow) except -1
    cdef int evict(self, Flow victim) except -1
    cdef int ignore(self, Origin origin) noexcept
    cdef int open_halves(self, Flow flow) except -1
    cdef void note_mirror(self, Flow flow, bint has_data) noexcept
    cdef uint64_t deadline(self, Flow flow)
    cdef int run_deadlines(self, Flow flow, uint64_t now_ns) except -1
    cdef int schedule(self, Flow flow) except -1
    cdef int visit(self, uint64_t bucket, uint64_t now_ns) except -1
    cdef int remove(self, Flow flow) except -1
    cdef void link_newest(self, Flow flow) noexcept
    cdef void unlink(self, Flow flow) noexcept
    cdef int grow(self) except -1
    cdef int advance_to(self, uint64_t now_ns) except -1
