"""Hashes that stages share: a keyed one for what strangers choose, and a mixer for tables that only need spreading."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef inline uint64_t mixed(uint64_t x) noexcept nogil:
    """Spread every bit over all others (the finaliser of MurmurHash3)."""
    x ^= x >> 33
    x *= <uint64_t>0xff51afd7ed558ccd
    x ^= x >> 33
    x *= <uint64_t>0xc4ceb9fe1a85ec53
    return x ^ (x >> 33)


cdef inline uint64_t short_word(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Return a number that tells the *size* bytes, if less than 8, from all others of that size; of more it holds both ends."""
    cdef uint32_t first, last
    if size >= 4:
        memcpy(&first, data, 4)
        memcpy(&last, data + size - 4, 4)
        return <uint64_t>last << 32 | first
    return <uint64_t>data[0] << 16 | <uint64_t>data[size >> 1] << 8 | data[size - 1] if size else 0


cdef inline uint64_t rotated(uint64_t x, int bits) noexcept nogil:
    return (x << bits) | (x >> (64 - bits))


cdef inline void sip_round(uint64_t* v) noexcept nogil:
    v[0] += v[1]
    v[1] = rotated(v[1], 13) ^ v[0]
    v[0] = rotated(v[0], 32)
    v[2] += v[3]
    v[3] = rotated(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = rotated(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = rotated(v[1], 17) ^ v[2]
    v[2] = rotated(v[2], 32)


cdef inline uint64_t siphash13(uint64_t key0, uint64_t key1, const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Return SipHash-1-3 of *data* (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012)."""
    cdef uint64_t v[4]
    cdef uint64_t word
    cdef Py_ssize_t at = 0
    v[0] = key0 ^ <uint64_t>0x736f6d6570736575
    v[1] = key1 ^ <uint64_t>0x646f72616e646f6d
    v[2] = key0 ^ <uint64_t>0x6c7967656e657261
    v[3] = key1 ^ <uint64_t>0x7465646279746573
    while at + 8 <= size:
        memcpy(&word, data + at, 8)
        v[3] ^= word
        sip_round(v)
        v[0] ^= word
        at += 8
    word = 0
    if at < size:
        memcpy(&word, data + at, size - at)
    word |= <uint64_t>size << 56
    v[3] ^= word
    sip_round(v)
    v[0] ^= word
    v[2] ^= 0xff
    sip_round(v)
    sip_round(v)
    sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
