# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

The IP length, not the frame's, says where the packet ends: Ethernet padding is cut off. Where the capture holds less than the
IP length, the difference goes to `missing`. A total length of 0 is what segmentation offload leaves in oversized frames: then
the frame's own end counts.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from tcpmirror.decap.cursor cimport *


cdef Verdict bound(Cursor* c, Py_ssize_t length) noexcept nogil:
    """Let the layer end *length* bytes from here."""
    if left(c) >= length:
        c.end = c.at + length
        c.missing = 0
    else:
        c.missing = <uint32_t>(length - left(c))
    return Verdict.AGAIN


cdef Verdict enter_protocol(Cursor* c, uint8_t protocol) noexcept nogil:
    if protocol == 6:
        c.next = Layer.LAYER_TCP
    elif protocol == 17:
        c.next = Layer.LAYER_UDP
    elif protocol == 47:
        c.next = Layer.LAYER_GRE
    elif protocol == 4 or protocol == 41:
        c.next = Layer.LAYER_IP
        if c.segment.tunnel == 0:
            c.segment.tunnel = Tunnel.TUNNEL_IPIP
    elif protocol == 137:
        c.next = 0x8847
    else:
        return Verdict.NOT_TCP
    return Verdict.AGAIN


cdef Verdict read_ipv4(Cursor* c) noexcept nogil:
    cdef Py_ssize_t header_length, total
    cdef uint16_t fragment
    if left(c) < 20:
        return Verdict.TRUNCATED
    header_length = (c.at[0] & 0x0f) * 4
    total = be16(c.at + 2)
    if total == 0:
        total = left(c)
    if header_length < 20 or total < header_length:
        return Verdict.MALFORMED
    if left(c) < header_length:
        return Verdict.TRUNCATED
    bound(c, total)
    c.ip = c.at
    c.segment.ip_version = 4
    memset(c.segment.src, 0, 16)
    memset(c.segment.dst, 0, 16)
    memcpy(c.segment.src, c.at + 12, 4)
    memcpy(c.segment.dst, c.at + 16, 4)
    fragment = be16(c.at + 6)
    if fragment & 0x3fff:
        return Verdict.FRAGMENT
    total = c.at[9]
    c.at += header_length
    return enter_protocol(c, <uint8_t>total)


cdef Verdict read_ipv6(Cursor* c) noexcept nogil:
    cdef Py_ssize_t length
    cdef uint8_t protocol
    cdef int steps = 0
    if left(c) < 40:
        return Verdict.TRUNCATED
    length = be16(c.at + 4)
    protocol = c.at[6]
    c.ip = c.at
    c.segment.ip_version = 6
    memcpy(c.segment.src, c.at + 8, 16)
    memcpy(c.segment.dst, c.at + 24, 16)
    c.at += 40
    bound(c, length if length else left(c))
    while protocol in (0, 43, 44, 60, 51, 135):
        steps += 1
        if steps > 8:
            return Verdict.MALFORMED
        if left(c) < 8:
            return Verdict.TRUNCATED
        if protocol == 44:
            if be16(c.at + 2) & 0xfff9:
                return Verdict.FRAGMENT
            length = 8  # an atomic fragment is a whole datagram (RFC 6946)
        elif protocol == 51:
            length = (c.at[1] + 2) * 4
        else:
            length = (c.at[1] + 1) * 8
        protocol = c.at[0]
        if left(c) < length:
            return Verdict.TRUNCATED
        c.at += length
    return enter_protocol(c, protocol)


cdef Verdict read_ip(Cursor* c) noexcept nogil:
    """Take one IP header off; its version is told by its first nibble."""
    if left(c) < 1:
        return Verdict.TRUNCATED
    if c.at[0] >> 4 == 4:
        return read_ipv4(c)
    if c.at[0] >> 4 == 6:
        return read_ipv6(c)
    return Verdict.NOT_IP
