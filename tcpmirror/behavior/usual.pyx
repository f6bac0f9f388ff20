# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What is usual at a route: how large its answers are, how long they are waited for, how many requests come.

Averages move by a part of each new value, those of a route's first values by more (exponential smoothing; R. G. Brown,
"Statistical Forecasting for Inventory Control", 1959); a value far out moves them as one at the limit does, so that an attack
does not become what is usual. Memory: 100 bytes a route.
"""
from libc.math cimport fabs
from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Exchange, Response

DEF ANSWERS = 200             # of a route before any of its answers is unusual
DEF SLOW = 1.0 / 128          # the part of a value by which averages move
DEF FAR = 6.0                 # times the usual distance from the average: within it nothing is unusual
DEF CLIPPED = 4.0             # times the average that a value moves it at most
DEF LEAST_BYTES = 16_384.0    # what is less is never much
DEF LEAST_WAIT_NS = 1e9
DEF SLOT_NS = 10_000_000_000
DEF SLOTS = 30                # of a route before there may be more requests than usual: five minutes
DEF LEAST_REQUESTS = 100.0    # in a slot
DEF RATE_MOVES = 1.0 / 16


cdef class Usual:
    """The history of one route in one worker; `note` says of an exchange how far it is from it."""

    cdef void note(self, Exchange exchange) noexcept:
        cdef Response response = exchange.response
        cdef double moves, wait
        self.times_size = self.times_wait = 0
        self._note_rate(exchange.request.time_ns)
        if response is None or response.status >= 300 or response.status < 200:
            return
        moves = SLOW if self.answers >= 128 else 1.0 / (self.answers + 1)
        wait = 0.0
        if response.time_ns > exchange.request.end_ns:
            wait = <double>(response.time_ns - exchange.request.end_ns)
        if self.answers >= ANSWERS:
            self.times_size = times(<double>response.body_length, self.size, self.size_off, LEAST_BYTES)
            self.times_wait = times(wait, self.wait, self.wait_off, LEAST_WAIT_NS)
        move(&self.size, &self.size_off, <double>response.body_length, moves, self.answers >= ANSWERS)
        move(&self.wait, &self.wait_off, wait, moves, self.answers >= ANSWERS)
        self.answers += 1

    cdef void _note_rate(self, uint64_t time_ns) noexcept:
        """Count a request in its slot; one that comes late counts in the present one."""
        cdef uint64_t slot = time_ns // SLOT_NS, passed
        if self.slot == 0:
            self.slot = slot
        if slot > self.slot:
            if self.slots == 0:
                self.rate = self.count
            elif self.slots >= SLOTS and self.count > CLIPPED * self.rate and self.count > LEAST_REQUESTS:
                self.rate += RATE_MOVES * (CLIPPED - 1) * self.rate
            else:
                self.rate += RATE_MOVES * (<double>self.count - self.rate)
            passed = min(slot - self.slot - 1, 1000)
            self.slots += 1 + passed
            while passed:  # slots in which nothing came
                self.rate -= RATE_MOVES * self.rate
                passed -= 1
            self.slot, self.count = slot, 0
        self.count += 1
        self.times_rate = 0
        if self.slots >= SLOTS and self.count > LEAST_REQUESTS:
            self.times_rate = self.count / max(self.rate, 1.0)


cdef double times(double value, double average, double off, double least) noexcept:
    """Return how often *value* holds *average*; 0 where it is no more than is seen now and then."""
    if value < least or value < average + FAR * off:
        return 0
    return value / max(average, 1.0)


cdef void move(double* average, double* off, double value, double moves, bint is_clipped) noexcept:
    if is_clipped and value > CLIPPED * average[0] and value > average[0] + FAR * off[0]:
        value = max(CLIPPED * average[0], average[0] + FAR * off[0])
    off[0] += moves * (fabs(value - average[0]) - off[0])
    average[0] += moves * (value - average[0])
