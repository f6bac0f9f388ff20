# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Packets that a Linux firewall logged (libpcap's NFLOG link type): attributes, one of which is the packet."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from tcpmirror.decap.cursor cimport *

cdef enum:
    PAYLOAD = 9  # NFULA_PAYLOAD


cdef Verdict read_nflog(Cursor* c) noexcept nogil:
    """Find the payload: after 4 bytes, attributes of length, type and value, padded to 4 bytes.

    Length and type are in the byte order of the machine that logged; types are small, so the first one tells which.
    """
    cdef Py_ssize_t length
    cdef uint16_t kind
    cdef bint is_little
    if left(c) < 8:
        return Verdict.TRUNCATED
    c.at += 4
    is_little = c.at[3] == 0
    while left(c) >= 4:
        length = le16(c.at) if is_little else be16(c.at)
        kind = le16(c.at + 2) if is_little else be16(c.at + 2)
        if length < 4:
            return Verdict.MALFORMED
        if kind == PAYLOAD:
            if left(c) >= length:
                c.end = c.at + length
            return skip(c, 4, Layer.LAYER_IP)
        length = (length + 3) & ~<Py_ssize_t>3
        if left(c) < length:
            return Verdict.TRUNCATED
        c.at += length
    return Verdict.NOT_IP
