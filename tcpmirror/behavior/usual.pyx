# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What comes of a route: how many requests in each five minutes, how large its answers are, how long they are waited for.

Sizes and waits are counted in bins, two to an octave, so what workers counted adds up to what one would have counted; what is
usual is said where all of it is merged (`history`). Memory: 1.2 KiB a route.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memset

from tcpmirror.model.exchange cimport Exchange, Response

from tcpmirror.behavior.counter import Counter, Slot
from tcpmirror.behavior.history import BLOCK_NS, route_key

DEF LEAST_BYTES = 65_536      # what is less is never much
DEF LEAST_WAIT_NS = 1_000_000_000

cdef uint64_t BLOCK = BLOCK_NS


cdef extern from *:
    int __builtin_clzll(unsigned long long)


cdef class Usual:
    """The history of one route in one worker."""

    def __init__(self, host, path, method):
        self.key = (host, path, method)
        self.blocks = []

    cdef void note(self, Exchange exchange):
        """Count *exchange*, and say which bin its size and its wait fall into where they are much."""
        cdef Response response = exchange.response
        cdef uint64_t time_ns = exchange.request.time_ns, block = time_ns // BLOCK, wait = 0
        cdef int size_bin, wait_bin
        self.large = self.slow = -1
        if block != self.block or self.count == 0:
            self._close()
            self.block, self.first_ns, self.last_ns = block, time_ns, time_ns
        self.count += 1
        self.first_ns, self.last_ns = min(self.first_ns, time_ns), max(self.last_ns, time_ns)
        if response is None or response.status >= 300 or response.status < 200:
            return
        if response.time_ns > exchange.request.end_ns:
            wait = response.time_ns - exchange.request.end_ns
        size_bin, wait_bin = bin_of(response.body_length), bin_of(wait)
        self.bins[size_bin] += 1
        self.bins[BINS + wait_bin] += 1
        if response.body_length >= LEAST_BYTES:
            self.large = size_bin
        if wait >= LEAST_WAIT_NS:
            self.slow = wait_bin

    cdef void _close(self):
        """Put the present block, if there is one, to those before."""
        cdef int at
        if self.count == 0:
            return
        bins = {at: self.bins[at] for at in range(2 * BINS) if self.bins[at]}
        self.blocks.append((self.block, Slot(self.count, self.first_ns, self.last_ns, frozenset(), bins)))
        memset(self.bins, 0, sizeof(self.bins))
        self.count = 0

    cdef list take(self):
        """Return counters of what was noted since the last call."""
        self._close()
        taken, self.blocks, self.is_noted = self.blocks, [], False
        return [Counter(route_key(*self.key), {number: slot}) for number, slot in taken]


cdef int bin_of(uint64_t value) noexcept:
    """Return the bin of *value*: see `history.least_of`."""
    cdef int octave
    if value < 2:
        return 0
    octave = 63 - __builtin_clzll(value)
    return min(BINS - 1, 2 * octave + <int>(value >> (octave - 1) & 1))
