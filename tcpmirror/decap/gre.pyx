# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""GRE (RFC 2784, 2890) and what rides on it: NVGRE (RFC 7637), ERSPAN I to III, PPTP (RFC 2637), tunnelled 802.11."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from tcpmirror.decap.cursor cimport *


cdef Verdict read_gre(Cursor* c) noexcept nogil:
    """Take a GRE header off."""
    cdef uint32_t flags, protocol
    cdef Py_ssize_t length = 4
    if left(c) < 4:
        return Verdict.TRUNCATED
    flags = be16(c.at)
    protocol = be16(c.at + 2)
    if flags & 7:
        return read_pptp(c, flags, protocol)
    length += 4 if flags & 0xc000 else 0  # checksum and offset
    length += 4 if flags & 0x2000 else 0  # key
    length += 4 if flags & 0x1000 else 0  # sequence number
    if left(c) < length:
        return Verdict.TRUNCATED
    if flags & 0x2000 and protocol == 0x6558:
        c.segment.vni = <int>be24(c.at + (8 if flags & 0xc000 else 4))
    c.segment.tunnel = Tunnel.TUNNEL_GRE
    c.at += length
    if protocol == 0x88be:
        return read_erspan(c, 8 if flags & 0x1000 else 0)
    if protocol == 0x22eb:
        return read_erspan(c, 12)
    if protocol == 0x8200:
        c.next = Layer.LAYER_WLAN  # access points that tunnel to their controller
    else:
        c.next = Layer.LAYER_ETHERNET if protocol == 0x6558 else protocol
    return Verdict.AGAIN


cdef Verdict read_pptp(Cursor* c, uint32_t flags, uint32_t protocol) noexcept nogil:
    """Take an enhanced GRE header off: version 1, always a key, PPP within; without a sequence number nothing follows."""
    cdef Py_ssize_t length = 8
    if flags & 7 != 1 or protocol != 0x880b or not flags & 0x2000 or not flags & 0x1000:
        return Verdict.NOT_TCP
    length += 4
    length += 4 if flags & 0x0080 else 0  # acknowledgment number
    c.segment.tunnel = Tunnel.TUNNEL_GRE
    return skip(c, length, protocol)


cdef Verdict read_erspan(Cursor* c, int header_length) noexcept nogil:
    """Take an ERSPAN header off: none in type I, 8 bytes in type II, 12 and an optional 8 in type III."""
    cdef bint is_ip = False
    if left(c) < header_length:
        return Verdict.TRUNCATED
    if header_length == 12:
        is_ip = (c.at[10] >> 2) & 0x1f == 2  # frame type; 0 is Ethernet
        header_length = 20 if c.at[11] & 1 else 12
        if left(c) < header_length:
            return Verdict.TRUNCATED
    c.segment.tunnel = Tunnel.TUNNEL_ERSPAN
    if header_length:
        c.segment.vni = be16(c.at + 2) & 0x03ff
    return skip(c, header_length, Layer.LAYER_IP if is_ip else Layer.LAYER_ETHERNET)
