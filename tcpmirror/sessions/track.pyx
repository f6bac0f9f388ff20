# cython: language_level=3, boundscheck=False, wraparound=False
"""What a worker notes of each exchange, by session.

Clients repeat what names them: what a head came to before is known by a 64-bit hash of it, so a request of a known session
costs one pass over its head and some counting. Texts are made of what was noted when a digest is due, not before.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr

from tcpmirror.model.exchange cimport Exchange, Request, Response
from tcpmirror.model.hashing cimport mixed, siphash13
from tcpmirror.model.heads cimport Span
from tcpmirror.model.needle cimport holds
from tcpmirror.sessions.headers cimport Told, tell

import os

from tcpmirror.model.exchange import ip_text
from tcpmirror.sessions.digest import Event, SessionDigest

DEF PATH_CHARS = 200
DEF HOST_CHARS = 128
DEF MANY = 64             # addresses and hosts of one session between two digests
DEF PATHS = 256           # and paths
DEF EVENTS = 64           # of one session between two digests, and as many with attacks
DEF KNOWN = 16_384        # heads whose session is known
DEF BODY_BYTES = 16_384   # of an answer that may hand out a key, as keys.BODY_BYTES

cdef uint64_t DAY = 86_400_000_000_000


cdef class Noted:
    """One request on the time line, as bytes. ``source``: packed, or the text of a real address."""

    cdef object source
    cdef str host, attacks
    cdef bytes method, path
    cdef uint64_t time_ns, size, count
    cdef long long duration_us
    cdef int status

    cdef object event(self):
        return Event(self.time_ns, _address(self.source), self.method.decode("latin-1")[:16], self.host,
                     self.path.decode("latin-1"), self.status, self.duration_us, self.size, self.attacks)


cdef class Session:
    """One session and day since the last digest; what is counted for each exchange is held here, the rest in the digest."""

    cdef object digest
    cdef bytes subject
    cdef list events, attack_events
    cdef set sources, hosts
    cdef dict paths             # hash of method, host and path -> Noted, with how often
    cdef uint64_t requests, errors, request_bytes, response_bytes, first_ns, last_ns
    cdef uint64_t[6] classes


cdef class Known:
    """What a head comes to. ``session``: None where there was no room; ``is_brought``: the answer has no say in it."""

    cdef Session session
    cdef bytes subject
    cdef bint is_brought, is_described


cdef class Tracker:
    """Notes exchanges; `take` returns the digests since it was last called.

    *keys*: a `SessionKeys`. ``refused`` counts exchanges of sessions for which there was no room: *sessions* of them are
    followed between two digests, with EVENTS requests each, *events* in all.
    """

    cdef dict sessions, known, hosts
    cdef object keys
    cdef tuple more
    cdef unsigned int letters
    cdef bint tells_more, is_remembered
    cdef int limit
    cdef uint64_t events, most_events, key0, key1
    cdef readonly uint64_t refused, observed

    def __init__(self, keys, int sessions=16_384, int events=50_000):
        self.keys = keys
        self.more = keys.more
        for name in keys.more:
            if 97 <= (name[0] | 32) <= 122:
                self.letters |= 1 << ((name[0] | 32) - 97)
        self.tells_more = bool(keys.told)
        # Names that do not begin with a letter are not looked for in passing.
        self.is_remembered = keys.by_headers_alone and all([97 <= (name[0] | 32) <= 122 for name in keys.more])
        self.sessions, self.known, self.hosts = {}, {}, {}
        self.limit = sessions
        self.most_events = events
        self.key0, self.key1 = int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little")

    def observe(self, Exchange exchange not None, list findings, str source=None):
        """Note *exchange*; return what names its session as bytes, or None. *source*: the client's real address as text."""
        cdef Request request = exchange.request
        cdef Known known
        cdef Told told
        cdef uint64_t key
        if request is None:
            return None
        tell(request.head, self.more, self.letters, &told)
        if self.is_remembered and not told.has_more:
            key = self._hash(&told, exchange, source)
            known = <Known>self.known.get(key)
            if known is None or (not known.is_brought and may_hand_out(exchange.response)):
                known = self._of(exchange, source)
                if known.is_brought or not may_hand_out(exchange.response):
                    if len(self.known) >= KNOWN:
                        self.known.clear()
                    self.known[key] = known
        else:
            known = self._of(exchange, source)
        if known.session is None:
            self.refused += 1
            return known.subject
        self._count(known.session, request, exchange.response)
        if self.events < self.most_events and (len(known.session.events) < EVENTS or findings):
            self._note(known, exchange, findings, source, &told.host)
        return known.subject

    def take(self):
        """Return the digests of what was noted since the last call."""
        taken = [self._digest(session) for session in self.sessions.values()]
        self.sessions, self.known = {}, {}
        self.events = 0
        return taken

    cdef uint64_t _hash(self, Told* told, Exchange exchange, str source):
        """Return a hash of all that names a session and tells of its user, and of the day."""
        cdef bytes address = exchange.client_ip if source is None else source.encode()
        cdef uint64_t key = mixed(exchange.request.time_ns // DAY)
        key = self._hashed(key, &told.cookie)
        key = self._hashed(key, &told.authorization)
        key = self._hashed(key, &told.agent)
        return siphash13(self.key0 ^ key, self.key1, <const uint8_t*>PyBytes_AS_STRING(address), PyBytes_GET_SIZE(address))

    cdef uint64_t _hashed(self, uint64_t key, Span* span) noexcept:
        if span.data == NULL or span.size == 0:
            return mixed(key + 1)
        return siphash13(self.key0 ^ key, self.key1, <const uint8_t*>span.data, span.size)

    cdef Known _of(self, Exchange exchange, str source):
        """Return what the keys say of *exchange*."""
        cdef Known known = Known()
        cdef uint64_t time_ns = exchange.request.time_ns
        name = self.keys.of(exchange, source)
        known.subject = name.subject
        known.is_brought = self.keys.is_brought
        known.session = self.sessions.get((name.id, time_ns // DAY))
        if known.session is None and len(self.sessions) < self.limit:
            known.session = self._begun(name, time_ns)
        return known

    cdef void _count(self, Session session, Request request, Response response) noexcept:
        self.observed += 1
        session.requests += 1
        if request.time_ns < session.first_ns:
            session.first_ns = request.time_ns
        if request.time_ns > session.last_ns:
            session.last_ns = request.time_ns
        session.request_bytes += request.body_length
        if response is not None:
            session.response_bytes += response.body_length
            session.errors += response.status >= 400
            session.classes[response.status // 100 if 100 <= response.status < 600 else 0] += 1

    cdef Session _begun(self, name, uint64_t time_ns):
        cdef Session session = Session()
        session.digest = SessionDigest(name.id, time_ns // DAY, name.kind)
        session.subject = name.subject
        session.events, session.attack_events, session.paths = [], [], {}
        session.sources, session.hosts = set(), set()
        session.first_ns = session.last_ns = time_ns
        self.sessions[name.id, time_ns // DAY] = session
        return session

    cdef object _note(self, Known known, Exchange exchange, list findings, str source, Span* host):
        """Put *exchange* on the time line, and what it tells of its user into the digest."""
        cdef Session session = known.session
        cdef Noted noted = self._noted(exchange, findings, source, host)
        self.events += 1
        if len(session.events) < EVENTS:
            session.events.append(noted)
        if findings:
            for finding in findings:
                session.digest.attacks[finding.type] += 1
            if len(session.attack_events) < EVENTS:
                session.attack_events.append(noted)
        if len(session.sources) < MANY:
            session.sources.add(noted.source)
        if len(session.hosts) < MANY:
            session.hosts.add(noted.host)
        if not known.is_described or self.tells_more:
            known.is_described = True
            self.keys.of(exchange, source)  # what is described is what was asked about last
            self.keys.describe(session.digest, exchange)
        if may_hand_out(exchange.response):
            self.keys.link(session.digest, exchange.request, exchange.response)
        self._count_path(session, noted)

    cdef Noted _noted(self, Exchange exchange, list findings, str source, Span* host):
        cdef Noted noted = Noted()
        cdef Request request = exchange.request
        cdef Response response = exchange.response
        cdef Py_ssize_t size = PyBytes_GET_SIZE(request.target)
        cdef const char* target = PyBytes_AS_STRING(request.target)
        cdef const char* query = <const char*>memchr(target, 63, size)
        noted.time_ns, noted.status, noted.duration_us = request.time_ns, -1, -1
        noted.source = exchange.client_ip if source is None else source
        noted.method = request.method
        noted.path = PyBytes_FromStringAndSize(target, min(PATH_CHARS, size if query == NULL else query - target))
        noted.host = self._host(host)
        if response is not None:
            noted.status, noted.size = response.status, response.body_length
            noted.duration_us = max(0, <long long>response.end_ns - <long long>request.time_ns) // 1000
        noted.attacks = " ".join(dict.fromkeys([finding.type for finding in findings]))[:200] if findings else ""
        return noted

    cdef str _host(self, Span* host):
        cdef bytes sent = PyBytes_FromStringAndSize(host.data, min(HOST_CHARS, host.size)) if host.data != NULL else b""
        found = self.hosts.get(sent)
        if found is None:
            if len(self.hosts) >= KNOWN:
                self.hosts.clear()
            found = self.hosts[sent] = sent.decode("latin-1").lower()
        return <str>found

    cdef object _count_path(self, Session session, Noted noted):
        cdef uint64_t key = mixed(self.key0 ^ <uint64_t>hash(noted.host))
        key = siphash13(key, self.key1, <const uint8_t*>PyBytes_AS_STRING(noted.method), PyBytes_GET_SIZE(noted.method))
        key = siphash13(key, self.key1, <const uint8_t*>PyBytes_AS_STRING(noted.path), PyBytes_GET_SIZE(noted.path))
        found = session.paths.get(key)
        if found is not None:
            (<Noted>found).count += 1
        elif len(session.paths) < PATHS:
            noted.count = 1
            session.paths[key] = noted

    cdef object _digest(self, Session session):
        cdef int place
        cdef Noted noted
        digest = session.digest
        digest.first_ns, digest.last_ns = session.first_ns, session.last_ns
        digest.requests, digest.errors = session.requests, session.errors
        digest.request_bytes, digest.response_bytes = session.request_bytes, session.response_bytes
        digest.sources = {_address(source) for source in session.sources}
        digest.hosts = session.hosts
        for place in range(6):
            if session.classes[place]:
                digest.statuses[f"{place}xx" if place else "other"] = session.classes[place]
        for each in session.paths.values():
            noted = <Noted>each
            path = _route(noted.path.decode("latin-1"))
            digest.endpoints[f"{noted.method.decode('latin-1')[:16]} {noted.host}{path}"[:256]] += noted.count
        digest.events = {(<Noted>each).event() for each in session.events}
        digest.attack_events = {(<Noted>each).event() for each in session.attack_events}
        whole = SessionDigest(digest.id, digest.day, digest.kind)
        whole.merge(digest)  # which keeps every bound
        return whole


cdef bint may_hand_out(Response response):
    """Tell, at little cost, whether *response* may hand out a key: False is certain."""
    cdef Py_ssize_t size
    if response is None:
        return False
    size = PyBytes_GET_SIZE(response.body)
    if 2 < size <= BODY_BYTES and PyBytes_AS_STRING(response.body)[0] == 123 and (
            holds(response.body, b"oken") or holds(response.body, b"jwt") or holds(response.body, b"ession")):
        return True
    return holds(response.head, b"ookie:")


cdef str _address(source):
    return source if isinstance(source, str) else ip_text(source)


cdef str _route(str path):
    """Return *path* with ``{}`` for parts in which digits prevail."""
    cdef list parts = path.split("/")
    return "/".join(["{}" if part and (part.isdigit() or sum([c.isdigit() for c in part]) >= 3) else part for part in parts])
