cimport cython
from libc.stdint cimport uint64_t

from tcpmirror.reassembly.flow cimport Flow

cdef enum:
    SLOTS = 4096  # a power of two
    SLOT_NS = 100_000_000


@cython.final
cdef class Wheel:
    cdef void* slots[SLOTS]
    cdef uint64_t at            # the slot that time has reached
    cdef void put(self, Flow flow, uint64_t due_ns) noexcept
    cdef void take_out(self, Flow flow) noexcept
    cdef list reach(self, uint64_t now_ns)
    cdef inline uint64_t reached_ns(self) noexcept:
        return self.at * SLOT_NS
    cdef int rewind(self, uint64_t now_ns) except -1
