# The Internet checksum (RFC 1071). One's-complement sums do not depend on byte order, so whole words are added as they lie, and
# of any multiple of 16 bits: what carries over counts one in all of them.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from tcpmirror.model.segment cimport Segment

cdef extern from *:
    int carries "__builtin_add_overflow"(uint64_t, uint64_t, uint64_t*) nogil


cdef inline uint64_t add_bytes(uint64_t total, const uint8_t* data, Py_ssize_t length) noexcept nogil:
    cdef uint64_t quad, quads = 0, carried = 0
    cdef uint32_t word
    cdef uint16_t half
    cdef Py_ssize_t at = 0
    while at + 32 <= length:
        memcpy(&quad, data + at, 8)
        carried += carries(quads, quad, &quads)
        memcpy(&quad, data + at + 8, 8)
        carried += carries(quads, quad, &quads)
        memcpy(&quad, data + at + 16, 8)
        carried += carries(quads, quad, &quads)
        memcpy(&quad, data + at + 24, 8)
        carried += carries(quads, quad, &quads)
        at += 32
    total += carried + (quads >> 32) + <uint32_t>quads
    while at + 4 <= length:
        memcpy(&word, data + at, 4)
        total += word
        at += 4
    if at + 2 <= length:
        memcpy(&half, data + at, 2)
        total += half
        at += 2
    if at < length:
        half = 0
        memcpy(&half, data + at, 1)
        total += half
    return total


cdef inline bint is_sum_right(uint64_t total) noexcept nogil:
    """Whether a sum that includes the checksum field says that nothing changed."""
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total == 0xffff


cdef inline bint is_tcp_checksum_right(const Segment* s, const uint8_t* tcp, Py_ssize_t length) noexcept nogil:
    """Verify the checksum of a TCP segment that is all there (RFC 9293, section 3.1, pseudo-header)."""
    cdef uint8_t tail[8]
    cdef int size = 4 if s.ip_version == 4 else 16
    cdef uint64_t total = add_bytes(add_bytes(0, s.src, size), s.dst, size)
    tail[0] = <uint8_t>(length >> 24)  # 32 bits of length (RFC 8200, section 8.1): offload frames pass 64 KiB
    tail[1] = <uint8_t>(length >> 16)
    tail[2] = <uint8_t>(length >> 8)
    tail[3] = <uint8_t>length
    tail[4] = tail[5] = tail[6] = 0
    tail[7] = 6
    return is_sum_right(add_bytes(add_bytes(total, tail, 8), tcp, length))
