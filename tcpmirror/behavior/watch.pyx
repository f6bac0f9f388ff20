# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What a worker counts of each exchange.

An exchange costs the look-up of its route (method, host and path, with what is plainly a value left out) and one cell for each
control that counts there. Names of parameters are judged once; values are hashed where they stand.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp

from tcpmirror.behavior.cells cimport Cells, text_of
from tcpmirror.behavior.check cimport (
    OF_AGENTS, OF_FIELDS, OF_GRAPHQL, OF_LARGE, OF_LOGINS, OF_PATHS, OF_PAYLOADS, OF_SLOW, OF_SURGES, OF_UPLOADS, OF_VALUES,
    REQUESTS, Check,
)
from tcpmirror.behavior.fields cimport Resource
from tcpmirror.behavior.profiles cimport Profiles
from tcpmirror.behavior.route cimport Route, Routes, hash64, is_value
from tcpmirror.behavior.usual cimport BINS, Usual
from tcpmirror.model.exchange cimport Exchange, Message, Request, Response
from tcpmirror.model.hashing cimport mixed, siphash13
from tcpmirror.model.heads cimport Span, find_span
from tcpmirror.model.needle cimport holds

import hashlib
import os

from tcpmirror.behavior.cells import CELLS, UNCHECKED
from tcpmirror.behavior.controls import IDENTIFIERS, LOGINS, PASSWORDS, Choice, Exceptions, Names
from tcpmirror.behavior.graphql import measures
from tcpmirror.behavior.parameters import body_parameters
from tcpmirror.behavior.uploads import largest_part

__all__ = ["CELLS", "Watch"]

DEF NAMES = 8192          # of query parameters, judged
DEF MEDIA = 256           # media types, judged
DEF PLACES = 32           # in a path whose values are counted
DEF PAIRS = 64            # parameters of a query
DEF NAME_BYTES = 64
DEF BODY_BYTES = 65_536    # of a body that is read where a control may count what is in it, as parameters.BODY_BYTES
DEF SMALL_BYTES = 4096     # of one that is read to learn whether there is such a control
DEF SEEN_ALL = 16         # bodies of a route that are read to learn whether it has parameters that count
DEF SEEN_STEP = 64        # then one in so many, and all where there are

cdef tuple SHOWN = (b"image/", b"font/", b"video/", b"audio/", b"text/css", b"application/javascript", b"text/javascript")
cdef tuple AGENT = ("header", "user-agent")
cdef tuple BIN_POINTS = tuple((str(number),) for number in range(BINS))
cdef tuple PATH_POINTS = tuple(("path", str(number)) for number in range(PLACES))


cdef class Name:
    """The name of a query parameter. ``identifies``: its point where it does; ``counts``: some control asks for it."""

    cdef str text
    cdef tuple point
    cdef bint identifies, counts


cdef class Watch:
    """Counts exchanges under *controls*, of which the first *own* are the operator's; `take` hands on what was counted.

    *application_of*: tells the application of a host and a path.
    *breached*: what tells whether a password is known to be breached. *asks*: hashes of others are handed on, to be asked about.
    """

    cdef Cells cells
    cdef Profiles profiles      # None: none are made
    cdef object is_left_out     # None: nobody is
    cdef Routes routes
    cdef bint asks
    cdef object breached, is_password, is_login, is_identifier
    cdef list usual, fields     # histories of routes, and of resources, that were added to
    cdef dict names             # of query parameters -> Name
    cdef dict shown             # media types: whether pages show them
    cdef bytes media            # the last one
    cdef bint media_shown
    cdef tuple checks
    cdef uint64_t key0, key1
    cdef readonly uint64_t observed
    # of the exchange that is counted
    cdef Exchange exchange
    cdef Route route
    cdef bytes source, session, folded
    cdef uint64_t source_hash, session_hash
    cdef int is_shown           # -1: not looked at
    cdef Py_ssize_t pairs       # of its query, -1: not read
    cdef list pair_names
    cdef Span[PAIRS] pair_values
    cdef bint[PAIRS] pair_marks
    cdef bint query_counts
    cdef dict measures          # of its GraphQL documents, None: not taken
    cdef list parameters        # that may count, None: not read

    def __init__(self, controls, int own, breached=frozenset(), bint asks=False,
                 application_of=lambda host, path: -1, int confidence=0, exceptions=()):
        self.cells = Cells()
        self.profiles = Profiles(confidence) if confidence else None
        self.is_left_out = Exceptions(exceptions).hold if exceptions else None
        self.breached, self.asks = breached, asks
        self.checks = tuple(Check(index, control) for index, control in enumerate(controls))
        self.routes = Routes(Choice(controls, own, application_of), self.checks)
        self.is_password, self.is_login = Names(PASSWORDS).matches, Names(LOGINS).matches
        self.is_identifier = Names(IDENTIFIERS).matches
        self.names, self.shown = {}, {}
        self.usual, self.fields = [], []
        self.pair_names = [None] * PAIRS
        self.key0, self.key1 = int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little")

    @property
    def evicted(self):
        """Cells that gave way: their counts are lost."""
        return self.cells.evicted + (0 if self.profiles is None else self.profiles.evicted)

    @property
    def used(self):
        return self.cells.used

    def observe(self, Exchange exchange not None, list findings, bytes session=None, bytes source=None):
        """Count *exchange*. *session*: names its session; *source*: the client's real address, packed; None: the packets'.

        Requests that show an attack count for what is asked of payloads alone: they are reported as they are.
        """
        if exchange.request is None:
            return
        self.observed += 1
        self._begin(exchange, session, exchange.client_ip if source is None else source)
        if findings:
            self._payloads(findings)
        else:
            self.route.seen += 1
            if self.route.usual is not None:
                self.route.usual.note(exchange)
                if not self.route.usual.is_noted:
                    self.route.usual.is_noted = True
                    self.usual.append(self.route.usual)
            self._checks()
            if self.route.resource is not None and exchange.response is not None:
                self.route.resource.learn(exchange.request, exchange.response)
                if self.route.resource.counts and not self.route.resource.is_noted:
                    self.route.resource.is_noted = True
                    self.fields.append(self.route.resource)
        if self.profiles is not None:
            self._profile(len(findings) > 0)
        self.exchange = None

    def take(self):
        """Return [(counter, sample or None)] of what was counted since the last call, and begin anew; histories come last."""
        cdef list histories = []
        for usual in self.usual:
            histories += (<Usual>usual).take()
        for resource in self.fields:
            histories += (<Resource>resource).take()
        self.usual, self.fields = [], []
        profiles = [] if self.profiles is None else self.profiles.take()
        return self.cells.take() + profiles + [(history, None) for history in histories]

    cdef object _begin(self, Exchange exchange, bytes session, bytes source):
        """Look up what all controls need of *exchange*."""
        cdef Span host
        self.exchange, self.source, self.session = exchange, source, session
        self.source_hash = self._hashed(source)
        self.session_hash = 0 if session is None else self._hashed(session)
        self.is_shown = self.pairs = -1
        self.measures = self.parameters = None
        self._span(exchange.request, b"host", 4, &host)
        self.route = self.routes.of(exchange.request, &host)

    cdef object _checks(self):
        """Ask the controls of the route."""
        cdef Exchange exchange = self.exchange
        cdef Route route = self.route
        cdef Check check
        cdef Span agent
        cdef int place, status = 0 if exchange.response is None else exchange.response.status
        if not 0 <= status < 600:
            status = 0
        for place in range(len(route.checks)):
            check = <Check>route.checks[place]
            if check.has_statuses and not check.statuses[status]:
                continue
            if check.networks is not None and not check.networks(text_of(self.source)):
                continue
            if check.count == REQUESTS:
                self._count(check, place, None, 0, False)
            elif check.count == OF_PATHS:
                if status < 400 and (route.is_asset or self._shows()):
                    continue  # what pages load by themselves
                self._count(check, place, None, path_hash(exchange.request.target), True)
            elif check.count == OF_AGENTS:
                if check.by_session and self.session is None:
                    continue  # an address has as many agents as people behind it
                self._span(exchange.request, b"user-agent", 10, &agent)
                self._count(check, place, AGENT, span_hash(&agent), True)
            elif check.count >= OF_UPLOADS:
                self._measure(check, place)
            elif check.names is None and check.count == OF_VALUES:
                self._identifiers(check, place)
            else:
                if self.parameters is None:
                    self.parameters = self._parameters()
                if self.parameters:
                    self._values(check, place, self.parameters)

    cdef object _profile(self, bint is_attack):
        """Note what the exchange tells of who sent it."""
        if self.is_left_out is not None and self.is_left_out(self.route.host, self.route.path, text_of(self.source)):
            return
        self.profiles.begin(self.exchange, self.route, self.route.is_asset or self._shows(), is_attack)
        if self.parameters:
            secrets = [value for _, name, value in self.parameters if self.is_password(name)]
            if secrets:
                logins = [value for _, name, value in self.parameters if self.is_login(name)]
                self.profiles.login(value_hash(logins[0]) if logins else 0, bool(logins), value_hash(secrets[0]))
        self.profiles.note(self.source, self.source_hash, self.session, self.session_hash)

    cdef object _measure(self, Check check, int place):
        """Count what is more than the control allows of one request, or what may be more than is usual here."""
        cdef Request request = self.exchange.request
        cdef Route route = self.route
        if check.count == OF_LARGE:
            if route.usual.large >= 0 and not route.is_asset and not self._shows():
                self._count(check, place, <tuple>BIN_POINTS[route.usual.large], 0, False)
        elif check.count == OF_SLOW:
            if route.usual.slow >= 0:
                self._count(check, place, <tuple>BIN_POINTS[route.usual.slow], 0, False)
        elif check.count == OF_SURGES:
            self._count(check, place, None, 0, False)
        elif check.count == OF_UPLOADS:
            if (request.body_length if check.names is None else largest_part(request, check.names)) > check.limit:
                self._count(check, place, None, 0, False)
        elif check.count == OF_GRAPHQL:
            if self.measures is None:
                self.measures = measures(request)
            if self.measures.get(check.control.type, 0) > check.limit:
                self._count(check, place, None, 0, False)
        elif check.count == OF_FIELDS and route.resource is not None:
            for name in route.resource.sent(request, value_hash(self.source)):
                self._count(check, place, ("post", name), 0, False)

    cdef object _payloads(self, list findings):
        cdef Check check
        cdef int status = 0 if self.exchange.response is None else self.exchange.response.status
        for each in self.route.payloads:
            check = <Check>each
            if check.has_statuses and not (0 <= status < 600 and check.statuses[status]):
                continue
            if check.networks is not None and not check.networks(text_of(self.source)):
                continue
            for finding in findings:
                if check.attacks is not None and finding.type not in check.attacks:
                    continue
                value = (finding.type + " " + finding.payload).encode("utf-8", "backslashreplace")
                self.cells.add(self.exchange, check, self.route, "", mixed(self.source_hash ^ check.index), self.source, None,
                               value_hash(value), True)

    cdef object _identifiers(self, Check check, int place):
        """Count the values in the path, each place by itself, and those of parameters of the query that identify."""
        cdef Request request = self.exchange.request
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(request.target)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(request.target), at = 0, end, number = 0
        cdef Name name
        if self.route.is_asset or self._shows():
            return
        while at < size and data[at] == 47:
            end = at + 1
            while end < size and data[end] != 47 and data[end] != 63:
                end += 1
            if number < PLACES and is_value(data + at + 1, end - at - 1):
                self._count(check, place, <tuple>PATH_POINTS[number],
                            <uint32_t>(siphash13(0, 0, data + at + 1, end - at - 1) >> 32), True)
            number += 1
            at = end
        self._read_query()
        for at in range(self.pairs):
            name = <Name>self.pair_names[at]
            if name.identifies and self.pair_values[at].size:
                self._count(check, place, name.point, span_hash(&self.pair_values[at]), True)

    cdef object _read_query(self):
        """Find the pairs of the query, once an exchange."""
        cdef Request request = self.exchange.request
        cdef const char* at = PyBytes_AS_STRING(request.target)
        cdef const char* stop = at + PyBytes_GET_SIZE(request.target)
        cdef const char* end
        cdef const char* mark
        if self.pairs >= 0:
            return
        self.pairs = 0
        self.query_counts = False
        at = <const char*>memchr(at, 63, stop - at)
        while at != NULL and self.pairs < PAIRS:
            at += 1
            end = <const char*>memchr(at, 38, stop - at)
            mark = <const char*>memchr(at, 61, (stop if end == NULL else end) - at)
            self._read_pair(at, stop if end == NULL else end, mark)
            at = end

    cdef object _read_pair(self, const char* at, const char* end, const char* mark):
        cdef Name name = self._name(PyBytes_FromStringAndSize(at, (end if mark == NULL else mark) - at))
        self.pair_names[self.pairs] = name
        self.pair_marks[self.pairs] = mark != NULL
        self.pair_values[self.pairs].data = end if mark == NULL else mark + 1
        self.pair_values[self.pairs].size = 0 if mark == NULL else end - mark - 1
        self.query_counts |= name.counts and mark != NULL
        self.pairs += 1

    cdef Name _name(self, bytes sent):
        """Return what the name of a query's parameter comes to."""
        cdef Name name
        found = self.names.get(sent)
        if found is not None:
            return <Name>found
        name = Name()
        name.text = sent.decode("latin-1")
        name.point = ("get", name.text)
        if len(sent) <= NAME_BYTES:
            name.identifies = self.is_identifier(name.text)
            name.counts = self._is_asked_for(name.text)
        if len(self.names) >= NAMES:
            self.names.clear()
        self.names[sent] = name
        return name

    cdef bint _is_asked_for(self, str name):
        if self.is_password(name) or self.is_login(name):
            return True
        for each in self.checks:
            if (<Check>each).names is not None and (<Check>each).names(name):
                return True
        return False

    cdef bint _shows(self):
        """Tell whether the answer is what a page loads many of: a picture, a font, a script."""
        cdef Span kind
        cdef bytes media
        if self.is_shown < 0:
            self.is_shown = False
            if self.exchange.response is not None:
                self._span(self.exchange.response, b"content-type", 12, &kind)
                if self.media is not None and kind.size == PyBytes_GET_SIZE(self.media) \
                        and memcmp(kind.data, PyBytes_AS_STRING(self.media), kind.size) == 0:
                    self.is_shown = self.media_shown
                    return self.is_shown
                media = PyBytes_FromStringAndSize(kind.data, kind.size) if kind.data != NULL else b""
                found = self.shown.get(media)
                if found is None:
                    if len(self.shown) >= MEDIA:
                        self.shown.clear()
                    found = self.shown[media] = media.lower().startswith(SHOWN)
                self.is_shown = self.media_shown = found is True
                self.media = media
        return self.is_shown

    cdef object _span(self, Message message, const char* name, Py_ssize_t size, Span* found):
        """Write the value of the header *name* to *found*; it stays there until the next one is asked for."""
        if not find_span(PyBytes_AS_STRING(message.head), PyBytes_GET_SIZE(message.head), name, size, found):
            self.folded = message.header(name[:size]) or b""
            found.data, found.size = PyBytes_AS_STRING(self.folded), PyBytes_GET_SIZE(self.folded)

    cdef object _values(self, Check check, int place, list parameters):
        cdef uint64_t account = 0
        if check.count == OF_LOGINS:
            self._logins(check, place, parameters)
            return
        if check.by_account:
            accounts = [value for _, name, value in parameters if self.is_login(name)]
            if not accounts:
                return
            account = hash64(accounts[0])
        for point, name, value in parameters:
            if value and check.names(name) and (check.values is None or check.values(value.decode("latin-1"))):
                if check.by_account:
                    self._count_of(check, place, b"account %016x" % account, account, point, value_hash(value), True)
                else:
                    self._count(check, place, point, value_hash(value), True)

    cdef object _logins(self, Check check, int place, list parameters):
        """Count the account that a breached password is tried on."""
        secrets = [value for _, name, value in parameters if self.is_password(name)]
        is_known = any([value in self.breached for value in secrets])
        if not is_known and not (self.asks and secrets):
            return
        logins = [(point, value) for point, name, value in parameters if self.is_login(name)]
        point, login = logins[0] if logins else ((), secrets[0])
        if not is_known:
            point += (UNCHECKED, hashlib.sha1(secrets[0], usedforsecurity=False).hexdigest())
        self._count(check, place, point, value_hash(login), True)

    cdef list _parameters(self):
        """Return the parameters of the query and, where the route has some that count, of the body."""
        cdef Request request = self.exchange.request
        cdef Route route = self.route
        cdef list found = []
        cdef Py_ssize_t at
        cdef Name name
        self._read_query()
        if self.query_counts:
            for at in range(self.pairs):
                name = <Name>self.pair_names[at]
                if name.counts and self.pair_marks[at]:
                    found.append((name.point, name.text,
                                  PyBytes_FromStringAndSize(self.pair_values[at].data, self.pair_values[at].size)))
        if 0 < PyBytes_GET_SIZE(request.body) <= BODY_BYTES and (
                route.reads_body or holds(request.names_or_body(), b"assw")
                or PyBytes_GET_SIZE(request.body) <= SMALL_BYTES and (
                    route.seen <= SEEN_ALL or route.seen % SEEN_STEP == 0)):
            sent = body_parameters(request)
            if not route.reads_body:
                for _, text, _ in sent:
                    for each in route.checks:
                        if (<Check>each).names is not None and (<Check>each).names(text):
                            route.reads_body = True
            found += sent
        return found

    cdef object _count(self, Check check, int place, tuple point, uint32_t value, bint has_value):
        """Count for whom the control counts."""
        if check.by_all:
            self._count_of(check, place, b"", 0, point, value, has_value)
        elif check.by_session and self.session is not None:
            self._count_of(check, place, self.session, self.session_hash, point, value, has_value)
        else:
            self._count_of(check, place, self.source, self.source_hash, point, value, has_value)

    cdef object _count_of(self, Check check, int place, bytes subject, uint64_t hashed, tuple point, uint32_t value,
                          bint has_value):
        self.cells.add(self.exchange, check, self.route, <str>self.route.targets[place],
                       mixed(hashed ^ self.route.hashes[place]), subject, point, value, has_value)

    cdef uint64_t _hashed(self, bytes subject):
        return siphash13(self.key0, self.key1, <const uint8_t*>PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject))


cdef uint32_t span_hash(Span* span) noexcept:
    return <uint32_t>(siphash13(0, 0, <const uint8_t*>span.data, span.size) >> 32)


cdef uint32_t value_hash(bytes text):
    """A hash of a value, the same in every sensor: enough to count different ones, not to hold them."""
    return <uint32_t>(siphash13(0, 0, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)) >> 32)


cdef uint32_t path_hash(bytes target):
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(target)
    cdef const uint8_t* query = <const uint8_t*>memchr(data, 63, PyBytes_GET_SIZE(target))
    return <uint32_t>(siphash13(0, 0, data, query - data if query != NULL else PyBytes_GET_SIZE(target)) >> 32)
