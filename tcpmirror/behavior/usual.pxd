from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Exchange


cdef class Usual:
    cdef double size, size_off, wait, wait_off  # bytes and nanoseconds: averages, and how far from them most are
    cdef uint64_t answers
    cdef uint64_t slot, slots, count            # of SLOT_NS: the present one, how many there were, requests in it
    cdef double rate                            # requests a slot, in those before
    # of the exchange last noted: how often it holds what is usual, 0: it is not much, or too little is known
    cdef double times_size, times_wait, times_rate

    cdef void note(self, Exchange exchange) noexcept
    cdef void _note_rate(self, uint64_t time_ns) noexcept
