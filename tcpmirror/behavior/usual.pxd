from libc.stdint cimport uint8_t, uint32_t, uint64_t

from tcpmirror.model.exchange cimport Exchange

cdef enum:
    BINS = 128                # of sizes, and as many of waits


cdef class Usual:
    cdef tuple key            # host, path, method
    cdef uint64_t block, count, first_ns, last_ns
    cdef uint32_t[2 * BINS] bins
    cdef bint is_noted        # since it was last taken
    cdef list blocks          # [(number, Slot)] of those before the present one
    # of the exchange last noted: bins of what is much, -1: it is not
    cdef int large, slow

    cdef void note(self, Exchange exchange)
    cdef void _close(self)
    cdef list take(self)
