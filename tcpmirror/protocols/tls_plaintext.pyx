# cython: language_level=3, boundscheck=False, wraparound=False
"""What is in the records of a TLS connection: `TlsSession` opens them, a reader of the plaintext takes them as if in clear.

It is given them in the order and at the times of their packets. Records wait, within bounds, while a secret is not there or
the other direction has to tell first which one it is.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport END_EVICTED, EndKind, FlowInfo, StreamSink
from tcpmirror.protocols.decryption cimport Decryption
from tcpmirror.protocols.factory cimport ExchangeFactory

from collections import deque

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.protocols.tls_session import TlsSession

cdef enum:
    EVENT_BYTES = 160        # what keeping a record costs beyond its bytes
    WAITS_FOR_SECRET = 1     # outcomes of an event beside DONE and BAD: those of tls_direction.Refusal
    WAITS_FOR_PEER = 2
    GIVEN_UP = 4
cdef uint64_t DECRYPTED = 1ULL << Anomaly.DECRYPTED


cdef class TlsPlaintext(StreamSink):
    """The records of one flow, whole or lost, and what waits of them. Without secrets there is no ``session``."""

    def __init__(self, ExchangeFactory factory, FlowInfo flow):
        self.factory = factory
        self.flow = flow
        self.session_client = -1
        self.decryption = factory.decryption
        if self.decryption is not None:
            self.session = TlsSession(self.decryption.secrets, self.decryption.wait_ns == 0)
            self.queue0 = deque()
            self.queue1 = deque()

    def __dealloc__(self):
        if self.decryption is not None:
            self.decryption.tls_waiting_bytes -= self.waiting_bytes

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
