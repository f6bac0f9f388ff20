from libc.stdint cimport uint32_t, uint64_t

from tcpmirror.model.segment cimport Segment
from tcpmirror.model.stream cimport EndKind, SinkFactory
from tcpmirror.reassembly.flow cimport Flow, FlowState
from tcpmirror.reassembly.flow_index cimport FlowIndex
from tcpmirror.reassembly.half_stream cimport HalfLimits
from tcpmirror.reassembly.origins cimport Origins
from tcpmirror.reassembly.overlap cimport HostRules
from tcpmirror.reassembly.wheel cimport Wheel


cdef class FlowStore:
    cdef SinkFactory factory
    cdef HostRules rules
    cdef HalfLimits half_limits
    cdef Flow current           # whose segment or deadline is being worked on
    cdef FlowIndex index
    cdef Wheel wheel
    cdef readonly Py_ssize_t held_bytes
    cdef Py_ssize_t memory_limit, flow_limit
    cdef uint64_t idle_ns, half_open_ns, closing_ns
    cdef readonly uint64_t flows_total, flows_evicted, flows_idle, memory_limit_hits, bodies_shed
    cdef readonly Origins origins
    cdef public int source      # by which the next segment comes
    cdef uint64_t pending_bytes # payload of the segment in hand that no sum has yet

    cdef Flow open(self, const Segment* s)
    cdef int open_halves(self, Flow flow) except -1
    cdef int open_sink(self, Flow flow, bint from_b) except -1
    cdef int settle(self, Flow flow, uint64_t time_ns) except -1
    cdef int take_syn_data(self, Flow flow, bint is_b, uint32_t length) except -1
    cdef int close(self, Flow flow, EndKind how, uint64_t time_ns, FlowState state) except -1
    cdef void note_mirror(self, Flow flow, bint has_data) noexcept
    cdef int remove(self, Flow flow) except -1
    cdef int account(self, Flow flow) except -1
    cdef int make_room(self, uint64_t now_ns) except -1
    cdef bint shed_bodies(self) except? True
    cdef int evict(self, Flow victim) except -1
    cdef uint64_t end_deadline(self, Flow flow) noexcept
    cdef uint64_t silence_deadline(self, Flow flow) noexcept
    cdef uint64_t deadline(self, Flow flow) noexcept
    cdef int run_deadlines(self, Flow flow, uint64_t now_ns) except -1
    cdef int run_deadline(self, Flow flow, uint64_t due) except -1
    cdef int force_end(self, Flow flow, uint64_t time_ns) except -1
    cdef int schedule(self, Flow flow) except -1
    cdef int advance_to(self, uint64_t now_ns) except -1
