from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    BEATS = 120           # of a slot of ten minutes: five seconds each
    HASHES = 64           # of a sketch: exact below, then an estimate with a standard error of 13 %

# In the order of traits.COUNTS.
cdef enum:
    CALLS, ASSETS, MARKED, CREDENTIALED, TOOLS, OUTDATED, ATTACKS, LOGINS, LOGINS_FAILED, REFUSED, MISSING, FAILED, ANSWERED, \
        WAIT_US, BYTES, COUNTED

# In the order of traits.SKETCHES.
cdef enum:
    TARGETS, ENDPOINTS, ADDRESSES, SESSIONS, AGENTS, QUERIES, QUERIED, ACCOUNTS, PASSWORDS, SKETCHED


cdef struct Sketch:
    uint32_t* hashes      # the smallest, in order
    uint32_t size, room


cdef class Traits:
    cdef uint64_t[COUNTED] sums
    cdef uint32_t[BEATS] pulse
    cdef Sketch[SKETCHED] sketches

    cdef void note(self, int sketch, uint32_t value) noexcept
    cdef bytes _sparse(self, int sketch)
