# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""MPLS label stacks (RFC 3032) and the network service header (NSH, RFC 8300): shims in front of a packet or a frame."""
from libc.stdint cimport uint8_t, uint32_t

from tcpmirror.decap.cursor cimport *


cdef Verdict read_mpls(Cursor* c) noexcept nogil:
    """The whole label stack; what follows is told by its first nibble, as forwarders do (RFC 4928)."""
    cdef int nibble
    while left(c) >= 4:
        if c.at[2] & 1:
            c.at += 4
            if c.segment.tunnel == 0:
                c.segment.tunnel = Tunnel.TUNNEL_MPLS
            if left(c) < 1:
                return Verdict.TRUNCATED
            nibble = c.at[0] >> 4
            if nibble == 4 or nibble == 6:
                c.next = Layer.LAYER_IP
            elif nibble == 0 and left(c) >= 4:  # control word of an Ethernet pseudowire (RFC 4448)
                c.at += 4
                c.next = Layer.LAYER_ETHERNET
            else:
                c.next = Layer.LAYER_ETHERNET
            return Verdict.AGAIN
        c.at += 4
    return Verdict.TRUNCATED


cdef Verdict read_nsh(Cursor* c) noexcept nogil:
    """One service header with its metadata; bits 10-15 of its first word are its length in words."""
    cdef Py_ssize_t length
    cdef uint8_t following
    if left(c) < 8:
        return Verdict.TRUNCATED
    length = (c.at[1] & 0x3f) * 4
    if length < 8:
        return Verdict.MALFORMED
    following = c.at[3]
    if following == 1 or following == 2:
        return skip(c, length, Layer.LAYER_IP)
    if following == 3:
        return skip(c, length, Layer.LAYER_ETHERNET)
    if following == 4:
        return skip(c, length, 0x894f)
    return skip(c, length, 0x8847) if following == 5 else Verdict.NOT_IP
