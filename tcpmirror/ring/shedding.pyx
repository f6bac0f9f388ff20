# cython: language_level=3, boundscheck=False, wraparound=False
"""Load shedding by whole flows (architecture, decision 3): a tap cannot push back, so under overload some flows are skipped
from their first packet and the others stay whole.

Every flow has a fixed rank, 16 bits of its hash that choose neither worker nor bucket. New flows ranked below the threshold are
skipped; a bit per flow (of 2**22, by other hash bits) remembers that, so a skipped flow stays skipped and an admitted one is
never cut, wherever the threshold moves. Two flows that share a bit can be skipped together: at 100,000 open flows, one in 40.
"""

cdef enum:
    SHED_BITS = 22
    STEP_UP = 6554     # 10 % of flows a step
    STEP_DOWN = 1311   # 2 %


cdef class Shedder:
    """Decides for each segment whether its flow is skipped. `adjust` takes the fill of the fullest ring, once a batch."""

    def __init__(self, bint is_enabled=True, double high_water=0.75, double low_water=0.25):
        self.bits = bytearray(1 << (SHED_BITS - 3))
        self.is_enabled = is_enabled
        self.high_water = high_water
        self.low_water = low_water

    cdef bint is_shed(self, uint64_t flow_hash, bint is_syn) noexcept nogil:
        cdef uint32_t slot, rank
        cdef uint8_t bit
        if not self.is_active:
            return False
        slot = <uint32_t>(flow_hash >> 8) & ((1 << SHED_BITS) - 1)
        bit = <uint8_t>(1 << (slot & 7))
        if is_syn:
            rank = <uint32_t>(flow_hash >> 32) & 0xffff
            if rank < self.threshold:
                self.bits[slot >> 3] |= bit
            else:
                self.bits[slot >> 3] &= ~bit
        return (self.bits[slot >> 3] & bit) != 0

    cdef void adjust(self, double fill) noexcept nogil:
        if not self.is_enabled:
            return
        if fill > self.high_water:
            self.is_active = True
            self.threshold = min(self.threshold + STEP_UP, 62259)  # 5 % of new flows are always taken
        elif fill < self.low_water and self.threshold:
            self.threshold = self.threshold - STEP_DOWN if self.threshold > STEP_DOWN else 0

    def observe(self, double fill):
        """`adjust` for Python callers."""
        self.adjust(fill)

    def skips(self, unsigned long long flow_hash, bint is_syn):
        """Return whether the segment of a flow with this hash is skipped."""
        return self.is_shed(flow_hash, is_syn)
