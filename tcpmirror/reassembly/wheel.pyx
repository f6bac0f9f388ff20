# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Timer wheel: finds the flows whose deadlines have passed (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987).

Slots of 100 ms in a ring; a deadline more than a turn (7 minutes) away is met once a turn until it is near. A flow stands in one
slot, by links of its own, so one that goes leaves nothing behind. It may stand too early: a deadline that moves on costs nothing
until the flow is met.
"""
from libc.stdint cimport uint64_t

from tcpmirror.reassembly.flow cimport Flow


cdef class Wheel:
    cdef void put(self, Flow flow, uint64_t due_ns) noexcept:
        """See that the flow is met no later than at *due_ns*."""
        cdef uint64_t slot = due_ns // SLOT_NS + 1
        cdef void** head
        if slot <= self.at:
            slot = self.at + 1
        if flow.slot:
            if self.at < flow.slot <= slot:
                return
            self.take_out(flow)
        flow.slot = slot
        head = &self.slots[slot & (SLOTS - 1)]
        flow.before = NULL
        flow.behind = head[0]
        if head[0] != NULL:
            (<Flow>head[0]).before = <void*>flow
        head[0] = <void*>flow

    cdef void take_out(self, Flow flow) noexcept:
        if not flow.slot:
            return
        if flow.before != NULL:
            (<Flow>flow.before).behind = flow.behind
        else:
            self.slots[flow.slot & (SLOTS - 1)] = flow.behind
        if flow.behind != NULL:
            (<Flow>flow.behind).before = flow.before
        flow.before = flow.behind = NULL
        flow.slot = 0

    cdef list reach(self, uint64_t now_ns):
        """Let time go on to *now_ns*; return the flows to look at, taken out, or None."""
        cdef uint64_t last = now_ns // SLOT_NS, slot
        cdef list flows = None
        cdef void* item
        cdef Flow flow
        if last <= self.at:
            return None
        for slot in range(max(self.at + 1, last - min(last, <uint64_t>(SLOTS - 1))), last + 1):
            item = self.slots[slot & (SLOTS - 1)]
            while item != NULL:
                flow = <Flow>item
                item = flow.behind
                if flow.slot <= last:
                    self.take_out(flow)
                    if flows is None:
                        flows = []
                    flows.append(flow)
        self.at = last
        return flows

    cdef int rewind(self, uint64_t now_ns) except -1:
        """Let time go back to *now_ns*; each flow is met at its deadline from there on."""
        cdef list flows = []
        cdef void* item
        cdef Flow flow
        cdef int slot
        for slot in range(SLOTS):
            item = self.slots[slot]
            while item != NULL:
                flow = <Flow>item
                flows.append(flow)
                item = flow.behind
        for flow in flows:
            self.take_out(flow)
        self.at = now_ns // SLOT_NS
        for flow in flows:
            self.put(flow, flow.due_ns)
        return 0
