# cython: language_level=3, boundscheck=False, wraparound=False
"""What a worker notes of each exchange, by session.

Clients repeat their headers, so what a block of headers came to is remembered under its hash.
"""
import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr

from tcpmirror.model.exchange cimport Exchange, Request, Response
from tcpmirror.model.hashing cimport siphash13

from tcpmirror.model.exchange import ip_text
from tcpmirror.sessions.digest import Event, SessionDigest
from tcpmirror.sessions.keys import may_hand_out

DEF PATH_CHARS = 200
DEF DAY = 86_400_000_000_000
DEF MANY = 64             # addresses and hosts of one session between two digests
DEF PATHS = 256           # and paths
DEF EVENTS = 64           # of one session between two digests, and as many with attacks
DEF BLOCKS = 4096         # of headers, and clients of one, remembered at once; then all are forgotten
DEF BLOCK_BYTES = 2048    # longer ones are read each time


cdef class Session:
    """One session and day since the last digest; what is counted for each exchange is held here, the rest in the digest."""

    cdef object digest
    cdef list events, attack_events
    cdef dict paths             # (method, host, path) -> how often
    cdef object teller          # who was described last
    cdef uint64_t requests, errors, request_bytes, response_bytes, first_ns, last_ns
    cdef uint64_t[6] classes


cdef class Block:
    """What the headers of a request tell, whoever sent it."""

    cdef dict headers
    cdef object name            # of the session by what they bring; None: they bring nothing, or not they alone decide
    cdef bint is_decided
    cdef dict clients           # source -> name of the session by address and user agent


cdef class Tracker:
    """Notes exchanges; `take` returns the digests since it was last called.

    *keys*: a `SessionKeys`. ``refused`` counts exchanges of sessions for which there was no room: *sessions* of them are
    followed between two digests, with EVENTS requests each, *events* in all.
    """

    cdef dict sessions          # of each day by id
    cdef dict today
    cdef uint64_t day
    cdef int count, limit
    cdef object keys
    cdef dict blocks            # by hash, under keys that nobody sees
    cdef Py_ssize_t clients
    cdef uint64_t key0, key1
    cdef uint64_t events, most_events
    cdef readonly uint64_t refused, observed

    def __init__(self, keys, int sessions=16_384, int events=50_000):
        self.keys = keys
        self.sessions, self.today, self.blocks = {}, {}, {}
        self.day = 0
        self.limit = sessions
        self.most_events = events
        self.key0, self.key1 = (int.from_bytes(os.urandom(8), "little") for _ in range(2))

    def observe(self, Exchange exchange not None, list findings, source=None):
        """Note *exchange*; return what names its session as bytes, or None. *source*: the client's real address as text."""
        cdef Request request = exchange.request
        cdef Response response = exchange.response
        cdef Session session
        cdef Block block
        cdef uint64_t time_ns
        cdef int status = -1
        if request is None:
            return None
        block = self._block(request)
        name = self._name(block, exchange, source)
        time_ns = request.time_ns
        if time_ns // DAY != self.day:
            self.day = time_ns // DAY
            self.today = self.sessions.setdefault(self.day, {})
        found = self.today.get(name.id)
        if found is None:
            if self.count >= self.limit:
                self.refused += 1
                return name.subject
            found = self._begun(name, time_ns)
        session = <Session>found
        self.observed += 1
        session.requests += 1
        if time_ns < session.first_ns:
            session.first_ns = time_ns
        if time_ns > session.last_ns:
            session.last_ns = time_ns
        session.request_bytes += request.body_length
        if response is not None:
            status = response.status
            session.response_bytes += response.body_length
            session.errors += status >= 400
            session.classes[status // 100 if 100 <= status < 600 else 0] += 1
        if self.events < self.most_events and (len(session.events) < EVENTS or findings):
            self._note(session, exchange, block.headers, findings, source, status)
        return name.subject

    def take(self):
        """Return the digests of what was noted since the last call."""
        taken = [self._digest(session) for day in self.sessions.values() for session in day.values()]
        self.sessions, self.today = {}, {}
        self.day = self.count = self.events = 0
        return taken

    cdef Block _block(self, Request request):
        """Return what the headers of *request* tell."""
        cdef const uint8_t* head = <const uint8_t*>PyBytes_AS_STRING(request.head)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(request.head)
        cdef const uint8_t* lines = <const uint8_t*>memchr(head, 10, size)
        cdef Block block
        if lines == NULL:
            lines = head + size
        size -= lines - head
        if size > BLOCK_BYTES:
            return self._read(request)
        key = siphash13(self.key0, self.key1, lines, size)
        found = self.blocks.get(key)
        if found is not None:
            return <Block>found
        block = self._read(request)
        if len(self.blocks) + self.clients >= BLOCKS:
            self.blocks = {}
            self.clients = 0
        self.blocks[key] = block
        return block

    cdef Block _read(self, Request request):
        cdef Block block = Block()
        block.headers = self.keys.headers(request.head)
        block.is_decided = self.keys.by_headers_alone
        block.name = self.keys.brought(request, block.headers) if block.is_decided else None
        block.clients = {}
        return block

    cdef object _name(self, Block block, Exchange exchange, source):
        """Return what names the session of *exchange*: a key that it brings, one that it gets, or its client."""
        name = block.name if block.is_decided else self.keys.brought(exchange.request, block.headers)
        if name is None and exchange.response is not None and may_hand_out(exchange.response):
            name = self.keys.handed(exchange.response)
        if name is not None:
            return name
        client = exchange.client_ip if source is None else source
        name = block.clients.get(client)
        if name is None:
            name = block.clients[client] = self.keys.of_client(client, block.headers)
            self.clients += 1
        return name

    cdef Session _begun(self, name, uint64_t time_ns):
        cdef Session session = Session()
        session.digest = SessionDigest(name.id, time_ns // DAY, name.kind)
        session.events, session.attack_events, session.paths = [], [], {}
        session.first_ns = session.last_ns = time_ns
        self.today[name.id] = session
        self.count += 1
        return session

    cdef object _note(self, Session session, Exchange exchange, dict headers, list findings, source, int status):
        """Put *exchange* on the time line, and what it tells of its user into the digest."""
        cdef Request request = exchange.request
        cdef Response response = exchange.response
        cdef bytes path = request.target.partition(b"?")[0][:PATH_CHARS]
        cdef long long duration = -1
        digest = session.digest
        host = (<bytes>headers.get(b"host", b"")).decode("latin-1")[:128].lower()
        if source is None:
            source = ip_text(exchange.client_ip)
        if response is not None:
            duration = max(0, <long long>response.end_ns - <long long>request.time_ns) // 1000
        types = " ".join(dict.fromkeys([finding.type for finding in findings]))[:200] if findings else ""
        method, text = request.method.decode("latin-1"), path.decode("latin-1")
        event = (request.time_ns, source, method[:16], host, text, status, duration,
                 0 if response is None else response.body_length, types)
        self.events += 1
        if len(session.events) < EVENTS:
            session.events.append(event)
        if findings:
            for finding in findings:
                digest.attacks[finding.type] += 1
            if len(session.attack_events) < EVENTS:
                session.attack_events.append(event)
        if len(digest.sources) < MANY:
            digest.sources.add(source)
        if len(digest.hosts) < MANY:
            digest.hosts.add(host)
        teller = (headers.get(b"user-agent"), headers.get(b"authorization"))  # another one has to be described, the same need not be
        if teller != session.teller or self.keys.told:
            session.teller = teller
            self.keys.describe(digest, request, headers)
        if response is not None and may_hand_out(response):
            self.keys.link(digest, request, response)
        place = (method, host, text)
        found = session.paths.get(place)
        if found is not None or len(session.paths) < PATHS:
            session.paths[place] = 1 if found is None else found + 1

    cdef object _digest(self, Session session):
        cdef int place
        digest = session.digest
        digest.first_ns, digest.last_ns = session.first_ns, session.last_ns
        digest.requests, digest.errors = session.requests, session.errors
        digest.request_bytes, digest.response_bytes = session.request_bytes, session.response_bytes
        for place in range(6):
            if session.classes[place]:
                digest.statuses[f"{place}xx" if place else "other"] = session.classes[place]
        for (method, host, path), count in session.paths.items():
            digest.endpoints[f"{method[:16]} {host}{_route(path)}"[:256]] += count
        digest.events = {Event._make(event) for event in session.events}
        digest.attack_events = {Event._make(event) for event in session.attack_events}
        whole = SessionDigest(digest.id, digest.day, digest.kind)
        whole.merge(digest)  # which keeps every bound
        return whole


cdef str _route(str path):
    """Return *path* with ``{}`` for parts in which digits prevail."""
    cdef list parts = path.split("/")
    return "/".join(["{}" if part and (part.isdigit() or sum([c.isdigit() for c in part]) >= 3) else part for part in parts])
