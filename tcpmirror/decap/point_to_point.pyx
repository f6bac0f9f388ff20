# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Point-to-point links: PPP (RFC 1661) bare, over Ethernet (RFC 2516) and in HDLC framing (RFC 1662), and Cisco's HDLC."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from tcpmirror.decap.cursor cimport *


cdef Verdict read_pppoe(Cursor* c) noexcept nogil:
    """A PPPoE session frame."""
    if left(c) < 6:
        return Verdict.TRUNCATED
    if c.at[0] != 0x11 or c.at[1] != 0:
        return Verdict.NOT_IP
    c.at += 6
    c.segment.tunnel = Tunnel.TUNNEL_PPPOE
    return read_ppp(c)


cdef Verdict read_ppp(Cursor* c) noexcept nogil:
    """A PPP protocol field, after address and control where they are not compressed away."""
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
    if protocol == 0x0021 or protocol == 0x0057:
        c.next = Layer.LAYER_IP
    elif protocol == 0x0281 or protocol == 0x0283:
        c.next = 0x8847
    else:
        return Verdict.NOT_IP
    return Verdict.AGAIN


cdef Verdict read_cisco_hdlc(Cursor* c) noexcept nogil:
    """Address, a zero, an EtherType."""
    return skip(c, 4, be16(c.at + 2)) if left(c) >= 4 else Verdict.TRUNCATED


cdef Verdict read_serial(Cursor* c) noexcept nogil:
    """A serial line that carries PPP or Cisco's HDLC; the address byte tells (0x0f and 0x8f are Cisco's)."""
    if left(c) < 1:
        return Verdict.TRUNCATED
    return read_cisco_hdlc(c) if c.at[0] == 0x0f or c.at[0] == 0x8f else read_ppp(c)
