# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The overlays that mirrors use: VXLAN (RFC 7348) with its generic form (GPE), GENEVE (RFC 8926).

The innermost VNI is kept with the kind of tunnel (an index into TUNNEL_NAMES of the model).
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from tcpmirror.decap.cursor cimport *


cdef Verdict read_vxlan(Cursor* c) noexcept nogil:
    """Take the 8-byte VXLAN header off; with the P bit of GPE the next protocol is named, else it is Ethernet."""
    cdef uint8_t flags
    if left(c) < 8:
        return Verdict.TRUNCATED
    flags = c.at[0]
    if not flags & 0x08:
        return Verdict.NOT_TCP
    c.segment.vni = <int>be24(c.at + 4)
    c.segment.tunnel = Tunnel.TUNNEL_VXLAN
    c.next = Layer.LAYER_ETHERNET
    if flags & 0x04:
        c.segment.tunnel = Tunnel.TUNNEL_VXLAN_GPE
        if c.at[3] == 1 or c.at[3] == 2:
            c.next = Layer.LAYER_IP
        elif c.at[3] == 4:
            c.next = 0x894f
        elif c.at[3] == 5:
            c.next = 0x8847
    c.at += 8
    return Verdict.AGAIN


cdef Verdict read_geneve(Cursor* c) noexcept nogil:
    """Take the GENEVE header with its options off."""
    cdef Py_ssize_t length
    cdef uint32_t protocol
    if left(c) < 8:
        return Verdict.TRUNCATED
    if c.at[0] >> 6:
        return Verdict.NOT_TCP
    length = 8 + (c.at[0] & 0x3f) * 4
    protocol = be16(c.at + 2)
    c.segment.vni = <int>be24(c.at + 4)
    c.segment.tunnel = Tunnel.TUNNEL_GENEVE
    if left(c) < length:
        return Verdict.TRUNCATED
    c.at += length
    c.next = Layer.LAYER_ETHERNET if protocol == 0x6558 else protocol
    return Verdict.AGAIN
