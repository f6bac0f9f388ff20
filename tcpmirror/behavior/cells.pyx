# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Cells: what one control counted of one subject in one place and slot, in a table of fixed size.

Cells lie in sets of WAYS; where a set is full, the cell with the smallest count gives way, so whatever many keys come, those
that count much stay (as in A. Metwally et al., "Efficient computation of frequent and top-k elements in data streams", ICDT
2005, but a newcomer inherits nothing: what is told is never too much).
"""
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from tcpmirror.behavior.check cimport OF_LARGE, OF_LOGINS, OF_PAYLOADS, OF_SLOW, Check
from tcpmirror.behavior.route cimport Route
from tcpmirror.model.exchange cimport Exchange, Request, Response
from tcpmirror.model.hashing cimport mixed

from tcpmirror.behavior.counter import Counter, CounterKey, Slot
from tcpmirror.model.exchange import ip_text

DEF WAYS = 8
DEF HASHES = 128          # as in counter.HASHES
DEF SAMPLE_FROM = 4       # a cell that counted so many keeps an exchange as a sample, and at each doubling
DEF SAMPLE_HEAD = 8192
DEF SAMPLES = 2048        # between two digests

UNCHECKED = "sha1"        # behind the point of a login: the hash of a password that nobody here knows follows

CELLS = 1 << 16           # of one worker, between two digests


cdef class Cell:
    """What one control counted of one subject in one place and slot."""

    def __dealloc__(self):
        free(self.hashes)

    cdef void add_value(self, uint32_t value) noexcept:
        """Keep *value* if it is among the HASHES smallest different ones."""
        cdef uint32_t at
        cdef uint32_t* wider
        if self.size == HASHES and value >= self.hashes[self.largest]:
            return
        for at in range(self.size):
            if self.hashes[at] == value:
                return
        if self.size < HASHES:
            if self.size == self.room:
                wider = <uint32_t*>realloc(self.hashes, 4 * (2 * self.room if self.room else 4))
                if wider == NULL:
                    return
                self.hashes, self.room = wider, 2 * self.room if self.room else 4
            self.hashes[self.size] = value
            self.size += 1
            if self.size < HASHES:
                return
        else:
            self.hashes[self.largest] = value
        self.largest = 0
        for at in range(1, self.size):
            if self.hashes[at] > self.hashes[self.largest]:
                self.largest = at

    cdef object counter(self):
        cdef Py_ssize_t parts = len(self.point) - 2
        control = self.check.control
        point, bins = self.point, {}
        if self.check.count == OF_LARGE or self.check.count == OF_SLOW:
            point, bins = (), {int(self.point[0]): self.count}
        unit, method = self.check.unit, self.route.method if self.check.is_relative else ""
        if self.check.count == OF_LOGINS and parts >= 0 and self.point[parts] is UNCHECKED:
            unit, point, method = "unchecked", self.point[:parts], self.point[parts + 1]
        key = CounterKey(control.name, control.type, unit, control.window_ns, control.threshold, text_of(self.subject),
                         "" if self.check.count == OF_PAYLOADS else self.route.host, self.path, point,
                         control.limit if self.check.is_relative else 0, method)
        hashes = frozenset([self.hashes[at] for at in range(self.size)])
        return Counter(key, {self.slot: Slot(self.count, self.first_ns, self.last_ns, hashes, bins)})


cdef class Cells:
    """A table of CELLS cells. ``evicted`` counts those that gave way: their counts are lost.

    Memory: CELLS cells of about 200 bytes (up to 700 where values are many) and SAMPLES heads of requests.
    """

    def __cinit__(self):
        self.mask = CELLS // WAYS - 1
        self.keys = <uint64_t*>calloc(CELLS, sizeof(uint64_t))
        if self.keys == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.keys)

    def __init__(self):
        self.cells = [None] * CELLS

    cdef void add(self, Exchange exchange, Check check, Route route, str path, uint64_t key, bytes subject, tuple point,
                  uint32_t value, bint has_value):
        """Add one to the cell of *check* in the slot of the exchange, and note *value*.

        *key*: a hash of *subject* and of where the cell stands; that of *point* is added here.
        """
        cdef uint64_t time_ns = exchange.request.time_ns, slot = time_ns // check.slot_ns
        cdef Py_ssize_t at, first, least
        cdef Cell cell
        key = mixed(key ^ slot * <uint64_t>0x9e3779b97f4a7c15 ^ <uint64_t>check.index)
        if point is not None:
            key = mixed(key ^ <uint64_t>hash(point))
        key |= 1  # 0: an empty place
        first = (key >> 8 & self.mask) * WAYS
        least = first
        for at in range(first, first + WAYS):
            if self.keys[at] == key:
                cell = <Cell>self.cells[at]
                break
            if self.keys[at] == 0:
                cell = self._placed(at, key, check, route, path, subject, point, slot, time_ns)
                break
            if (<Cell>self.cells[at]).count < (<Cell>self.cells[least]).count:
                least = at
        else:
            self.evicted += 1
            cell = self._placed(least, key, check, route, path, subject, point, slot, time_ns)
        cell.count += 1
        if time_ns < cell.first_ns:
            cell.first_ns = time_ns
        if time_ns > cell.last_ns:
            cell.last_ns = time_ns
        if has_value:
            cell.add_value(value)
        if cell.count >= SAMPLE_FROM and cell.count & (cell.count - 1) == 0 and self.samples < SAMPLES:
            self.samples += cell.sample is None
            cell.sample = heads_of(exchange)

    cdef Cell _placed(self, Py_ssize_t at, uint64_t key, Check check, Route route, str path, bytes subject, tuple point,
                      uint64_t slot, uint64_t time_ns):
        cdef Cell cell = Cell()
        cell.check, cell.route, cell.path, cell.subject = check, route, path, subject
        cell.point = () if point is None else point
        cell.slot = slot
        cell.first_ns = cell.last_ns = time_ns
        self.keys[at] = key
        self.cells[at] = cell
        self.used += 1
        return cell

    cdef list take(self):
        """Return [(counter, sample or None)] of what was counted since the last call, and begin anew."""
        cdef Cell cell
        cdef Py_ssize_t at
        cdef list found = []
        for at in range(len(self.cells)):
            if self.keys[at]:
                cell = <Cell>self.cells[at]
                found.append((cell.counter(), cell.sample))
                self.cells[at] = None
        memset(self.keys, 0, CELLS * sizeof(uint64_t))
        self.samples = 0
        self.used = 0
        return found


cdef Exchange heads_of(Exchange exchange):
    """Return *exchange* without bodies: what it holds is kept for a while. None where a head is long."""
    cdef Request request = exchange.request, sent
    cdef Response response = exchange.response, got = None
    cdef Exchange kept
    if PyBytes_GET_SIZE(request.head) > SAMPLE_HEAD:
        return None
    sent = Request(request.head, b"", request.time_ns, request.method, request.target, request.version)
    sent.body_length = request.body_length
    if response is not None and PyBytes_GET_SIZE(response.head) <= SAMPLE_HEAD:
        got = Response(response.head, b"", response.time_ns, response.status, response.version)
        got.body_length, got.end_ns = response.body_length, response.end_ns
    kept = Exchange(sent, got, exchange.client_ip, exchange.client_port, exchange.server_ip, exchange.server_port)
    kept.index, kept.source, kept.vlan, kept.inner_vlan = exchange.index, exchange.source, exchange.vlan, exchange.inner_vlan
    kept.vni, kept.tunnel, kept.flow_hash = exchange.vni, exchange.tunnel, exchange.flow_hash
    return kept


cdef str text_of(bytes subject):
    """Return an address, or what names a session, as text; no name of a session is as short as an address."""
    if PyBytes_GET_SIZE(subject) == 4 or PyBytes_GET_SIZE(subject) == 16:
        return ip_text(subject)
    return subject[:256].decode("utf-8", "replace")
