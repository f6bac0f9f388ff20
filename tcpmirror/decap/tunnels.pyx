# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Tunnels that mirrors use: VXLAN (RFC 7348) with the GPE form, GENEVE (RFC 8926), GRE and NVGRE (RFC 2784, 2890, 7637), ERSPAN.

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
    c.segment.tunnel = 1
    c.next = Layer.LAYER_ETHERNET
    if flags & 0x04:
        c.segment.tunnel = 10
        if c.at[3] == 1 or c.at[3] == 2:
            c.next = Layer.LAYER_IP
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
    c.segment.tunnel = 2
    if left(c) < length:
        return Verdict.TRUNCATED
    c.at += length
    c.next = Layer.LAYER_ETHERNET if protocol == 0x6558 else protocol
    return Verdict.AGAIN


cdef Verdict read_gre(Cursor* c) noexcept nogil:
    """Take a GRE header off; version 0 only (version 1 is PPTP)."""
    cdef uint32_t flags, protocol
    cdef Py_ssize_t length = 4
    if left(c) < 4:
        return Verdict.TRUNCATED
    flags = be16(c.at)
    protocol = be16(c.at + 2)
    if flags & 7:
        return Verdict.NOT_TCP
    length += 4 if flags & 0xc000 else 0  # checksum and offset
    length += 4 if flags & 0x2000 else 0  # key
    length += 4 if flags & 0x1000 else 0  # sequence number
    if left(c) < length:
        return Verdict.TRUNCATED
    if flags & 0x2000 and protocol == 0x6558:
        c.segment.vni = <int>be24(c.at + (8 if flags & 0xc000 else 4))
    c.segment.tunnel = 3
    c.at += length
    if protocol == 0x88be:
        return read_erspan(c, 8 if flags & 0x1000 else 0)
    if protocol == 0x22eb:
        return read_erspan(c, 12)
    c.next = Layer.LAYER_ETHERNET if protocol == 0x6558 else protocol
    return Verdict.AGAIN


cdef Verdict read_erspan(Cursor* c, int header_length) noexcept nogil:
    """Take an ERSPAN header off: none in type I, 8 bytes in type II, 12 and an optional 8 in type III."""
    if left(c) < header_length:
        return Verdict.TRUNCATED
    if header_length == 12 and c.at[11] & 1:
        header_length = 20
        if left(c) < header_length:
            return Verdict.TRUNCATED
    c.segment.tunnel = 4
    if header_length:
        c.segment.vni = (be16(c.at + 2) & 0x03ff)
    c.at += header_length
    c.next = Layer.LAYER_ETHERNET
    return Verdict.AGAIN
