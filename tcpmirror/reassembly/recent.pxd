"""The last bytes of a direction that were delivered: what a repetition of them is compared with.

A copy that differs from what was delivered tells of an insertion (the first copy never reached the receiver, or raced the true
one: forged responses do that). The receiver decides between both by what it got, a tap cannot; so the first stays and both are
shown. The window is 1 KiB a direction, made with the first delivery, because requests and the starts of responses are what is
forged and a flow in its tens of thousands must stay cheap. Of a segment that goes on where a large one ended, the middle of a body,
256 bytes are kept: copying more would be the dearest thing that reassembly does for it.
"""
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from tcpmirror.reassembly.overlap cimport Conflicts
from tcpmirror.reassembly.sequence cimport seq_diff

cdef enum:
    RECENT_BYTES = 1024  # a power of two: a byte stands at its distance from `origin` modulo this
    BULK_BYTES = 256     # what is kept in the middle of a body


cdef struct Recent:
    uint8_t* ring
    uint32_t begin, end, origin  # sequence numbers
    bint is_bulk            # the last segment filled the window


cdef inline void recent_keep(Recent* recent, uint32_t seq, const uint8_t* data, uint32_t length) noexcept nogil:
    """Add the *length* bytes delivered from *seq* on; without memory there is nothing to compare with."""
    cdef uint32_t at, part
    if recent.ring == NULL:
        recent.ring = <uint8_t*>malloc(RECENT_BYTES)
        recent.begin = recent.end = recent.origin = seq
        if recent.ring == NULL:
            return
    if length >= RECENT_BYTES:  # copies of known size
        if recent.is_bulk and recent.end == seq:
            recent.begin = recent.origin = seq + length - BULK_BYTES
            memcpy(recent.ring, data + (length - BULK_BYTES), BULK_BYTES)
        else:
            recent.begin = recent.origin = seq + length - RECENT_BYTES
            memcpy(recent.ring, data + (length - RECENT_BYTES), RECENT_BYTES)
        recent.end = seq + length
        recent.is_bulk = True
        return
    recent.is_bulk = False
    if recent.end != seq:
        recent.begin = seq  # bytes were lost between
    recent.end = seq + length
    if recent.end - recent.begin > RECENT_BYTES:
        recent.begin = recent.end - RECENT_BYTES
    at = (seq - recent.origin) & (RECENT_BYTES - 1)
    part = min(length, RECENT_BYTES - at)
    memcpy(recent.ring + at, data, part)
    if part < length:
        memcpy(recent.ring, data + part, length - part)


cdef inline int recent_compare(Recent* recent, Conflicts conflicts, uint32_t seq, const uint8_t* data, uint32_t length) except -1:
    """Compare a repetition with what is still known of the first copy."""
    cdef uint8_t[RECENT_BYTES] kept
    cdef uint32_t first, stop, at, part
    first = recent.begin if seq_diff(recent.begin, seq) > 0 else seq
    stop = recent.end if seq_diff(seq + length, recent.end) > 0 else seq + length
    if seq_diff(stop, first) <= 0:
        return 0
    at = (first - recent.origin) & (RECENT_BYTES - 1)
    part = min(stop - first, RECENT_BYTES - at)
    memcpy(kept, recent.ring + at, part)
    memcpy(kept + part, recent.ring, stop - first - part)
    return conflicts.compare(first, kept, data + (first - seq), stop - first)


cdef inline void recent_free(Recent* recent) noexcept nogil:
    free(recent.ring)
    recent.ring = NULL
