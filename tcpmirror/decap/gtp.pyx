# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""GTP-U (3GPP TS 29.281): what mobile networks carry their users' packets in."""
from libc.stdint cimport uint8_t, uint32_t

from tcpmirror.decap.cursor cimport *


cdef Verdict read_gtp(Cursor* c) noexcept nogil:
    """Take the header of a user packet (version 1, message type 255) off, with its extension headers.

    Everything else on the port is signalling or no GTP at all: not TCP.
    """
    cdef Py_ssize_t length = 8
    cdef uint8_t following = 0
    if left(c) < 8 or c.at[0] & 0xf0 != 0x30 or c.at[1] != 0xff:
        return Verdict.NOT_TCP
    if c.at[0] & 0x07:
        if left(c) < 12:
            return Verdict.TRUNCATED
        following = c.at[11] if c.at[0] & 0x04 else 0
        length = 12
    while following:
        if left(c) < length + 4:
            return Verdict.TRUNCATED
        if c.at[length] == 0:
            return Verdict.MALFORMED
        length += c.at[length] * 4
        if left(c) < length:
            return Verdict.TRUNCATED
        following = c.at[length - 1]
    if left(c) <= length or (c.at[length] >> 4 != 4 and c.at[length] >> 4 != 6):
        return Verdict.NOT_TCP
    c.segment.tunnel = Tunnel.TUNNEL_GTP
    return skip(c, length, Layer.LAYER_IP)
