# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The flow hash: SipHash-1-3 of the innermost 4-tuple, the same for both directions.

Keyed, so that nobody who can choose addresses and ports can steer flows to one worker or into one hash bucket (Aumasson and
Bernstein, "SipHash: a fast short-input PRF", 2012). The endpoints are put in order before hashing, which makes it symmetric.
"""
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from tcpmirror.model.hashing cimport siphash13
from tcpmirror.model.segment cimport Segment


cdef HashKey read_key(bytes key) except *:
    """Return the 16 bytes of *key* as two integers; ValueError for another length."""
    cdef HashKey out
    if len(key) != 16:
        raise ValueError("the flow hash takes a key of 16 bytes")
    memcpy(&out.k0, <const char*>key, 8)
    memcpy(&out.k1, <const char*>key + 8, 8)
    return out


cdef uint64_t flow_hash(const Segment* segment, const HashKey* key, uint64_t tags) noexcept nogil:
    """Return the hash of the 4-tuple and domain of *segment*, and of *tags* unless they are 0.

    A flow is looked up by its hash and its 4-tuple, so tags that differ keep flows of one 4-tuple apart.
    """
    cdef uint64_t words[6]
    cdef int order = memcmp(segment.src, segment.dst, 16)
    cdef bint is_forward = order < 0 or (order == 0 and segment.sport <= segment.dport)
    if is_forward:
        memcpy(&words[0], segment.src, 16)
        memcpy(&words[2], segment.dst, 16)
        words[4] = <uint64_t>segment.sport << 16 | segment.dport
    else:
        memcpy(&words[0], segment.dst, 16)
        memcpy(&words[2], segment.src, 16)
        words[4] = <uint64_t>segment.dport << 16 | segment.sport
    words[4] |= <uint64_t>segment.domain << 32 | <uint64_t>segment.ip_version << 48
    words[5] = tags
    return siphash13(key.k0, key.k1, <const uint8_t*>words, 48 if tags else 40)


def hash_endpoints(bytes src, int sport, bytes dst, int dport, bytes key, int domain=0, uint64_t tags=0):
    """Return the flow hash of packed addresses and ports, as capture computes it (for tests and tools)."""
    cdef Segment segment
    cdef HashKey packed = read_key(key)
    memset(&segment, 0, sizeof(Segment))
    memcpy(segment.src, <const char*>src, len(src))
    memcpy(segment.dst, <const char*>dst, len(dst))
    segment.sport = <uint16_t>sport
    segment.dport = <uint16_t>dport
    segment.domain = <uint16_t>domain
    segment.ip_version = 4 if len(src) == 4 else 6
    return flow_hash(&segment, &packed, tags)
