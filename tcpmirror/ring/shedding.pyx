# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Load shedding by whole flows (architecture, decision 3): a tap cannot push back, so under overload some flows are skipped
from their first packet and the others stay whole.

Every flow has a fixed rank, 16 bits of its hash that choose neither worker nor bucket. New flows ranked below the threshold of
their ring are skipped; a bit per flow (of 2**22, by other hash bits) remembers that, so a skipped flow stays skipped and an
admitted one is never cut, wherever the threshold moves. Two flows that share a bit can be skipped together: at 100,000 open
flows, one in 40.

The threshold is judged for each new flow by how full its ring is just then, because frames come in batches as large as the ring
has room left. From the high water it rises in proportion, and halfway from there to the full ring nobody is admitted any more:
the other half is for what the admitted flows still have to say. It stays until the ring is down at the low water, then falls
in steps.
"""
from libc.string cimport memset

cdef enum:
    SHED_BITS = 22
    ALL = 65536
    MOST = 62259        # where a ring has come down below the high water, 5 % of new flows are always taken
    STEP = 1311         # 2 % of flows
    STEP_NS = 20000000  # and a second from all to none


cdef class Shedder:
    """Decides for each flow whether it is skipped: `admits` when it begins, `is_shed` for its other segments."""

    def __init__(self, bint is_enabled=True, double high_water=0.75, double low_water=0.25):
        self.bits = bytearray(1 << (SHED_BITS - 3))
        self.is_enabled = is_enabled
        self.high_water = high_water
        self.low_water = low_water
        self.span = max(1e-6, (1.0 - high_water) / 2)
        memset(self.thresholds, 0, sizeof(self.thresholds))
        memset(self.eased_ns, 0, sizeof(self.eased_ns))

    cdef bint is_shed(self, uint64_t flow_hash) noexcept nogil:
        cdef uint32_t slot
        if not self.is_active:
            return False
        slot = <uint32_t>(flow_hash >> 8) & ((1 << SHED_BITS) - 1)
        return (self.bits[slot >> 3] & <uint8_t>(1 << (slot & 7))) != 0

    cdef bint admits(self, uint64_t flow_hash, int ring, double fill) noexcept nogil:
        """Decide whether a flow that begins now is taken, with *ring*, its ring, so full."""
        cdef uint32_t slot, threshold
        cdef uint8_t bit
        if not self.is_enabled:
            return True
        threshold = self.wanted(fill)
        if threshold:
            self.is_active = True
            self.thresholds[ring] = max(self.thresholds[ring], min(threshold, <uint32_t>MOST))
        if not self.is_active:
            return True
        threshold = max(threshold, self.thresholds[ring])
        slot = <uint32_t>(flow_hash >> 8) & ((1 << SHED_BITS) - 1)
        bit = <uint8_t>(1 << (slot & 7))
        if (<uint32_t>(flow_hash >> 32) & 0xffff) < threshold:
            self.bits[slot >> 3] |= bit
            return False
        self.bits[slot >> 3] &= ~bit
        return True

    cdef uint32_t wanted(self, double fill) noexcept nogil:
        """Return the share of new flows, of 65536, to be skipped at that fill."""
        cdef double share = (fill - self.high_water) / self.span
        return 0 if share <= 0.0 else <uint32_t>(min(share, 1.0) * ALL)

    cdef void ease(self, int ring, double fill, uint64_t now_ns) noexcept nogil:
        """Lower the threshold of *ring* by the steps that are due since it was last seen above the low water."""
        cdef uint64_t steps
        if self.thresholds[ring] == 0 or fill >= self.low_water or now_ns < self.eased_ns[ring]:
            self.eased_ns[ring] = now_ns
            return
        steps = min((now_ns - self.eased_ns[ring]) // STEP_NS, <uint64_t>(ALL // STEP))
        self.thresholds[ring] -= min(self.thresholds[ring], <uint32_t>(steps * STEP))
        self.eased_ns[ring] += steps * STEP_NS

    cdef uint32_t highest(self) noexcept nogil:
        cdef uint32_t found = 0
        cdef int ring
        if self.is_active:
            for ring in range(MAX_RINGS):
                found = max(found, self.thresholds[ring])
        return found

    @property
    def threshold(self):
        """The highest of any ring, of 65536."""
        return self.highest()

    def opens(self, unsigned long long flow_hash, double fill, int ring=0):
        """`admits` for Python callers."""
        return self.admits(flow_hash, ring, fill)

    def skips(self, unsigned long long flow_hash):
        """`is_shed` for Python callers."""
        return self.is_shed(flow_hash)

    def rest(self, double fill, unsigned long long now_ns, int ring=0):
        """`ease` for Python callers."""
        self.ease(ring, fill, now_ns)
