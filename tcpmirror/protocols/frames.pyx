# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""HTTP/2 frames of one direction (RFC 9113, section 4), as they come and after bytes were lost."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from tcpmirror.protocols.buffer cimport buffer_append, buffer_clear, buffer_drop_front, buffer_free

cdef enum:
    USUAL_FRAME = 16384        # SETTINGS_MAX_FRAME_SIZE until a peer raises it, which few do (RFC 9113, section 6.5.2)
    LARGEST_IGNORED = 1 << 20  # of frames that are neither DATA nor header blocks: larger ones are garbage
    HELD_LIMIT = 4 * USUAL_FRAME
    FIRST_STREAMS = 1 << 20    # numbers of half a million requests

cdef bytes PREFACE_TEXT = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
cdef const uint8_t* PREFACE = <const uint8_t*><const char*>PREFACE_TEXT


cdef inline Py_ssize_t length_of(const uint8_t* header) noexcept nogil:
    return <Py_ssize_t>header[0] << 16 | <Py_ssize_t>header[1] << 8 | header[2]


cdef inline uint32_t number_of(const uint8_t* data) noexcept nogil:
    return <uint32_t>data[0] << 24 | <uint32_t>data[1] << 16 | <uint32_t>data[2] << 8 | data[3]


cdef bint is_preface(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Whether *data* begins like the connection preface (section 3.4), as far as it goes."""
    return memcmp(data, PREFACE, size if size < PREFACE_SIZE else PREFACE_SIZE) == 0


cdef bint is_well_formed(const uint8_t* header, Py_ssize_t length, uint32_t stream) noexcept nogil:
    """Whether the length fits the type, and the stream is one where it has to be (section 6)."""
    cdef uint8_t kind = header[3]
    if kind == SETTINGS:
        return stream == 0 and length % 6 == 0
    if kind == PING:
        return stream == 0 and length == 8
    if kind == GOAWAY:
        return stream == 0 and length >= 8
    if kind == WINDOW_UPDATE:
        return length == 4
    if kind == PRIORITY:
        return stream != 0 and length == 5
    if kind == RST_STREAM:
        return stream != 0 and length == 4
    if kind <= CONTINUATION:
        return stream != 0
    return length <= LARGEST_IGNORED


cdef bint can_be_frame(const uint8_t* data) noexcept nogil:
    """Whether the nine bytes are the header of a usual frame: for bytes of which it is not known that they are one."""
    cdef uint8_t kind = data[3]
    cdef uint8_t flags = data[4]
    cdef uint8_t allowed = 0
    cdef Py_ssize_t length = length_of(data)
    if kind > CONTINUATION or length > USUAL_FRAME or data[5] & 0x80:
        return False
    if kind == DATA:
        allowed = FLAG_END_STREAM | FLAG_PADDED
    elif kind == HEADERS:
        allowed = FLAG_END_STREAM | FLAG_END_HEADERS | FLAG_PADDED | FLAG_PRIORITY
    elif kind == PUSH_PROMISE:
        allowed = FLAG_END_HEADERS | FLAG_PADDED
    elif kind == CONTINUATION:
        allowed = FLAG_END_HEADERS
    elif kind == SETTINGS or kind == PING:
        allowed = 1
    if flags & ~allowed or (kind == SETTINGS and flags and length):
        return False
    if kind == HEADERS and length == 0:
        return False
    return is_well_formed(data, length, number_of(data + 5))


cdef bint is_message(const uint8_t* data) noexcept nogil:
    """Whether the nine bytes of a usual frame begin a whole header block of one of the first requests of a connection.

    One in 2^35 random places looks so; no other frame has to follow for it to be believed.
    """
    return data[3] == HEADERS and data[4] & FLAG_END_HEADERS and data[8] & 1 and number_of(data + 5) < FIRST_STREAMS


cdef class FrameReader:
    """Reads one direction. *payload_limit*: bytes of a header frame that are kept, the rest is left out."""

    def __init__(self, Py_ssize_t payload_limit):
        self.payload_limit = payload_limit
        self.state = IN_PREFACE

    def __dealloc__(self):
        buffer_free(&self.buffer)

    cdef FrameEvent advance(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? FRAME_MORE:
        """Take bytes off *data* up to the next event, and return it."""
        cdef FrameEvent event = FRAME_MORE
        while event == FRAME_MORE:
            if self.state == IN_PAYLOAD:
                return self.payload_step(data, size)
            if self.state == IN_CONTENT:
                return self.content_step(data, size)
            if size[0] == 0:
                break
            if self.state == IN_HEADER:
                event = self.header_step(data, size, time_ns)
            elif self.state == IN_REST:
                self.content_step(data, size)
            elif self.state == IN_PREFACE:
                event = self.preface_step(data, size)
            elif self.state == RESYNCING:
                return self.resync_step(data, size)
            else:
                self.skipped += size[0]
                size[0] = 0
        return event

    cdef bint skip(self, uint64_t length) noexcept:
        """Go over *length* lost bytes; False when they may have held more than the rest of the frame in progress."""
        if self.state == FINISHED:
            return True
        if self.state < IN_PAYLOAD or self.state == RESYNCING or length > <uint64_t>self.left:
            return False
        self.left -= <Py_ssize_t>length
        self.is_cut = True
        if self.is_padding_due and length:
            self.is_padding_due = False
        if self.state == IN_REST and self.left == 0:
            self.state = IN_HEADER
        return True

    cdef void resync(self) noexcept:
        """Look for the next frame header from here on."""
        self.skipped += self.buffer.size
        buffer_clear(&self.buffer)
        self.tried = 0
        self.filled = 0
        self.state = RESYNCING

    cdef bint take_last(self) noexcept:
        """Where nothing more follows: whether the frame that waits for another one behind it ends here, and is taken."""
        cdef Py_ssize_t at = self.tried
        if self.state != RESYNCING or at + FRAME_HEADER_SIZE > self.buffer.size or not can_be_frame(self.buffer.data + at):
            return False
        if at + FRAME_HEADER_SIZE + length_of(self.buffer.data + at) != self.buffer.size:
            return False
        self.accept(at)
        return True

    cdef void accept(self, Py_ssize_t at) noexcept:
        """Go on with a frame that begins at *at* in what was searched."""
        self.skipped += at
        buffer_drop_front(&self.buffer, at)
        self.tried = 0
        self.state = IN_HEADER

    cdef void finish(self) noexcept:
        """Count what follows, nothing else."""
        self.skipped += self.buffer.size
        buffer_free(&self.buffer)
        self.state = FINISHED

    cdef FrameEvent preface_step(self, const uint8_t** data, Py_ssize_t* size) noexcept:
        """Go over the connection preface, if there is one."""
        while size[0] and self.filled < PREFACE_SIZE:
            if data[0][0] != PREFACE[self.filled]:
                self.state = IN_HEADER if self.filled == 0 else RESYNCING
                return FRAME_MORE if self.filled == 0 else FRAME_BROKEN
            self.filled += 1
            data[0] += 1
            size[0] -= 1
        if self.filled == PREFACE_SIZE:
            self.filled = 0
            self.is_strict = False
            self.state = IN_HEADER
        return FRAME_MORE

    cdef FrameEvent header_step(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) noexcept:
        cdef Py_ssize_t taken = min(FRAME_HEADER_SIZE - self.filled, size[0])
        if self.filled == 0:
            self.begin_ns = time_ns
        memcpy(self.header + self.filled, data[0], taken)
        self.filled += taken
        data[0] += taken
        size[0] -= taken
        if self.filled < FRAME_HEADER_SIZE:
            return FRAME_MORE
        self.filled = 0
        self.open_frame()
        if can_be_frame(self.header) if self.is_strict else is_well_formed(self.header, self.length, self.stream):
            return FRAME_MORE
        self.skipped += FRAME_HEADER_SIZE
        self.resync()
        return FRAME_BROKEN

    cdef void open_frame(self) noexcept:
        buffer_clear(&self.buffer)
        self.length = length_of(self.header)
        self.left = self.length
        self.type = self.header[3]
        self.flags = self.header[4]
        self.stream = number_of(self.header + 5) & 0x7FFFFFFF
        self.padding = 0
        self.is_cut = False
        self.is_padding_due = self.type == DATA and self.flags & FLAG_PADDED and self.length > 0
        if self.type == DATA:
            self.state = IN_CONTENT
        elif self.type == HEADERS or self.type == PUSH_PROMISE or self.type == CONTINUATION or self.type == RST_STREAM:
            self.state = IN_PAYLOAD
        else:
            self.state = IN_REST if self.length else IN_HEADER

    cdef FrameEvent payload_step(self, const uint8_t** data, Py_ssize_t* size) except? FRAME_MORE:
        """Wait for the whole payload; read it where it is if it lies in one piece."""
        cdef Py_ssize_t taken = min(self.left, size[0])
        cdef Py_ssize_t room = 0 if self.is_cut else self.payload_limit - self.buffer.size
        self.payload = data[0]
        self.payload_size = min(taken, room)
        if self.buffer.size or taken < self.left:
            buffer_append(&self.buffer, data[0], self.payload_size)
            self.payload = self.buffer.data
            self.payload_size = self.buffer.size
        if taken > room:
            self.is_cut = True
        self.left -= taken
        data[0] += taken
        size[0] -= taken
        if self.left:
            return FRAME_MORE
        self.buffer.size = 0  # its bytes stay until the next frame
        self.state = IN_HEADER
        return FRAME_WHOLE

    cdef FrameEvent content_step(self, const uint8_t** data, Py_ssize_t* size) noexcept:
        """Hand on what came of a DATA frame without its padding (section 6.1), or go over a frame that no one reads."""
        cdef Py_ssize_t taken
        if self.is_padding_due and size[0]:
            self.padding = data[0][0]
            self.is_padding_due = False
            self.left -= 1
            data[0] += 1
            size[0] -= 1
        taken = min(self.left, size[0])
        self.part = data[0]
        self.part_size = max(0, min(taken, self.left - self.padding))
        self.left -= taken
        data[0] += taken
        size[0] -= taken
        if self.left == 0:
            self.filled = 0
            if self.state == IN_CONTENT:
                self.state = IN_HEADER
                return FRAME_WHOLE
            self.state = IN_HEADER
        return FRAME_PART if self.part_size else FRAME_MORE

    cdef FrameEvent resync_step(self, const uint8_t** data, Py_ssize_t* size) except? FRAME_MORE:
        """Find a frame header that another one follows where its frame ends, or that tells enough by itself.

        Where a segment ends must not matter, so a frame behind which nothing came yet waits, and with it what could be one later.
        """
        cdef Py_ssize_t at = self.tried, next_at
        buffer_append(&self.buffer, data[0], size[0])
        data[0] += size[0]
        size[0] = 0
        while at + FRAME_HEADER_SIZE <= self.buffer.size:
            if can_be_frame(self.buffer.data + at):
                next_at = at + FRAME_HEADER_SIZE + length_of(self.buffer.data + at)
                if is_message(self.buffer.data + at):
                    self.accept(at)
                    return FRAME_FOUND
                if next_at + FRAME_HEADER_SIZE > self.buffer.size:
                    break  # not known yet
                if can_be_frame(self.buffer.data + next_at):
                    self.accept(at)
                    return FRAME_FOUND
            at += 1
        self.tried = at
        if at > HELD_LIMIT:
            self.skipped += at
            buffer_drop_front(&self.buffer, at)
            self.tried = 0
        return FRAME_MORE
