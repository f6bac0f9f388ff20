# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Ethernet and the tags that stand between its addresses and the packet: 802.1Q/ad, 802.1ah, VNTag, security group tags.

Each reader takes one layer off the cursor and names the next one. A next "EtherType" below 0x0600 is a length: LLC follows.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from tcpmirror.decap.cursor cimport *


cdef Verdict read_ethernet(Cursor* c) noexcept nogil:
    """Ethernet II, or 802.3, whose length field says that LLC follows."""
    return skip(c, 14, be16(c.at + 12)) if left(c) >= 14 else Verdict.TRUNCATED


cdef Verdict read_llc(Cursor* c) noexcept nogil:
    """802.2 LLC with SNAP (RFC 1042), or the LLC point of IP itself (RFC 948)."""
    if left(c) < 3:
        return Verdict.TRUNCATED
    if c.at[0] == 0x06 and c.at[1] == 0x06:
        return skip(c, 3, Layer.LAYER_IP)
    if c.at[0] != 0xaa or c.at[1] != 0xaa:
        return Verdict.NOT_IP
    return skip(c, 8, be16(c.at + 6)) if left(c) >= 8 else Verdict.TRUNCATED


cdef Verdict read_vlan(Cursor* c) noexcept nogil:
    """One 802.1Q or 802.1ad tag; the outermost two ids are kept.

    In frames of the Linux `any` device the outer of two tags is followed by the type of the payload, not by that of the
    second tag: where no IPv4 header follows but a tag and an IP header do, the tag is read.
    """
    cdef uint16_t vid
    if left(c) < 4:
        return Verdict.TRUNCATED
    vid = be16(c.at) & 0x0fff
    if not c.segment.vlan:
        c.segment.vlan = vid
    elif not c.segment.inner_vlan:
        c.segment.inner_vlan = vid
    if be16(c.at + 2) == 0x0800 and left(c) >= 9 and c.at[4] >> 4 != 4 and be16(c.at + 6) in (0x0800, 0x86dd):
        return skip(c, 4, 0x8100)
    return skip(c, 4, be16(c.at + 2))


cdef Verdict read_backbone(Cursor* c) noexcept nogil:
    """The service tag of 802.1ah (MAC in MAC): 4 bytes, then a customer frame from its addresses on."""
    if left(c) < 4:
        return Verdict.TRUNCATED
    c.segment.vni = <int>be24(c.at + 1)
    c.segment.tunnel = Tunnel.TUNNEL_PBB
    return skip(c, 4, Layer.LAYER_ETHERNET)


cdef Verdict read_vntag(Cursor* c) noexcept nogil:
    """Cisco's VNTag (802.1BR's forerunner): 4 bytes between two EtherTypes."""
    return skip(c, 6, be16(c.at + 4)) if left(c) >= 6 else Verdict.TRUNCATED


cdef Verdict read_group_tag(Cursor* c) noexcept nogil:
    """Cisco MetaData with a security group tag: version, length, option, tag, EtherType."""
    if left(c) < 8:
        return Verdict.TRUNCATED
    return skip(c, 8, be16(c.at + 6)) if c.at[0] == 1 and c.at[1] == 1 else Verdict.NOT_IP
