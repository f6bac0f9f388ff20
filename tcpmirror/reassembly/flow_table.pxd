cimport cython
from libc.stdint cimport uint8_t

from tcpmirror.model.segment cimport Segment
from tcpmirror.reassembly.flow cimport Flow
from tcpmirror.reassembly.flow_store cimport FlowStore
from tcpmirror.reassembly.origins cimport Origin


@cython.final
cdef class FlowTable(FlowStore):
    cdef int add(self, const Segment* s, const uint8_t* payload) except -1
    cdef int ignore(self, Origin origin) noexcept
    cdef bint begins_again(self, Flow flow, const Segment* s, bint from_b)
    cdef bint is_succeeded(self, Flow flow, const Segment* s, bint from_b) noexcept
    cdef int restart(self, Flow flow, const Segment* s) except -1
    cdef void see_sender(self, Flow flow, bint from_b) noexcept
    cdef int take(self, Flow flow, const Segment* s, const uint8_t* payload, bint from_b) except -1
    cdef int see_syn(self, Flow flow, const Segment* s, const uint8_t* payload, bint from_b) except -1
    cdef int see_reset(self, Flow flow, const Segment* s, bint from_b) except -1
    cdef int decide_syn_data(self, Flow flow, const Segment* s, bint from_b) except -1
    cdef int take_data(self, Flow flow, const Segment* s, const uint8_t* payload, bint from_b) except -1
