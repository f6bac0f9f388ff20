from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.segment cimport Segment

cdef struct HashKey:
    uint64_t k0
    uint64_t k1

cdef HashKey read_key(bytes key) except *
cdef uint64_t flow_hash(const Segment* segment, const HashKey* key, uint64_t tags) noexcept nogil
