# cython: language_level=3, boundscheck=False, wraparound=False
"""Half: one direction of a flow read as HTTP/1 messages.

The owner gives bytes and asks for events until WANTS_DATA; nothing here knows about the other direction. A head that lies in
one segment is read where it is; only what a segment leaves unfinished is copied. Every byte is scanned a fixed number of
times, however the stream was cut.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr, memcpy

from tcpmirror.protocols.bodies cimport Body
from tcpmirror.protocols.buffer cimport buffer_append, buffer_clear, buffer_drop_front, buffer_free
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.framing cimport (
    BODY_BROKEN, BODY_DONE, BODY_LENGTH, BODY_MORE, framing_advance, framing_open, framing_skip)
from tcpmirror.protocols.head cimport (
    ROLE_CLIENT, ROLE_SERVER, START_BAD, START_REQUEST, START_SIMPLE, parse_header_lines)
from tcpmirror.protocols.start_line cimport (
    IS_NOT, METHOD_LIMIT, find_start_line, is_known_method, parse_cut_request_line, parse_start_line, plausible_start)

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BAD_START_LINE = 1 << Anomaly.BAD_START_LINE
cdef uint64_t SPACE_IN_TARGET = 1 << Anomaly.SPACE_IN_TARGET
cdef uint64_t HEAD_LIMIT = 1 << Anomaly.HEAD_LIMIT
cdef uint64_t INCOMPLETE = 1 << Anomaly.INCOMPLETE
cdef uint64_t GAP = 1 << Anomaly.GAP

cdef enum:
    HUNTED_LIMIT = 65536     # bytes without a start line after which a side is not HTTP/1 (TLS, a database)
    HUNT_LINE = 8192         # bytes before a line end in which a start line is looked for (nginx's longest)


cdef class Half:
    def __init__(self, Role role, bint is_joined, ExchangeFactory factory):
        limits = factory.limits
        self.role = role
        self.is_joined = is_joined
        self.is_line_start = True
        self.body = Body(factory)
        self.head_limit = limits.head_bytes
        self.hunt_limit = min(HUNT_LINE, self.head_limit)
        self.header_limit = limits.header_count

    def __dealloc__(self):
        buffer_free(&self.buffer)

    cdef HalfEvent advance(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? WANTS_DATA:
        """Take bytes off *data* up to the next event, and return it."""
        if self.state == IN_BODY:
            return self.body_step(data, size, time_ns)
        if self.state == HUNTING:
            return self.hunt_step(data, size, time_ns)
        if size[0] == 0 and not self.has_whole_line:
            return WANTS_DATA
        if self.state == AT_START:
            return self.start(data, size, time_ns)
        if self.state == IN_HEAD:
            return self.head_step(data, size, time_ns)
        self.skipped += size[0]
        size[0] = 0
        return WANTS_DATA

    cdef bint skip(self, uint64_t length) noexcept:
        """Go over *length* lost bytes; False when they may have held more than the rest of the body in progress."""
        if self.state == CLOSED:
            return True
        if self.state == IN_BODY and framing_skip(&self.framing, self.body, length) != BODY_BROKEN:
            self.anomalies |= GAP
            return True
        return False

    cdef bint can_cut_head(self) noexcept:
        """Make what is there of a head the whole of it; False if not even its start line is there.

        A line that has blanks in its target and no known method, in a head that never ends, is no start line either.
        """
        if not self.has_start_line:
            if self.role == ROLE_SERVER or not parse_cut_request_line(&self.head, self.buffer.data, self.buffer.size):
                return False
        elif self.head.anomalies & SPACE_IN_TARGET and not is_known_method(self.buffer.data, self.head.method_size):
            return False
        self.had_message = True
        self.head_data = self.buffer.data
        self.head_size = self.buffer.size
        parse_header_lines(&self.head, self.head_data, self.head_size, self.header_limit)
        return True

    cdef void open_body(self, FramingKind kind, tuple codings) noexcept:
        """Go on with the body of the message whose head is whole."""
        framing_open(&self.framing, kind, self.head.length if kind == BODY_LENGTH else 0)
        self.body.begin(codings, self.role == ROLE_SERVER)
        buffer_clear(&self.buffer)
        self.state = IN_BODY

    cdef void pass_over(self) noexcept:
        """Forget the message whose head is whole: the next one follows at once."""
        buffer_clear(&self.buffer)
        self.anomalies = 0
        self.state = AT_START

    cdef void hunt(self) noexcept:
        """Look for the next start line from here on, in the middle of a line."""
        self.skipped += self.buffer.size
        buffer_clear(&self.buffer)
        self.has_whole_line = False
        self.is_line_start = False
        self.state = HUNTING

    cdef void close(self) noexcept:
        """Count what follows, nothing else."""
        self.skipped += self.buffer.size
        buffer_free(&self.buffer)
        self.body.begin(None, False)
        self.has_whole_line = False
        self.message = None
        self.entry = None
        self.state = CLOSED

    cdef Py_ssize_t held(self) noexcept:
        """Return how many bytes are kept here."""
        cdef Py_ssize_t size = self.buffer.capacity + self.body.held()
        if self.state == IN_BODY:
            size += self.head_size
        return size

    cdef HalfEvent start(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) noexcept:
        """Go over empty lines before a start line (RFC 9112, section 2.2)."""
        cdef const uint8_t* at = data[0]
        cdef const uint8_t* end = at + size[0]
        while at < end and (at[0] == 13 or at[0] == 10):
            at += 1
        data[0] = at
        size[0] = end - at
        if at == end:
            return WANTS_DATA
        self.state = IN_HEAD
        self.has_start_line = False
        self.is_line_start = True
        self.begin_ns = time_ns
        return MESSAGE_BEGAN

    cdef HalfEvent body_step(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? WANTS_DATA:
        cdef Py_ssize_t before = size[0]
        cdef int progress = framing_advance(&self.framing, self.body, data, size)
        if size[0] != before:
            self.end_ns = time_ns
        if progress == BODY_MORE:
            return WANTS_DATA
        self.anomalies |= self.framing.anomalies
        if progress == BODY_DONE:
            self.state = AT_START
            return MESSAGE_WHOLE
        self.faults += 1
        self.anomalies |= INCOMPLETE
        self.hunt()
        return MESSAGE_WHOLE

    cdef HalfEvent head_step(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? WANTS_DATA:
        """Look for the empty line that ends the head."""
        cdef Py_ssize_t at = 0, end, scanned
        cdef HalfEvent event
        self.end_ns = time_ns
        if not self.has_start_line:
            event = self.start_line_step(data, size, &at, time_ns)
            if event != HEAD_WHOLE or not self.has_start_line or self.head.start == START_SIMPLE:
                return event
            if self.head_limit_reached():
                return self.head_limit_step()
        scanned = min(size[0], self.head_limit - self.buffer.size)
        end = self.find_head_end(data[0], at, scanned)
        if end < 0 or self.buffer.size:
            buffer_append(&self.buffer, data[0], scanned if end < 0 else end)
        self.head_data = <const uint8_t*>self.buffer.data if self.buffer.size else data[0]
        self.head_size = self.buffer.size if self.buffer.size else end
        scanned = scanned if end < 0 else end
        data[0] += scanned
        size[0] -= scanned
        if end < 0:
            return self.head_limit_step() if self.head_limit_reached() else WANTS_DATA
        self.had_message = True
        parse_header_lines(&self.head, self.head_data, self.head_size, self.header_limit)
        return HEAD_WHOLE

    cdef HalfEvent start_line_step(
            self, const uint8_t** data, Py_ssize_t* size, Py_ssize_t* at, uint64_t time_ns) except? WANTS_DATA:
        """Judge the first line as soon as it is whole: HEAD_WHOLE when the headers may follow, from data[at] on.

        HEAD_WHOLE without `has_start_line`: a line over the limit is all there is of the head.
        """
        cdef const uint8_t* stop
        cdef Py_ssize_t scanned = min(size[0], self.head_limit - self.buffer.size)
        if not self.has_whole_line:
            if self.buffer.size < METHOD_LIMIT and not self.is_plausible(data[0], size[0]):
                return self.drop()
            stop = <const uint8_t*>memchr(data[0], 10, scanned)
            if stop == NULL or self.buffer.size:
                scanned = scanned if stop == NULL else stop + 1 - data[0]
                self.hold(data[0], scanned, time_ns)
                data[0] += scanned
                size[0] -= scanned
                if stop == NULL:
                    return self.head_limit_step() if self.head_limit_reached() else WANTS_DATA
                self.has_whole_line = True
        if not self.has_whole_line:
            at[0] = stop + 1 - data[0]
            if not self.is_start_line(data[0], at[0]):
                return self.drop()
        elif not self.is_start_line(self.buffer.data, self.buffer.size):
            return self.drop()
        self.has_start_line = True
        self.line_size = 0
        if self.head.start == START_SIMPLE:
            self.head_data = <const uint8_t*>self.buffer.data if self.has_whole_line else data[0]
            self.head_size = self.buffer.size if self.has_whole_line else at[0]
            data[0] += at[0]
            size[0] -= at[0]
            self.had_message = True
        self.has_whole_line = False
        return HEAD_WHOLE

    cdef bint is_plausible(self, const uint8_t* data, Py_ssize_t size) noexcept:
        """Whether a start line may begin with what is buffered and what came."""
        cdef uint8_t[METHOD_LIMIT] opening
        cdef Py_ssize_t held = self.buffer.size
        if held == 0:
            return plausible_start(data, size, self.role) != IS_NOT
        size = min(size, METHOD_LIMIT - held)
        memcpy(opening, self.buffer.data, held)
        memcpy(opening + held, data, size)
        return plausible_start(opening, held + size, self.role) != IS_NOT

    cdef bint is_start_line(self, const uint8_t* line, Py_ssize_t size) noexcept:
        parse_start_line(&self.head, line, size, self.role)
        if self.head.start == START_SIMPLE:  # the only request of its connection, so never after another or in a joined flow
            return self.role == ROLE_CLIENT and not self.had_message and not self.is_joined
        return self.head.start != START_BAD

    cdef HalfEvent drop(self) noexcept:
        """Give up what began: the bytes are looked at again while hunting."""
        self.state = HUNTING
        if self.had_message or not self.is_joined:
            self.faults += 1
            self.anomalies |= BAD_START_LINE
        return MESSAGE_DROPPED

    cdef Py_ssize_t find_head_end(self, const uint8_t* data, Py_ssize_t at, Py_ssize_t size) noexcept:
        """Return where the head ends in data[at:size], or -1; remembers the unfinished line for the next call."""
        cdef const uint8_t* stop
        cdef Py_ssize_t part, total
        while at < size:
            if self.line_size == 0:
                self.is_lone_cr = data[at] == 13
            stop = <const uint8_t*>memchr(data + at, 10, size - at)
            if stop == NULL:
                self.line_size += size - at
                return -1
            part = stop - data - at
            total = self.line_size + part
            at += part + 1
            self.line_size = 0
            if total == 0 or (total == 1 and self.is_lone_cr):
                return at
        return -1

    cdef HalfEvent head_limit_step(self) noexcept:
        """End a head that passed its limit: its start is kept, what follows is hunted through."""
        if not self.has_start_line:
            parse_start_line(&self.head, self.buffer.data, self.buffer.size, self.role)
            if self.head.start == START_BAD or self.head.start == START_SIMPLE:
                if self.head.target_size <= 0:
                    return self.drop()
                self.head.start = START_REQUEST
        self.head_data = self.buffer.data
        self.head_size = self.buffer.size
        parse_header_lines(&self.head, self.head_data, self.head_size, self.header_limit)
        self.had_message = True
        self.faults += 1
        self.head.anomalies |= HEAD_LIMIT
        return HEAD_WHOLE

    cdef HalfEvent hunt_step(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except? WANTS_DATA:
        """Look line by line for the next start line."""
        cdef const uint8_t* stop
        cdef Py_ssize_t line, found
        while size[0] or self.has_whole_line:
            if self.has_whole_line or self.buffer.size:
                if not self.has_whole_line and not self.hunt_in_part(data, size, time_ns):
                    return self.not_found(0)
                found = find_start_line(self.buffer.data, self.buffer.size, self.is_line_start, self.role, self.hunt_limit)
                if found >= 0:
                    self.skipped += found
                    time_ns = self.time_at(found)
                    self.drop_held(found)
                    return self.begin_found(time_ns)
                line = self.buffer.size
                buffer_clear(&self.buffer)
                self.has_whole_line = False
            else:
                stop = <const uint8_t*>memchr(data[0], 10, size[0])
                if stop == NULL:
                    self.hunt_in_part(data, size, time_ns)
                    return WANTS_DATA
                line = stop + 1 - data[0]
                found = find_start_line(data[0], line, self.is_line_start, self.role, self.hunt_limit)
                if found >= 0:
                    self.skipped += found
                    data[0] += found
                    size[0] -= found
                    return self.begin_found(time_ns)
                data[0] += line
                size[0] -= line
            self.is_line_start = True
            if self.not_found(line) == NOT_HTTP_HERE:
                return NOT_HTTP_HERE
        return WANTS_DATA

    cdef int hunt_in_part(self, const uint8_t** data, Py_ssize_t* size, uint64_t time_ns) except -1:
        """Add to the buffered line what came of it; 1 when its end came. A long line keeps only its last bytes."""
        cdef const uint8_t* stop = <const uint8_t*>memchr(data[0], 10, size[0])
        cdef Py_ssize_t line = size[0] if stop == NULL else stop + 1 - data[0]
        cdef Py_ssize_t over
        self.hold(data[0], line, time_ns)
        data[0] += line
        size[0] -= line
        over = self.buffer.size - self.hunt_limit
        if over > self.hunt_limit:  # so each byte is moved once at most
            self.skipped += over
            self.hunted += over
            self.drop_held(over)
            self.is_line_start = False
        if stop == NULL:
            return 0
        self.has_whole_line = True
        return 1

    cdef int hold(self, const uint8_t* data, Py_ssize_t size, uint64_t time_ns) except -1:
        """Add to the buffered line what came at *time_ns*."""
        if self.buffer.size == 0:
            self.line_ns = self.recent_ns = time_ns
            self.recent_at = 0
        elif time_ns != self.recent_ns:
            self.recent_ns = time_ns
            self.recent_at = self.buffer.size
        return buffer_append(&self.buffer, data, size)

    cdef void drop_held(self, Py_ssize_t size) noexcept:
        """Take *size* bytes off the front of the buffered line."""
        self.line_ns = self.time_at(size)
        self.recent_at = max(0, self.recent_at - size)
        buffer_drop_front(&self.buffer, size)

    cdef HalfEvent begin_found(self, uint64_t time_ns) noexcept:
        self.state = IN_HEAD
        self.has_start_line = False
        self.begin_ns = time_ns
        self.hunted = 0
        return MESSAGE_BEGAN

    cdef HalfEvent not_found(self, Py_ssize_t size) noexcept:
        """Count *size* bytes in which no message begins, and tell when it was too much."""
        self.skipped += size
        self.hunted += size
        if self.had_message or self.hunted < HUNTED_LIMIT:
            return WANTS_DATA
        return NOT_HTTP_HERE
