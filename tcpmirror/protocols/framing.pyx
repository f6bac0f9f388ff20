# cython: language_level=3, boundscheck=False, wraparound=False
"""Framing: where a body ends (RFC 9112, sections 6 and 7.1), told from the bytes as they come."""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memchr

from tcpmirror.protocols.bodies cimport Body

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BARE_LF = 1 << Anomaly.BARE_LF
cdef uint64_t BAD_CHUNK = 1 << Anomaly.BAD_CHUNK
cdef uint64_t CHUNK_EXTENSION_SEEN = 1 << Anomaly.CHUNK_EXTENSION

cdef enum:
    CHUNK_SIZE_BITS = 56  # and one hexadecimal digit more: what a signed 64-bit count holds with room to spare


cdef void framing_open(Framing* framing, FramingKind kind, int64_t length) noexcept nogil:
    """Begin a body; *length* counts for BODY_LENGTH only."""
    framing.kind = kind
    framing.step = CHUNK_SIZE
    framing.left = length if kind == BODY_LENGTH else 0
    framing.has_digits = False
    framing.line_size = 0
    framing.may_be_plain = False
    framing.anomalies = 0


cdef int framing_advance(Framing* framing, Body body, const uint8_t** data, Py_ssize_t* size) except -1:
    """Take the bytes of the body off *data* into *body* and return its Progress; what follows it stays in *data*."""
    cdef Py_ssize_t taken = size[0]
    cdef int progress
    if framing.kind == BODY_NONE:
        return BODY_DONE
    if framing.kind == BODY_CHUNKED:
        progress = chunked_advance(framing, body, data, size)
        if framing.kind == BODY_CHUNKED:
            return progress
        taken = size[0]
    if framing.kind == BODY_LENGTH and taken > framing.left:
        taken = <Py_ssize_t>framing.left
    if taken:
        body.wire_length += taken
        body.add(data[0], taken)
        data[0] += taken
        size[0] -= taken
    if framing.kind == BODY_LENGTH:
        framing.left -= taken
        if framing.left == 0:
            return BODY_DONE
    return BODY_MORE


cdef Progress framing_skip(Framing* framing, Body body, uint64_t length) noexcept:
    """Go over *length* bytes that were never seen; BODY_BROKEN when they may hold more than the body's own bytes."""
    if framing.kind == BODY_UNTIL_CLOSE:
        body.skip(length)
        return BODY_MORE
    if framing.kind == BODY_LENGTH or (framing.kind == BODY_CHUNKED and framing.step == CHUNK_DATA):
        if length <= <uint64_t>framing.left:
            body.skip(length)
            framing.left -= <int64_t>length
            if framing.left:
                return BODY_MORE
            if framing.kind == BODY_LENGTH:
                return BODY_DONE
            framing.step = CHUNK_DATA_END
            return BODY_MORE
    return BODY_BROKEN


cdef int chunked_advance(Framing* framing, Body body, const uint8_t** data, Py_ssize_t* size) except -1:
    cdef const uint8_t* at = data[0]
    cdef const uint8_t* end = at + size[0]
    cdef Py_ssize_t taken
    cdef Progress progress = BODY_MORE
    while at < end and progress == BODY_MORE and framing.kind == BODY_CHUNKED:
        if framing.step == CHUNK_DATA:
            taken = end - at
            if taken > framing.left:
                taken = <Py_ssize_t>framing.left
            body.wire_length += taken
            body.add(at, taken)
            at += taken
            framing.left -= taken
            if framing.left == 0:
                framing.step = CHUNK_DATA_END
            continue
        if framing.step == CHUNK_EXTENSION:
            at = to_line_end(framing, at, end, body)
            if at == end:
                break
        progress = chunk_byte(framing, at[0])
        if progress != BODY_BROKEN and framing.kind == BODY_CHUNKED:
            at += 1
            body.wire_length += 1
    size[0] = end - at
    data[0] = at
    return progress


cdef inline const uint8_t* to_line_end(Framing* framing, const uint8_t* at, const uint8_t* end, Body body) noexcept:
    cdef const uint8_t* stop = <const uint8_t*>memchr(at, 10, end - at)
    if stop == NULL:
        stop = end
    if stop > at:
        framing.line_size = (stop - 1)[0] != 13
    body.wire_length += stop - at
    return stop


cdef inline int hexadecimal(uint8_t byte) noexcept nogil:
    """Return the value of a hexadecimal digit, or -1."""
    if 48 <= byte <= 57:
        return byte - 48
    byte |= 32
    return byte - 87 if 97 <= byte <= 102 else -1


cdef Progress chunk_byte(Framing* framing, uint8_t byte) noexcept nogil:
    """Take one byte that is not chunk data."""
    if framing.step == CHUNK_SIZE:
        return size_byte(framing, byte)
    if framing.step == CHUNK_EXTENSION:
        return end_size_line(framing)
    if framing.step == CHUNK_DATA_END:
        return data_end_byte(framing, byte)
    return trailer_byte(framing, byte)


cdef Progress size_byte(Framing* framing, uint8_t byte) noexcept nogil:
    cdef int digit = hexadecimal(byte)
    if digit >= 0:
        if framing.left >> CHUNK_SIZE_BITS:
            framing.anomalies |= BAD_CHUNK
            return BODY_BROKEN
        framing.left = framing.left << 4 | digit
        framing.has_digits = True
        return BODY_MORE
    if not framing.has_digits:
        framing.anomalies |= BAD_CHUNK
        if byte == 32 or 9 <= byte <= 13:  # blanks and empty lines before the size: browsers take them
            return BODY_MORE
        if framing.may_be_plain:
            framing.kind = BODY_LENGTH if framing.plain_length >= 0 else BODY_UNTIL_CLOSE
            framing.left = framing.plain_length
            return BODY_MORE
        return BODY_BROKEN
    framing.may_be_plain = False
    framing.line_size = byte != 13
    if byte == 10:
        return end_size_line(framing)
    if byte == c";":
        framing.anomalies |= CHUNK_EXTENSION_SEEN
    elif byte != 13 and byte != 32 and byte != 9:
        framing.anomalies |= BAD_CHUNK
    framing.step = CHUNK_EXTENSION
    return BODY_MORE


cdef Progress end_size_line(Framing* framing) noexcept nogil:
    if framing.line_size:
        framing.anomalies |= BARE_LF
    framing.step = CHUNK_DATA if framing.left else CHUNK_TRAILER
    framing.has_digits = False
    framing.line_size = 0
    return BODY_MORE


cdef Progress data_end_byte(Framing* framing, uint8_t byte) noexcept nogil:
    """CRLF after chunk data; LF alone is taken, anything else means that the sizes lie."""
    if byte == 10:
        if framing.line_size == 0:
            framing.anomalies |= BARE_LF
        framing.line_size = 0
        framing.step = CHUNK_SIZE
        return BODY_MORE
    if byte == 13 and framing.line_size == 0:
        framing.line_size = 1
        return BODY_MORE
    framing.anomalies |= BAD_CHUNK
    return BODY_BROKEN


cdef Progress trailer_byte(Framing* framing, uint8_t byte) noexcept nogil:
    """Trailer lines up to an empty one (RFC 9112, section 7.1.2); their text is not kept."""
    if byte == 10:
        if framing.line_size == 0:
            return BODY_DONE
        framing.line_size = 0
    elif byte != 13:
        framing.line_size += 1
    return BODY_MORE
