from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

# What a datagram is known by: the same for all its pieces. Compared as bytes, so it has no padding.
cdef struct Key:
    uint8_t src[16]
    uint8_t dst[16]
    uint64_t tags
    uint32_t identification
    uint16_t protocol        # IPv4 only (RFC 791); 0 for IPv6
    uint16_t version

# One fragment: `head` is the header in front of a whole datagram, `protocol` what the datagram carries.
cdef struct Piece:
    Key key
    const uint8_t* head
    const uint8_t* data
    int head_length
    int length
    int offset
    uint8_t protocol
    bint is_last

# A datagram in progress, or the memory of one that was completed (then `block` is NULL).
cdef struct Datagram:
    Key key
    int64_t time_ns          # of its first piece; of the last one once it is complete
    uint8_t* block           # a bit for each unit that is there, room for a header, the bytes
    int capacity             # bytes that have room in `block`
    int total                # -1 until the last piece came
    int head_length          # 0 until the first piece came
    int first_missing        # unit
    int end                  # the unit behind the last one that is there
    uint32_t pieces
    int32_t chain            # next one in the same bucket
    int32_t older, newer     # in progress and completed ones each in their order of time
    uint8_t protocol

cdef struct Age:
    int32_t oldest, newest
    int32_t count


cdef class FragmentJoiner:
    cdef Datagram* datagrams
    cdef int32_t* buckets
    cdef int32_t unused      # head of the list of unused ones, by `chain`
    cdef uint32_t bucket_mask
    cdef int32_t limit
    cdef uint64_t seed
    cdef int64_t room, held_bytes
    cdef Age open_ones, finished
    cdef uint8_t* whole      # the block of the datagram that was completed last
    cdef readonly uint64_t incomplete, joined, lost, held
    cdef const uint8_t* join(self, const uint8_t* packet, Py_ssize_t size, int64_t time_ns, uint64_t tags, Py_ssize_t* length) noexcept nogil
    cdef const uint8_t* complete(self, int32_t at, int64_t time_ns, Py_ssize_t* length) noexcept nogil
    cdef int32_t find(self, const Key* key) noexcept nogil
    cdef int32_t open(self, int32_t at, const Key* key, int64_t time_ns) noexcept nogil
    cdef bint make_room(self, int32_t at, int end) noexcept nogil
    cdef void give_up(self, int32_t at) noexcept nogil
    cdef void forget(self, int32_t at) noexcept nogil
    cdef void release(self, Datagram* datagram) noexcept nogil
    cdef void expire(self, int64_t now_ns) noexcept nogil
