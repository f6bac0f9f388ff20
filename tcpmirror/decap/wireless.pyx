# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""802.11 data frames (IEEE 802.11-2020, section 9.3.2), bare or behind a radiotap or PPI header; encrypted ones stay closed."""
from libc.stdint cimport uint8_t, uint32_t

from tcpmirror.decap.cursor cimport *
from tcpmirror.decap.ethernet cimport read_llc


cdef Verdict read_wlan(Cursor* c) noexcept nogil:
    """Take the MAC header off."""
    cdef Py_ssize_t length = 24
    cdef uint8_t kind, flags
    cdef bint has_qos, is_aggregate = False
    if left(c) < 24:
        return Verdict.TRUNCATED
    kind = c.at[0]
    flags = c.at[1]
    # Only unencrypted data frames with a body; a later fragment of one (the low nibble of the sequence control) has no LLC.
    if kind & 0x0f != 0x08 or kind & 0x40 or flags & 0x40 or c.at[22] & 0x0f:
        return Verdict.NOT_IP
    has_qos = kind & 0x80
    if flags & 0x03 == 0x03:
        length += 6
    if has_qos:
        if left(c) < length + 2:
            return Verdict.TRUNCATED
        is_aggregate = c.at[length] & 0x80
        length += 6 if flags & 0x80 else 2  # with HT control
    if left(c) < length + (18 if is_aggregate else 4):
        return Verdict.TRUNCATED
    c.at += length
    if is_aggregate:
        if c.at[14] != 0xaa and left(c) >= 20 and c.at[16] == 0xaa and c.at[17] == 0xaa:
            c.at += 2
        c.next = Layer.LAYER_SUBFRAME
        return Verdict.AGAIN
    if c.at[0] != 0xaa and c.at[2] == 0xaa and c.at[3] == 0xaa:
        c.at += 2  # some cards pad the header to 4 bytes
    return read_llc(c)


cdef Verdict read_subframe(Cursor* c) noexcept nogil:
    """Take the header of one frame of an aggregate off (A-MSDU, section 9.3.2.2: addresses, length, LLC); note where the next begins.

    Each but the last is filled up to a multiple of 4 bytes. What is left may be a checksum of the whole: too short for a frame.
    """
    cdef Py_ssize_t length
    if left(c) < 14 + 8:
        return Verdict.TRUNCATED
    length = be16(c.at + 12)
    if length < 8:
        return Verdict.MALFORMED
    if left(c) - ((14 + length + 3) & ~3) >= 14 + 8:
        c.more = c.at + ((14 + length + 3) & ~3)
        c.more_end = c.end
    c.at += 14
    if left(c) > length:
        c.end = c.at + length
    return read_llc(c)


cdef Verdict read_radiotap(Cursor* c) noexcept nogil:
    """Take the radiotap header off (little-endian length at 2)."""
    if left(c) < 8:
        return Verdict.TRUNCATED
    if c.at[0] or le16(c.at + 2) < 8:
        return Verdict.MALFORMED
    return skip(c, le16(c.at + 2), Layer.LAYER_WLAN)


cdef Verdict read_ppi(Cursor* c) noexcept nogil:
    """Take the per-packet information header off: little-endian length at 2, link type at 4."""
    cdef int link_type
    if left(c) < 8:
        return Verdict.TRUNCATED
    link_type = le16(c.at + 4)
    if c.at[0] or le16(c.at + 2) < 8:
        return Verdict.MALFORMED
    if link_type == 105:
        return skip(c, le16(c.at + 2), Layer.LAYER_WLAN)
    return skip(c, le16(c.at + 2), Layer.LAYER_ETHERNET) if link_type == 1 else Verdict.UNKNOWN_LINK
