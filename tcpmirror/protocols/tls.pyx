# cython: language_level=3, boundscheck=False, wraparound=False
"""TLS on a flow: decrypted where the operator gave its secrets, otherwise counted as encrypted and not analysed.

Either way its ClientHello says for whom it is and who speaks. With secrets, the bytes of each direction are cut into records
here; `TlsSession` opens them, and what was in them goes, in the order and at the times of its packets, to a reader of its own
as if it had come in clear. Records wait, within bounds, while a secret is not there or the other direction has to tell first
which one it is. After lost bytes a record's beginning is searched for; that it opens proves it is one.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport END_EVICTED, EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.buffer cimport buffer_append, buffer_clear, buffer_drop_front, buffer_free
from tcpmirror.protocols.decryption cimport Decryption
from tcpmirror.protocols.factory cimport ExchangeFactory

from collections import deque

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import endpoint_text
from tcpmirror.protocols.client_hello import read_client_hello
from tcpmirror.protocols.tls_session import TlsSession

cdef enum:
    HELLO_LIMIT = 16384      # with the largest post-quantum key shares a ClientHello has 2 KiB
    HELLO_RECORDS = 16       # that a ClientHello may come in; some clients send it in two or three
    HEADER_SIZE = 5
    LARGEST_BODY = 16384 + 2048  # RFC 5246, section 6.2.3
    SMALLEST_PROTECTED = 17  # a tag, and a content type
    EVENT_BYTES = 160        # what keeping a record costs beyond its bytes
    DONE = 0                 # outcomes of an event; the others are those of tls_session.Refusal
    WAITS_FOR_SECRET = 1
    WAITS_FOR_PEER = 2
    BAD = 3
    GIVEN_UP = 4
    AN_END = -1              # numbers of events without a record: an end; else the size of a lost record
cdef uint64_t DECRYPTED = 1ULL << Anomaly.DECRYPTED
cdef uint64_t PEER_NS = 1_000_000_000   # a mirror shows both directions of a handshake within this time, or one only
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


cdef class TlsConnection(StreamSink):
    """One flow. *hellos* takes (server, ClientHello)."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow, hellos):
        self.factory = factory
        self.flow = flow
        self.hellos = hellos
        self.client_side = -1
        self.session_client = -1
        factory.tls_flows += 1
        self.decryption = factory.decryption
        if self.decryption is not None:
            self.session = TlsSession(self.decryption.secrets, self.decryption.wait_ns == 0)
            self.queue0 = deque()
            self.queue1 = deque()

    def __dealloc__(self):
        buffer_free(&self.opening)
        buffer_free(&self.cut0.part)
        buffer_free(&self.cut1.part)
        if self.decryption is not None:
            self.decryption.tls_waiting_bytes -= self.waiting_bytes

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

    # -- the ClientHello ------------------------------------------------------------------------------------------------------

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

    # -- bytes to records -------------------------------------------------------------------------------------------------------

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

    # -- records to plaintext -----------------------------------------------------------------------------------------------------

    cdef int take_event(self, int side, bytes record, Py_ssize_t number, uint64_t time_ns) except -1:
        """Process an event now, or keep it where it has to wait; return the outcome.

        *record* with the *number* of bytes lost before it; None: an end (AN_END less its kind), or the size of a lost record.
        """
        cdef int outcome
        if self.waits_for_secret or len(self.queue1 if side else self.queue0):
            return self.wait_for(side, record, number, time_ns)
        outcome = self.process(side, record, number, time_ns)
        if outcome == WAITS_FOR_SECRET or outcome == WAITS_FOR_PEER:
            self.waits_for_secret = outcome == WAITS_FOR_SECRET
            return self.wait_for(side, record, number, time_ns)
        if self.waiting_since_ns:
            self.run()
        return outcome

    cdef int wait_for(self, int side, bytes record, Py_ssize_t number, uint64_t time_ns) except -1:
        """Keep an event; past a limit nothing waits any more."""
        cdef Py_ssize_t size = EVENT_BYTES + (PyBytes_GET_SIZE(record) if record is not None else 0)
        (self.queue1 if side else self.queue0).append((self.order, record, number, time_ns))
        self.order += 1
        self.waiting_bytes += size
        self.decryption.tls_waiting_bytes += size
        if not self.waiting_since_ns:
            self.waiting_since_ns = max(time_ns, 1)
        if self.waiting_bytes > self.decryption.flow_bytes or self.decryption.tls_waiting_bytes > self.decryption.worker_bytes:
            self.resolve()
        return DONE

    cdef int run(self) except -1:
        """Process what waits, oldest first, as far as that goes."""
        cdef int side, outcome, is_blocked = 0
        cdef tuple event
        self.waits_for_secret = False
        while True:
            side = -1
            if self.queue0 and not is_blocked & 1:
                side = 0
            if self.queue1 and not is_blocked & 2 and (side < 0 or self.queue1[0][0] < self.queue0[0][0]):
                side = 1
            if side < 0:
                break
            queue = self.queue1 if side else self.queue0
            event = queue[0]
            outcome = self.process(side, event[1], event[2], event[3])
            if outcome == WAITS_FOR_SECRET:
                self.waits_for_secret = True
                break
            if outcome == WAITS_FOR_PEER:
                is_blocked |= 2 if side else 1
                continue
            is_blocked &= ~(1 if side else 2)  # what was done may be what the other direction waits for
            if queue:  # giving up empties it
                queue.popleft()
                self.forget(event[1])
        if not self.queue0 and not self.queue1:
            self.waiting_since_ns = 0
        return 0

    cdef int process(self, int side, bytes record, Py_ssize_t number, uint64_t time_ns) except -1:
        """Open a record and deliver what was in it; return DONE or why not."""
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        cdef int role = 0 if side == self.session_client else 1
        if record is None:
            if number <= AN_END and not cut.is_given_up:
                self.deliver_end(side, <EndKind>(AN_END - number), time_ns)
            elif number > AN_END and not cut.is_given_up:
                self.deliver_gap(side, self.session.lose_record(role, number), time_ns)
            return DONE
        opened = self.session.open(role, record, number)
        if type(opened) is bytes:
            if number and self.session.lost_bytes:
                self.deliver_gap(side, self.session.lost_bytes, time_ns)
            if opened:
                self.deliver(side, <bytes>opened, time_ns)
            return DONE
        if opened == BAD:
            self.decryption.tls_bad_records += 1
            if not cut.is_guess:
                self.deliver_gap(side, self.session.lose_record(role, PyBytes_GET_SIZE(record)), time_ns)
        elif opened == GIVEN_UP:
            self.give_up(side, time_ns)
        return <int>opened

    cdef int deliver(self, int side, bytes plain, uint64_t time_ns) except -1:
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        self.open_inner(time_ns)
        cut.uncounted = 0
        self.decryption.tls_decrypted_bytes += PyBytes_GET_SIZE(plain)
        self.inner.data(side, <const uint8_t*>PyBytes_AS_STRING(plain), PyBytes_GET_SIZE(plain), time_ns)
        return 0

    cdef int deliver_gap(self, int side, Py_ssize_t length, uint64_t time_ns) except -1:
        if length > 0:
            if self.inner is None:
                length = 1  # how many of them were not of the handshake nobody knows
            self.open_inner(time_ns)
            self.inner.gap(side, length, time_ns)
        return 0

    cdef int deliver_end(self, int side, EndKind how, uint64_t time_ns) except -1:
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        if self.inner is not None:
            self.open_inner(time_ns)
            self.inner.end(side, how, time_ns)
        elif not cut.untold_end:
            cut.untold_end = how
        return 0

    cdef int shed(self) except -1:
        """Have the reader of the plaintext give up its bodies."""
        cdef Py_ssize_t before
        if self.inner is not None:
            before = self.inner.held_bytes
            self.inner.shed()
            self.held_bytes -= before - self.inner.held_bytes
        return 0

    cdef int open_inner(self, uint64_t time_ns) except -1:
        """Have a reader of the plaintext for which time has come to *time_ns*."""
        if self.inner is None:
            self.flow.anomalies |= DECRYPTED
            if self.session_client == 0:
                self.flow.is_client_known = True
            self.inner = self.factory.open(self.flow)
            if self.cut0.untold_end:
                self.inner.end(0, self.cut0.untold_end, time_ns)
            if self.cut1.untold_end:
                self.inner.end(1, self.cut1.untold_end, time_ns)
        if not self.is_decrypted:
            self.is_decrypted = True
            self.decryption.tls_decrypted_flows += 1
        if self.inner.deadline_ns and time_ns >= self.inner.deadline_ns:
            self.inner.tick(time_ns)
        return 0

    # -- giving up --------------------------------------------------------------------------------------------------------------

    cdef int resolve(self) except -1:
        """Nothing waits any longer: what is not there now will not come."""
        self.session.is_final = True
        self.session.is_peer_final = True
        return self.run()

    cdef int give_up(self, int side, uint64_t time_ns) except -1:
        """From here on the direction is counted only; its reader does not wait for more of it."""
        cdef Cutting* cut = &self.cut1 if side else &self.cut0
        cut.is_given_up = True
        queue = self.queue1 if side else self.queue0
        while queue:
            self.forget(queue.popleft()[1])
        self.tell_fault()
        self.deliver_end(side, END_EVICTED, time_ns)
        return self.count_rest(cut)

    def forget(self, record):
        """A kept event is kept no more."""
        cdef Py_ssize_t size = EVENT_BYTES + (len(record) if record is not None else 0)
        self.waiting_bytes -= size
        self.decryption.tls_waiting_bytes -= size

    cdef int tell_fault(self) except -1:
        if not self.has_told_fault and self.session.fault is not None:
            self.has_told_fault = True
            self.decryption.count(self.session.fault)
        return 0

    cdef int count_encrypted(self, uint64_t length) except -1:
        self.factory.tls_bytes += length
        self.factory.not_http_bytes += length
        return 0

    cdef int count_rest(self, Cutting* cut) except -1:
        """Count what came of a direction since its last byte that was decrypted."""
        self.count_encrypted(cut.uncounted)
        cut.uncounted = 0
        return 0

    cdef int leave(self) except -1:
        """Both directions have ended, and nothing waits."""
        if self.is_leaving:
            return 0
        self.is_leaving = True
        self.session.conclude()
        self.tell_fault()
        self.count_rest(&self.cut0)
        return self.count_rest(&self.cut1)

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
