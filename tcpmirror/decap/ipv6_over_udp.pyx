# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""IPv6 that crosses IPv4 in UDP: Teredo (RFC 4380) and AYIYA (draft-massar-v6ops-ayiya)."""
from libc.stdint cimport uint8_t, uint32_t

from tcpmirror.decap.cursor cimport *


cdef Verdict read_teredo(Cursor* c) noexcept nogil:
    """Take the optional authentication and origin headers off, in that order; an IPv6 packet has to follow.

    Its length must fit too: any UDP may use the port.
    """
    cdef const uint8_t* p = c.at
    if c.end - p >= 4 and p[0] == 0 and p[1] == 1:
        p += 13 + p[2] + p[3]  # client id and authentication value, nonce, confirmation
    if c.end - p >= 8 and p[0] == 0 and p[1] == 0:
        p += 8
    if c.end - p < 40 or p[0] >> 4 != 6 or 40 + be16(p + 4) > c.end - p + c.missing:
        return Verdict.NOT_TCP
    c.at = p
    c.segment.tunnel = Tunnel.TUNNEL_TEREDO
    c.next = Layer.LAYER_IP
    return Verdict.AGAIN


cdef Verdict read_ayiya(Cursor* c) noexcept nogil:
    """Take the header with identity (2 to the power of its length field) and signature off."""
    cdef Py_ssize_t length
    if left(c) < 8:
        return Verdict.TRUNCATED
    length = 8 + (<Py_ssize_t>1 << (c.at[0] >> 4)) + (c.at[1] >> 4) * 4
    if c.at[2] & 0x0f != 1 or (c.at[3] != 41 and c.at[3] != 4):
        return Verdict.NOT_TCP
    c.segment.tunnel = Tunnel.TUNNEL_AYIYA
    return skip(c, length, Layer.LAYER_IP)
