# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What a worker counts of each exchange.

An exchange costs the look-up of its route (method, host and path, with what is plainly a value left out) and one cell for each
control that counts there. Cells lie in a table of fixed size, in sets of WAYS; where a set is full, the cell with the smallest
count gives way, so whatever many keys come, those that count much stay (as in A. Metwally et al., "Efficient computation of
frequent and top-k elements in data streams", ICDT 2005, but a newcomer inherits nothing: what is told is never too much).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memchr, memcpy, memset

from tcpmirror.model.exchange cimport Exchange, Request, Response
from tcpmirror.model.hashing cimport mixed, siphash13
from tcpmirror.model.needle cimport holds

from tcpmirror.behavior.controls import IDENTIFIERS, LOGINS, PASSWORDS, Choice, Names, Networks
from tcpmirror.behavior.counter import SLOTS_A_WINDOW, Counter, CounterKey, Slot
from tcpmirror.behavior.parameters import body_parameters
from tcpmirror.model.exchange import ip_text

DEF WAYS = 8
DEF HASHES = 128          # as in counter.HASHES
DEF ROUTES = 8192         # known at once; then all are forgotten and looked up anew
DEF KEY_BYTES = 512       # of host, method and path; what is longer is counted under its beginning
DEF VALUES = 4            # values in a path that are looked at, the last ones
DEF PAIRS = 64            # parameters of a query
DEF SEEN_ALL = 16         # bodies of a route that are read to learn whether it has parameters that count
DEF SEEN_STEP = 16        # then one in so many, and all where there are
DEF SAMPLE_FROM = 4       # a cell that counted so many keeps an exchange as a sample, and at each doubling
DEF SAMPLE_HEAD = 8192
DEF SAMPLES = 2048        # between two digests

cdef tuple PATH_POINTS = tuple([("path", str(number)) for number in range(32)])
cdef tuple AGENT_POINT = ("header", "user-agent")
CELLS = 1 << 16           # of one worker, between two digests
cdef int REQUESTS = 0, OF_VALUES = 1, OF_PATHS = 2, OF_PAYLOADS = 3, OF_LOGINS = 4, OF_AGENTS = 5
COUNTS = ("requests", "values", "paths", "payloads", "logins", "agents")
cdef tuple ASSETS = (b".js", b".css", b".map", b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".ico", b".woff",
                     b".woff2", b".ttf", b".mp4", b".avif", b".webm", b".mp3", b".ts", b".m4s")
cdef tuple SHOWN = (b"image/", b"font/", b"video/", b"audio/", b"text/css", b"application/javascript", b"text/javascript")


cdef class Check:
    """A control, made ready."""

    cdef object control
    cdef int index, count
    cdef bint by_session, by_all, by_account
    cdef uint64_t slot_ns
    cdef object names           # of parameters, None: identifiers
    cdef object networks
    cdef int[600] statuses      # 1: accepted
    cdef bint has_statuses

    def __init__(self, int index, control):
        self.control = control
        self.index = index
        self.count = COUNTS.index(control.count)
        self.by_session, self.by_all, self.by_account = (control.by == each for each in ("session", "endpoint", "account"))
        self.slot_ns = max(1, control.window_ns // SLOTS_A_WINDOW)
        self.names = Names(control.parameters).matches if control.parameters else None
        self.networks = Networks(control.networks).hold if control.networks else None
        self.has_statuses = bool(control.statuses)
        for status in range(600):
            text = str(status)
            self.statuses[status] = text in control.statuses or text[0] + "xx" in control.statuses


cdef class Route:
    """Requests of one method to one place: what counts them, and where they are counted."""

    cdef str host, path
    cdef tuple checks, targets  # of each check: the path under which it counts
    cdef uint64_t[32] hashes    # of each target
    cdef bint reads_body, is_asset, has_body_names
    cdef uint64_t seen


cdef class Cell:
    """What one control counted of one subject in one place and slot."""

    cdef Check check
    cdef Route route
    cdef str path
    cdef bytes subject
    cdef tuple point
    cdef Exchange sample
    cdef uint64_t slot, first_ns, last_ns
    cdef uint32_t count
    cdef uint32_t* hashes
    cdef uint32_t size, room, largest  # place of the largest hash

    def __dealloc__(self):
        free(self.hashes)

    cdef void add_value(self, uint32_t value) noexcept:
        """Keep *value* if it is among the HASHES smallest different ones."""
        cdef uint32_t at
        cdef uint32_t* wider
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
        elif value < self.hashes[self.largest]:
            self.hashes[self.largest] = value
        else:
            return
        self.largest = 0
        for at in range(1, self.size):
            if self.hashes[at] > self.hashes[self.largest]:
                self.largest = at

    cdef object counter(self):
        control = self.check.control
        unit = "requests" if self.check.count == REQUESTS else "values"
        key = CounterKey(control.name, control.type, unit, control.window_ns, control.threshold, _text_of(self.subject),
                         "" if self.check.count == OF_PAYLOADS else self.route.host, self.path, self.point)
        hashes = {self.hashes[at] for at in range(self.size)}
        return Counter(key, {self.slot: Slot(self.count, self.first_ns, self.last_ns, hashes)})


cdef class Watch:
    """Counts exchanges under *controls*, of which the first *own* are the operator's; `take` hands on what was counted.

    *breached*: what tells whether a password is known to be breached. ``evicted`` counts cells that gave way: their counts are
    lost. Memory: CELLS cells of about 200 bytes (up to 700 where values are many) and SAMPLES heads of requests.
    """

    cdef list cells
    cdef uint64_t* keys
    cdef uint64_t mask
    cdef dict routes
    cdef object choice, breached, is_password, is_login, is_identifier
    cdef dict identifying       # names of query parameters: as text where they identify, else None
    cdef dict counting          # and where a control looks at those of that name, else None
    cdef dict shown             # media types: whether pages show them
    cdef tuple checks, payload_checks
    cdef int samples
    cdef readonly uint64_t evicted, observed, used

    def __cinit__(self):
        self.mask = CELLS // WAYS - 1
        self.keys = <uint64_t*>calloc(CELLS, sizeof(uint64_t))
        if self.keys == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.keys)

    def __init__(self, controls, int own, breached=frozenset()):
        self.cells = [None] * CELLS
        self.routes = {}
        self.choice = Choice(controls, own)
        self.breached = breached
        self.checks = tuple(Check(index, control) for index, control in enumerate(controls))
        self.payload_checks = tuple(check for check in self.checks
                                    if (<Check>check).count == OF_PAYLOADS and (<Check>check).control.mode != "off")
        self.is_password, self.is_login = Names(PASSWORDS).matches, Names(LOGINS).matches
        self.is_identifier = Names(IDENTIFIERS).matches
        self.identifying, self.counting, self.shown = {}, {}, {}

    def observe(self, Exchange exchange not None, list findings, bytes session=None, bytes source=None):
        """Count *exchange*. *session*: names its session. *source*: the client's real address, packed; None: the packets'.

        Requests that show an attack count for what is asked of payloads alone: they are reported as they are.
        """
        cdef Request request = exchange.request
        cdef Route route
        cdef Check check
        cdef int place, status
        if request is None:
            return
        self.observed += 1
        if source is None:
            source = exchange.client_ip
        if findings:
            self._payloads(exchange, findings, source)
            return
        route = self._route(exchange)
        route.seen += 1
        status = 0 if exchange.response is None else exchange.response.status
        if not 0 <= status < 600:
            status = 0
        parameters = None
        for place in range(len(route.checks)):
            check = <Check>route.checks[place]
            if check.has_statuses and not check.statuses[status]:
                continue
            if check.networks is not None and not check.networks(_text_of(source)):
                continue
            subject = b"" if check.by_all else session if check.by_session and session is not None else source
            if check.count == REQUESTS:
                self._count(exchange, check, route, place, subject, None, 0, False)
            elif check.count == OF_PATHS:
                if status < 400 and (route.is_asset or (exchange.response is not None and self._is_shown(exchange.response))):
                    continue  # what pages load by themselves
                self._count(exchange, check, route, place, subject, None, _path_hash(request.target), True)
            elif check.count == OF_AGENTS:
                if check.by_session and session is None:
                    continue  # an address has as many agents as people behind it
                agent = request.header(b"user-agent") or b""
                self._count(exchange, check, route, place, subject, AGENT_POINT, _hash(agent), True)
            elif check.names is None and check.count == OF_VALUES:
                self._identifiers(exchange, check, route, place, subject)
            else:
                if parameters is None:
                    parameters = self._parameters(request, route)
                self._values(exchange, check, route, place, subject, parameters)

    def take(self):
        """Return [(counter, sample or None)] of what was counted since the last call, and begin anew."""
        cdef Cell cell
        cdef Py_ssize_t at
        found = []
        for at in range(len(self.cells)):
            if self.keys[at]:
                cell = <Cell>self.cells[at]
                found.append((cell.counter(), cell.sample))
                self.cells[at] = None
        memset(self.keys, 0, CELLS * sizeof(uint64_t))
        self.samples = 0
        self.used = 0
        return found

    cdef void _payloads(self, Exchange exchange, list findings, bytes source):
        cdef Check check
        cdef Route route = None
        for each in self.payload_checks:
            check = <Check>each
            if check.networks is not None and not check.networks(_text_of(source)):
                continue
            if route is None:
                route = self._route(exchange)
            for finding in findings:
                value = (finding.type + " " + finding.payload).encode("utf-8", "backslashreplace")
                self._cell(exchange, check, route, "", check.index, source, None, _hash(value), True)

    cdef void _identifiers(self, Exchange exchange, Check check, Route route, int place, bytes subject):
        """Count the values in the path, each place by itself, and those of parameters of the query that identify."""
        cdef Request request = exchange.request
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(request.target)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(request.target), at = 0, end, number = 0, name = 0, value = 0
        cdef const uint8_t* query
        if route.is_asset or (exchange.response is not None and self._is_shown(exchange.response)):
            return
        while at < size and data[at] == 47:
            end = at + 1
            while end < size and data[end] != 47 and data[end] != 63:
                end += 1
            if _is_value(data + at + 1, end - at - 1) and number < 32:
                self._count(exchange, check, route, place, subject, <tuple>PATH_POINTS[number],
                            <uint32_t>(siphash13(0, 0, data + at + 1, end - at - 1) >> 32), True)
            number += 1
            at = end
        query = <const uint8_t*>memchr(data, 63, size)
        if query == NULL:
            return
        at = query - data + 1
        for number in range(PAIRS):
            if not _next_pair(data, size, &at, &name, &value, &end):
                break
            if value == 0 or value == end:
                continue
            named = self._identifying(PyBytes_FromStringAndSize(<const char*>data + name, value - 1 - name))
            if named is not None:
                self._count(exchange, check, route, place, subject, <tuple>named,
                            <uint32_t>(siphash13(0, 0, data + value, end - value) >> 32), True)

    cdef tuple _identifying(self, bytes name):
        """Return the point of the query's parameter *name* if it identifies something, else None."""
        found = self.identifying.get(name, self)
        if found is not self:
            return found
        text = name.decode("latin-1")
        found = ("get", text) if len(name) <= 64 and self.is_identifier(text) else None
        if len(self.identifying) >= ROUTES:
            self.identifying.clear()
        self.identifying[name] = found
        return found

    cdef object _counting(self, bytes name):
        """Return the *name* of a query's parameter as text if any control looks at parameters of that name, else None."""
        found = self.counting.get(name, self)
        if found is not self:
            return found
        text = name.decode("latin-1")
        asks = [self.is_password, self.is_login, *[(<Check>check).names for check in self.checks]]
        found = text if any([ask(text) for ask in asks if ask is not None]) else None
        if len(self.counting) >= ROUTES:
            self.counting.clear()
        self.counting[name] = found
        return found

    cdef bint _is_shown(self, Response response):
        """Tell whether the answer is what a page loads many of: a picture, a font, a script."""
        kind = response.header(b"content-type")
        if kind is None:
            return False
        found = self.shown.get(kind)
        if found is None:
            if len(self.shown) >= 256:
                self.shown.clear()
            found = self.shown[kind] = (<bytes>kind).lower().startswith(SHOWN)
        return found

    cdef void _values(self, Exchange exchange, Check check, Route route, int place, bytes subject, list parameters):
        if check.count == OF_LOGINS:
            secrets = [value for _, name, value in parameters if self.is_password(name)]
            if any([value in self.breached for value in secrets]):
                logins = [(point, value) for point, name, value in parameters if self.is_login(name)]
                point, login = logins[0] if logins else ((), secrets[0])
                self._count(exchange, check, route, place, subject, point, _hash(login), True)
            return
        if check.by_account:
            accounts = [value for _, name, value in parameters if self.is_login(name)]
            if not accounts:
                return
            subject = b"account %016x" % _hash64(accounts[0])
        for point, name, value in parameters:
            if value and check.names(name):
                self._count(exchange, check, route, place, subject, point, _hash(value), True)

    cdef list _parameters(self, Request request, Route route):
        """Return the parameters of the query and, where the route has some that count, of the body."""
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(request.target)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(request.target), at, end = 0, first = 0, value = 0
        cdef const uint8_t* query = <const uint8_t*>memchr(data, 63, size)
        cdef list found = []
        if query != NULL:
            at = query - data + 1
            for _ in range(PAIRS):
                if not _next_pair(data, size, &at, &first, &value, &end):
                    break
                if value and value - 1 - first <= 64:
                    text = self._counting(PyBytes_FromStringAndSize(<const char*>data + first, value - 1 - first))
                    if text is not None:
                        found.append((("get", text), text, PyBytes_FromStringAndSize(<const char*>data + value, end - value)))
        if request.body and (route.reads_body or route.seen <= SEEN_ALL or route.seen % SEEN_STEP == 0
                             or holds(request.body, b"assw")):
            sent = body_parameters(request)
            if not route.reads_body:
                for _, name, _ in sent:
                    for each in route.checks:
                        if (<Check>each).names is not None and (<Check>each).names(name):
                            route.reads_body = True
            found += sent
        return found

    cdef Route _route(self, Exchange exchange):
        cdef uint8_t key[KEY_BYTES + 32]
        cdef Request request = exchange.request
        cdef Py_ssize_t size = _write_route(key, request, request.header(b"host") or b"")
        cdef bytes name = PyBytes_FromStringAndSize(<char*>key, size)
        found = self.routes.get(name)
        if found is not None:
            return <Route>found
        if len(self.routes) >= ROUTES:
            self.routes.clear()
        return self._new_route(name, exchange)

    cdef Route _new_route(self, bytes name, Exchange exchange):
        cdef Route route = Route()
        cdef Request request = exchange.request
        cdef int place
        method, host, path = name.decode("latin-1").split(" ", 2)
        route.host, route.path = host, path
        sent = request.target.partition(b"?")[0].decode("latin-1")
        indices = self.choice.of(method, host, sent if sent[:1] == "/" else path)
        route.checks = tuple([self.checks[index] for index in indices if (<Check>self.checks[index]).count != OF_PAYLOADS][:32])
        targets = []
        for place in range(len(route.checks)):
            control = (<Check>route.checks[place]).control
            target = control.path[:KEY_BYTES] if control.path else "" if _is_of_host(control) else path
            targets.append(target)
            route.hashes[place] = _hash64((host + " " + target).encode("utf-8", "replace"))
        route.targets = tuple(targets)
        route.is_asset = path.encode("latin-1").lower().endswith(ASSETS)
        self.routes[name] = route
        return route

    cdef void _count(self, Exchange exchange, Check check, Route route, int place, bytes subject, tuple point,
                     uint32_t value, bint has_value):
        self._cell(exchange, check, route, <str>route.targets[place], route.hashes[place], subject, point, value, has_value)

    cdef void _cell(self, Exchange exchange, Check check, Route route, str path, uint64_t target, bytes subject, tuple point,
                    uint32_t value, bint has_value):
        """Add one to the cell of *check*, *subject*, *target* and *point* in the slot of the exchange, and note *value*."""
        cdef uint64_t time_ns = exchange.request.time_ns, slot = time_ns // check.slot_ns, key
        cdef Py_ssize_t at, first, least
        cdef Cell cell
        key = siphash13(target, slot, <const uint8_t*>PyBytes_AS_STRING(subject), PyBytes_GET_SIZE(subject))
        key = mixed(key ^ <uint64_t>check.index)
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
            cell.sample = _heads_of(exchange)

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


cdef bint _is_of_host(control):
    """Tell whether *control* counts what is done anywhere on a host."""
    return control.count == "paths" or control.count == "payloads" or control.count == "agents" \
        or (control.count == "requests" and control.type == "resource_consumption")


cdef Exchange _heads_of(Exchange exchange):
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


cdef str _text_of(bytes subject):
    """Return an address, or what names a session, as text; no name of a session is as short as an address."""
    if PyBytes_GET_SIZE(subject) == 4 or PyBytes_GET_SIZE(subject) == 16:
        return ip_text(subject)
    return subject[:256].decode("utf-8", "replace")


cdef uint64_t _hash64(bytes text):
    return siphash13(0x6265, 0x68617669, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef uint32_t _hash(bytes text):
    """A hash of a value, the same in every sensor: enough to count different ones, not to hold them."""
    return <uint32_t>(siphash13(0, 0, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)) >> 32)


cdef uint32_t _path_hash(bytes target):
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(target)
    cdef const uint8_t* query = <const uint8_t*>memchr(data, 63, PyBytes_GET_SIZE(target))
    return <uint32_t>(siphash13(0, 0, data, query - data if query != NULL else PyBytes_GET_SIZE(target)) >> 32)


cdef bint _next_pair(const uint8_t* data, Py_ssize_t size, Py_ssize_t* at, Py_ssize_t* name, Py_ssize_t* value,
                     Py_ssize_t* end) noexcept nogil:
    """Find the pair of a query that begins at *at*, which goes on behind it; False: there is none.

    *name* and *value* say where they begin, *end* where the value ends; *value* is 0 where there is no equals sign.
    """
    cdef const void* found
    if at[0] > size:
        return False
    name[0] = at[0]
    found = memchr(data + at[0], 38, size - at[0])
    end[0] = size if found == NULL else <const uint8_t*>found - data
    found = memchr(data + at[0], 61, end[0] - at[0])
    value[0] = 0 if found == NULL else <const uint8_t*>found - data + 1
    at[0] = end[0] + 1
    return True


cdef Py_ssize_t _write_route(uint8_t* key, Request request, bytes host):
    """Write ``METHOD host /path`` with ``{}`` for values; return its length, KEY_BYTES + 2 at most."""
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(request.target)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(request.target), at = 0, end, written = 0
    written = _append(key, written, PyBytes_AS_STRING(request.method), min(16, PyBytes_GET_SIZE(request.method)))
    key[written] = 32
    written = _append(key, written + 1, PyBytes_AS_STRING(host), min(128, PyBytes_GET_SIZE(host)))
    for at in range(written):
        if 65 <= key[at] <= 90 and at >= PyBytes_GET_SIZE(request.method):
            key[at] |= 32
        elif key[at] == 32 and at != min(16, PyBytes_GET_SIZE(request.method)):
            key[at] = 95
    key[written] = 32
    written += 1
    at = 0
    if size and data[0] != 47:
        at = request.target.find(b"/", request.target.find(b"://") + 3) if b"://" in request.target else -1
        if at < 0:
            key[written] = 47
            return written + 1
    while at < size and data[at] == 47 and written < KEY_BYTES - 2:
        end = at + 1
        while end < size and data[end] != 47 and data[end] != 63:
            end += 1
        key[written] = 47
        if _is_value(data + at + 1, end - at - 1):
            key[written + 1], key[written + 2] = 123, 125
            written += 3
        else:
            written = _append(key, written + 1, <const char*>data + at + 1, min(end - at - 1, KEY_BYTES - 2 - written))
        at = end
    return written


cdef Py_ssize_t _append(uint8_t* key, Py_ssize_t at, const char* text, Py_ssize_t size) noexcept:
    memcpy(key + at, text, size)
    return at + size


cdef bint _is_value(const uint8_t* text, Py_ssize_t size) noexcept nogil:
    """Tell whether a part of a path is plainly a value: a number, a UUID, something with many digits, an address."""
    cdef Py_ssize_t at
    cdef int digits = 0
    cdef bint is_hex = True
    cdef uint8_t byte
    for at in range(size):
        byte = text[at]
        if 48 <= byte <= 57:
            digits += 1
        elif byte == 64:
            return True
        elif byte == 46:
            return False  # the name of a file
        elif not (97 <= (byte | 32) <= 102 or byte == 45):
            is_hex = False
    if digits == 0:
        return False
    return digits == size or digits >= 3 or (is_hex and size >= 8) or size >= 24
