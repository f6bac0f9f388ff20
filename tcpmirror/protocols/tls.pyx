# cython: language_level=3, boundscheck=False, wraparound=False
"""TLS on a flow: decrypted where the operator gave its secrets, otherwise counted as encrypted and not analysed.

Either way its ClientHello says for whom it is and who speaks. With secrets, the bytes of each direction are cut into records
here, and `TlsPlaintext` has them opened. After lost bytes a record's beginning is searched for; that it opens proves it is one.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport END_EVICTED, EndKind, FlowInfo
from tcpmirror.protocols.buffer cimport buffer_append, buffer_clear, buffer_drop_front, buffer_free
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.tls_plaintext cimport AN_END, BAD, PEER_NS, Cutting, TlsPlaintext

from tcpmirror.model.exchange import endpoint_text
from tcpmirror.protocols.client_hello import read_client_hello

cdef enum:
    HELLO_LIMIT = 16384      # with the largest post-quantum key shares a ClientHello has 2 KiB
    HELLO_RECORDS = 16       # that a ClientHello may come in; some clients send it in two or three
    HEADER_SIZE = 5
    LARGEST_BODY = 16384 + 2048  # RFC 5246, section 6.2.3
    SMALLEST_PROTECTED = 17  # a tag, and a content type
cdef uint64_t POLL_NS = 100_000_000     # how often a flow that waits looks whether its secret has come


cdef inline bint is_record(const uint8_t* header) noexcept nogil:
    """Whether a record may begin with this header (RFC 8446, section 5.1)."""
    return (0x14 <= header[0] <= 0x18 and header[1] == 3 and header[2] <= 4
            and (header[3] << 8 | header[4]) <= LARGEST_BODY)


cdef Py_ssize_t find_record(const uint8_t* data, Py_ssize_t length) noexcept nogil:
    """Return where the header of a protected record may stand in *data*, or -1.

    Ciphertext looks like one once in 16 million bytes: three bytes are fixed, but for the type.
    """
    cdef Py_ssize_t at
    cdef int size
    for at in range(length - HEADER_SIZE + 1):
        if data[at + 1] == 3 and data[at + 2] == 3 and 0x15 <= data[at] <= 0x17:
            size = data[at + 3] << 8 | data[at + 4]
            if SMALLEST_PROTECTED <= size <= LARGEST_BODY:
                return at
    return -1


cdef class TlsConnection(TlsPlaintext):
    """One flow. *hellos* takes (server, ClientHello)."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow, hellos):
        TlsPlaintext.__init__(self, factory, flow)
        self.hellos = hellos
        self.client_side = -1
        factory.tls_flows += 1

    def __dealloc__(self):
        buffer_free(&self.opening)
        buffer_free(&self.cut0.part)
        buffer_free(&self.cut1.part)

    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        if self.client_side < 0 and length:
            self.client_side = side
        if not self.is_read and side == self.client_side:
            buffer_append(&self.opening, data, min(length, HELLO_LIMIT - self.opening.size))
            self.take_hello()
        if self.session is None:
            self.count_encrypted(length)
            self.held_bytes = self.opening.capacity
            return 0
        self.take_bytes(side, data, length, time_ns)
        return self.settle(time_ns)

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        cdef Py_ssize_t wanted
        if side == self.client_side:
            self.is_read = True
            buffer_free(&self.opening)
            self.held_bytes = 0
        if self.session is None or cut.is_given_up:
            return 0
        cut.uncounted += cut.part.size
        if cut.to_skip:
            wanted = cut.to_skip
        elif cut.part.size >= HEADER_SIZE and not cut.is_hunting and not cut.is_guess:
            cut.damaged_size = HEADER_SIZE + (cut.part.data[3] << 8 | cut.part.data[4])
            wanted = cut.damaged_size - cut.part.size
        else:
            wanted = 0
        if wanted and length <= <uint64_t>wanted:  # the record is lost, but where the next one begins is known
            buffer_clear(&cut.part)
            cut.to_skip = wanted - <Py_ssize_t>length
            if not cut.to_skip:
                self.lose_record(side, time_ns)
        else:
            cut.lost += cut.part.size + <Py_ssize_t>length
            if cut.to_skip:
                cut.lost += cut.damaged_size - cut.to_skip
                cut.to_skip = 0
            buffer_clear(&cut.part)
            cut.is_hunting = True
            cut.is_guess = False
        return self.settle(time_ns)

    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1:
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        if self.session is None or cut.has_ended:
            return 0
        cut.has_ended = True
        cut.uncounted += cut.part.size
        buffer_free(&cut.part)
        if how == END_EVICTED:  # what waits takes memory that is wanted elsewhere
            self.resolve()
        self.take_event(side, None, AN_END - <Py_ssize_t>how, time_ns)
        if self.cut0.has_ended and self.cut1.has_ended:
            if self.waiting_since_ns:
                self.decryption.ended.append(self)
            else:
                self.leave()
        return self.settle(time_ns)

    cdef int tick(self, uint64_t now_ns) except -1:
        cdef bint is_over
        if self.session is None:
            return 0
        if self.waiting_since_ns:
            is_over = now_ns >= self.waiting_since_ns + PEER_NS
            if self.waits_for_secret:
                is_over = now_ns >= self.waiting_since_ns + self.decryption.wait_ns
            if is_over:
                self.resolve()
            else:
                self.run()
        if not self.waiting_since_ns and self.inner is not None and self.inner.deadline_ns and now_ns >= self.inner.deadline_ns:
            self.inner.tick(now_ns)
        if self.cut0.has_ended and self.cut1.has_ended and not self.waiting_since_ns:
            self.leave()
        return self.settle(now_ns)

    cdef int take_hello(self) except -1:
        """Read the ClientHello as soon as it is whole; try once for each record it comes in."""
        cdef bytes opening
        cdef Py_ssize_t end
        cdef bint is_longer = False
        while self.opening.size >= self.opening_end + HEADER_SIZE:
            end = self.opening_end + HEADER_SIZE
            end += self.opening.data[end - 2] << 8 | self.opening.data[end - 1]
            if end > self.opening.size:
                break
            self.opening_end = end
            is_longer = True
        if not is_longer and self.opening.size < HELLO_LIMIT and self.opening.data[0] == 0x16:
            return 0
        self.opening_tries += 1
        opening = PyBytes_FromStringAndSize(<const char*>self.opening.data, self.opening.size)
        hello, is_open = read_client_hello(opening)
        self.is_read = (hello is not None or not is_open or self.opening.size >= HELLO_LIMIT
                        or self.opening_tries >= HELLO_RECORDS)
        if hello is not None:
            if self.client_side == 0:
                server = endpoint_text(self.flow.server_ip, self.flow.server_port)
            else:
                server = endpoint_text(self.flow.client_ip, self.flow.client_port)
            self.hellos.append((server, hello))
        if self.is_read:
            buffer_free(&self.opening)
        return 0

    cdef int take_bytes(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        cdef Py_ssize_t taken
        if self.waiting_since_ns:
            self.run()
        if cut.is_given_up:
            length += cut.part.size
            buffer_free(&cut.part)
            return self.count_encrypted(length)
        if not cut.part.size:
            taken = self.take_records(side, data, length, time_ns)
            buffer_append(&cut.part, data + taken, length - taken)
        else:
            buffer_append(&cut.part, data, length)
            taken = self.take_records(side, cut.part.data, cut.part.size, time_ns)
            if taken == cut.part.size:
                buffer_clear(&cut.part)
            elif taken:
                buffer_drop_front(&cut.part, taken)
        if cut.is_given_up:
            buffer_free(&cut.part)
        return 0

    cdef Py_ssize_t take_records(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        """Take the whole records at the beginning of *data*; return how many bytes are done with."""
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        cdef Py_ssize_t at = 0, size
        cdef int outcome
        cdef bint is_found
        while not cut.is_given_up:
            if cut.to_skip:
                size = min(cut.to_skip, length - at)
                at += size
                cut.uncounted += size
                cut.to_skip -= size
                if cut.to_skip:
                    return at
                self.lose_record(side, time_ns)
                continue
            if cut.is_hunting:
                size = find_record(data + at, length - at)
                is_found = size >= 0
                if not is_found:
                    size = max(0, length - at - (HEADER_SIZE - 1))
                cut.lost += size
                at += size
                cut.uncounted += size
                if not is_found:
                    return at
                cut.is_hunting = False
                cut.is_guess = True
            if length - at < HEADER_SIZE:
                return at
            if is_record(data + at):
                size = HEADER_SIZE + (data[at + 3] << 8 | data[at + 4])
                if length - at < size:
                    return at
                if self.session_client < 0:
                    self.session_client = 1 - side if data[at] == 0x16 and size > HEADER_SIZE and data[at + 5] == 2 else side
                cut.uncounted += size
                outcome = self.take_event(side, PyBytes_FromStringAndSize(<const char*>data + at, size), cut.lost, time_ns)
                if outcome != BAD or not cut.is_guess:
                    cut.lost = 0
                    cut.is_guess = False
                    at += size
                    continue
                cut.uncounted -= min(<uint64_t>size, cut.uncounted)
            cut.is_hunting = True  # no record begins here
            cut.is_guess = False
            cut.lost += 1
            at += 1
            cut.uncounted += 1
        self.count_encrypted(length - at)
        return length

    cdef int lose_record(self, int side, uint64_t time_ns) except -1:
        """A record of known size is over of which bytes were lost."""
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        self.take_event(side, None, cut.damaged_size, time_ns)
        return 0

    cdef int settle(self, uint64_t now_ns) except -1:
        """Bring what the owner sees up to date."""
        cdef uint64_t due = 0
        self.held_bytes = (self.opening.capacity + self.cut0.part.capacity + self.cut1.part.capacity + self.waiting_bytes
                           + <Py_ssize_t>self.session.held_bytes)
        if self.inner is not None:
            self.held_bytes += self.inner.held_bytes
            due = self.inner.deadline_ns
        if self.waiting_since_ns:
            due = self.waiting_since_ns + (self.decryption.wait_ns if self.waits_for_secret else PEER_NS)
            if self.waits_for_secret:
                due = min(due, now_ns + POLL_NS)
        elif self.is_leaving:
            due = 0
        self.deadline_ns = due
        return 0
