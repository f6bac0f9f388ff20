# The place in a frame that decapsulation has reached, and what it has learned on the way.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from tcpmirror.model.segment cimport Segment

# Why a frame went no further. The order is that of decapsulator.REASONS.
cdef enum Verdict:
    OK = 0
    AGAIN = 1        # one layer was taken off: look at `next`
    NOT_IP = 2
    NOT_TCP = 3
    TRUNCATED = 4    # the capture cut the frame inside a header
    MALFORMED = 5    # a length or version field that cannot be
    FRAGMENT = 6     # a piece of an IP datagram: the slow road joins it
    FILTERED = 7
    DEPTH = 8
    UNKNOWN_LINK = 9

# `next`: an EtherType, or one of these (above 16 bits) for layers that have none.
cdef enum Layer:
    LAYER_ETHERNET = 0x10001
    LAYER_IP = 0x10002        # version by the first nibble
    LAYER_TCP = 0x10003
    LAYER_UDP = 0x10004
    LAYER_GRE = 0x10005
    LAYER_WLAN = 0x10006
    LAYER_VXLAN = 0x10007     # the header itself, where a socket already took UDP off
    LAYER_GENEVE = 0x10008
    LAYER_SUBFRAME = 0x10009  # of an 802.11 aggregate

# Index into model.exchange.TUNNEL_NAMES.
cdef enum Tunnel:
    TUNNEL_VXLAN = 1
    TUNNEL_GENEVE = 2
    TUNNEL_GRE = 3
    TUNNEL_ERSPAN = 4
    TUNNEL_IPIP = 5
    TUNNEL_MPLS = 6
    TUNNEL_PPPOE = 7
    TUNNEL_GTP = 8
    TUNNEL_TEREDO = 9
    TUNNEL_VXLAN_GPE = 10
    TUNNEL_AYIYA = 11
    TUNNEL_PBB = 12

cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end          # end of what was captured, or of the layer if that is less
    uint32_t next
    uint32_t missing            # bytes of the layer that the capture cut off
    const uint8_t* ip           # the innermost IP header, for fragments and checksums
    const uint8_t* more         # the next frame of an aggregate that ends at `more_end`, or NULL
    const uint8_t* more_end
    Segment* segment

cdef inline uint16_t be16(const uint8_t* p) noexcept nogil:
    return <uint16_t>(p[0] << 8 | p[1])

cdef inline uint32_t be24(const uint8_t* p) noexcept nogil:
    return <uint32_t>(p[0] << 16 | p[1] << 8 | p[2])

cdef inline uint32_t be32(const uint8_t* p) noexcept nogil:
    return <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | <uint32_t>p[3]

cdef inline uint16_t le16(const uint8_t* p) noexcept nogil:
    return <uint16_t>(p[0] | p[1] << 8)

cdef inline Py_ssize_t left(const Cursor* c) noexcept nogil:
    return c.end - c.at

cdef inline Verdict skip(Cursor* c, Py_ssize_t length, uint32_t following) noexcept nogil:
    """Take *length* bytes off; *following* is the next layer."""
    if c.end - c.at < length:
        return Verdict.TRUNCATED
    c.at += length
    c.next = following
    return Verdict.AGAIN
