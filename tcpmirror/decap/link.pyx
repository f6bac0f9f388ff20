# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Link layers and the tags between them and IP: Ethernet, Linux cooked captures, raw IP, loopback; 802.1Q in any depth, MPLS, PPPoE.

Each reader takes one layer off the cursor and names the next one. Link types are libpcap's (pcap-linktype(7)).
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from tcpmirror.decap.cursor cimport *

cdef enum LinkType:
    DLT_NULL = 0
    DLT_EN10MB = 1
    DLT_PPP = 9
    DLT_RAW_12 = 12
    DLT_RAW_14 = 14
    DLT_CHDLC = 104
    DLT_RAW = 101
    DLT_LOOP = 108
    DLT_LINUX_SLL = 113
    DLT_IPV4 = 228
    DLT_IPV6 = 229
    DLT_LINUX_SLL2 = 276

SUPPORTED_LINK_TYPES = frozenset((DLT_NULL, DLT_EN10MB, DLT_PPP, DLT_RAW_12, DLT_RAW_14, DLT_CHDLC, DLT_RAW, DLT_LOOP, DLT_LINUX_SLL,
                                  DLT_IPV4, DLT_IPV6, DLT_LINUX_SLL2))


cdef Verdict skip(Cursor* c, Py_ssize_t length, uint32_t following) noexcept nogil:
    if left(c) < length:
        return Verdict.TRUNCATED
    c.at += length
    c.next = following
    return Verdict.AGAIN


cdef Verdict read_link(Cursor* c, int link_type) noexcept nogil:
    """Take the outermost header of a frame of *link_type* off."""
    if link_type == DLT_EN10MB:
        return read_ethernet(c)
    if link_type in (DLT_RAW, DLT_RAW_12, DLT_RAW_14, DLT_IPV4, DLT_IPV6):
        return skip(c, 0, Layer.LAYER_IP)
    if link_type == DLT_NULL or link_type == DLT_LOOP:
        return skip(c, 4, Layer.LAYER_IP)
    if link_type == DLT_LINUX_SLL:
        return skip(c, 16, be16(c.at + 14)) if left(c) >= 16 else Verdict.TRUNCATED
    if link_type == DLT_LINUX_SLL2:
        return skip(c, 20, be16(c.at)) if left(c) >= 20 else Verdict.TRUNCATED
    if link_type == DLT_PPP:
        return read_ppp(c)
    if link_type == DLT_CHDLC:
        return skip(c, 4, be16(c.at + 2)) if left(c) >= 4 else Verdict.TRUNCATED
    return Verdict.UNKNOWN_LINK


cdef Verdict read_ethernet(Cursor* c) noexcept nogil:
    """Ethernet II, or 802.3 with LLC/SNAP (RFC 1042)."""
    cdef uint16_t kind
    if left(c) < 14:
        return Verdict.TRUNCATED
    kind = be16(c.at + 12)
    if kind >= 0x0600:
        return skip(c, 14, kind)
    if left(c) >= 22 and c.at[14] == 0xaa and c.at[15] == 0xaa:
        return skip(c, 22, be16(c.at + 20))
    return Verdict.NOT_IP


cdef Verdict read_vlan(Cursor* c) noexcept nogil:
    """One 802.1Q or 802.1ad tag; the outermost two ids are kept.

    In frames of the Linux `any` device the outer of two tags is followed by the type of the payload, not by that of the second
    tag: where no IPv4 header follows but a tag and an IP header do, the tag is read.
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


cdef Verdict read_mpls(Cursor* c) noexcept nogil:
    """The whole label stack (RFC 3032); what follows is told by its first nibble, as forwarders do (RFC 4928)."""
    cdef int nibble
    while left(c) >= 4:
        if c.at[2] & 1:
            c.at += 4
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


cdef Verdict read_pppoe(Cursor* c) noexcept nogil:
    """A PPPoE session frame (RFC 2516)."""
    if left(c) < 6:
        return Verdict.TRUNCATED
    if c.at[0] != 0x11 or c.at[1] != 0:
        return Verdict.NOT_IP
    c.at += 6
    return read_ppp(c)


cdef Verdict read_ppp(Cursor* c) noexcept nogil:
    """A PPP protocol field (RFC 1661), after address and control where they are not compressed away."""
    cdef uint16_t protocol
    if left(c) >= 2 and c.at[0] == 0xff and c.at[1] == 0x03:
        c.at += 2
    if left(c) < 2:
        return Verdict.TRUNCATED
    if c.at[0] & 1:
        protocol = c.at[0]
        c.at += 1
    else:
        protocol = be16(c.at)
        c.at += 2
    if protocol != 0x0021 and protocol != 0x0057:
        return Verdict.NOT_IP
    c.next = Layer.LAYER_IP
    return Verdict.AGAIN
