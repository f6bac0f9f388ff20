# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What a worker notes of each exchange, and the digests it hands on.

Most exchanges cost one look-up and a few additions. Parameters are read of the first SAMPLE_ALL requests of an endpoint,
and while they go on bringing something new; then of every SAMPLE_STEP-th, or of fewer where bodies are large: what is read of
them is SAMPLE_BYTES an exchange at most, taken over many. What cannot be an API is left out here
already: a path is taken up only after an answer in the 2xx class of a media type that APIs use, to a request that holds
no attack.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr, memcpy

from collections import Counter

from tcpmirror.discovery.shape cimport ADDRESS, INTEGER, SMALL, Shape, shape_of, stem_size
from tcpmirror.model.exchange cimport Exchange, Request, Response

from tcpmirror.discovery.digest import EndpointDigest
from tcpmirror.discovery.operation import operation_of
from tcpmirror.discovery.reading import read_exchange
from tcpmirror.discovery.shape import raw_shape

DEF KEY_BYTES = 1024      # of host, method and path together; a longer path is not taken up
DEF HOST_BYTES = 128
DEF SEGMENT_LIMIT = 32
DEF SAMPLE_ALL = 32
DEF SAMPLE_STEP = 61      # a prime: traffic that repeats itself is not sampled in its own rhythm
DEF SAMPLE_BYTES = 128
DEF WORD_COUNT = 3        # a word seen less often is not handed on: it may be somebody's own
DEF STABLE = 24           # samples in a row that brought nothing new
DEF BUCKETS = 32
DEF NUMBER_LIMIT = 4      # short numbers in one place: more than versions
DEF ALIASES = 8192
DEF TEXTS = 16            # in all places, for each endpoint that there may be
DEF PARAMETERS = 40_000   # between two digests; then no more are read until the next
DEF CHILD_LIMIT = 256     # texts in one place; then only those often seen keep their own endpoint

ENDPOINTS = 4096          # of one worker; what comes beyond is counted and left out until others fall silent
cdef int[256] PATH_BYTE

for _byte in range(256):
    PATH_BYTE[_byte] = bytes([_byte]).isalnum() or _byte in b"-_.~:@+,=$!*()&%/" or _byte >= 128


cdef class Endpoint:
    """One endpoint in a worker: the digest since it was last taken, and what decides how often parameters are read."""

    cdef object digest
    cdef set known              # kinds of values of parameters, over all digests
    cdef uint64_t requests, seen, sampled, first_ns, last_ns
    cdef Py_ssize_t owed        # bytes of bodies read in advance of what SAMPLE_BYTES allow
    cdef uint64_t latency[BUCKETS]
    cdef int stable, idle
    cdef bint is_multiplexed
    cdef int status[8]          # the code seen last of each class, and how often
    cdef uint64_t counts[8]

    cdef void note(self, uint64_t time_ns, int status, long long duration_ns):
        cdef int place = status // 100 if 100 <= status < 600 else 0, power = 0
        cdef uint64_t micros
        self.requests += 1
        self.seen += 1
        self.owed = max(0, self.owed - SAMPLE_BYTES)
        if self.first_ns == 0 or time_ns < self.first_ns:
            self.first_ns = time_ns
        if time_ns > self.last_ns:
            self.last_ns = time_ns
        if self.status[place] == status:
            self.counts[place] += 1
        else:
            if self.counts[place]:
                self.digest.statuses[self.status[place]] += self.counts[place]
            self.status[place] = status
            self.counts[place] = 1
        if duration_ns >= 0:
            micros = duration_ns // 1000
            while micros:
                micros >>= 1
                power += 1
            self.latency[power if power < BUCKETS else BUCKETS - 1] += 1

    cdef bint is_sample(self):
        return self.seen <= SAMPLE_ALL or self.stable < STABLE or self.seen % SAMPLE_STEP == 0 and not self.owed

    cdef object take(self):
        """Return the digest and begin another; None when there was nothing."""
        cdef int place
        if self.requests == 0:
            self.idle += 1
            return None
        taken = self.digest
        self.digest = EndpointDigest(taken.host, taken.method, taken.path, taken.kind, taken.operation)
        taken.requests, taken.sampled = self.requests, self.sampled
        taken.first_ns, taken.last_ns = self.first_ns, self.last_ns
        for parameter in taken.parameters.values():
            if parameter.words:
                parameter.keep_words(WORD_COUNT)
        for place in range(8):
            if self.counts[place]:
                taken.statuses[self.status[place]] += self.counts[place]
            self.counts[place] = 0
        for place in range(BUCKETS):
            if self.latency[place]:
                taken.latency[place] = self.latency[place]
            self.latency[place] = 0
        self.requests = self.sampled = self.first_ns = self.last_ns = 0
        self.idle = 0
        return taken


cdef class Observer:
    """Notes exchanges; `take` returns the digests since it was last called.

    ``refused`` counts requests of endpoints for which there was no room. Memory is bounded by ENDPOINTS of them, each with
    PARAMETERS parameters at most, whatever paths come.
    """

    cdef dict endpoints         # key -> Endpoint
    cdef dict aliases           # key of a path that falls to another's endpoint -> that endpoint
    cdef dict places            # (host, path before it) -> texts seen in one place; None once there were too many
    cdef readonly uint64_t refused
    cdef readonly uint64_t sampled
    cdef readonly uint64_t observed
    cdef int limit
    cdef Py_ssize_t texts       # in all places
    cdef Py_ssize_t fresh       # parameters in the digests since they were last taken

    def __init__(self, int limit=ENDPOINTS):
        self.endpoints = {}
        self.aliases = {}
        self.places = {}
        self.limit = limit

    def observe(self, Exchange exchange not None, bint is_attack):
        """Note *exchange*, unless it shows an attack or is none of an API."""
        cdef Request request = exchange.request
        cdef Response response = exchange.response
        cdef Endpoint endpoint, part
        cdef bytes key
        if request is None or response is None or is_attack or PyBytes_GET_SIZE(request.method) == 0:
            return
        if _is_ignored(request.method) or (request.version and request.version[0] | 32 == 119):
            return
        key = _key(exchange)
        if key is None:
            return
        found = self.endpoints.get(key)
        if found is None:
            found = self.aliases.get(key)
        if found is None:
            if response.status // 100 != 2 or not _is_api(exchange):
                return
            endpoint = self._new(key, exchange)
            if endpoint is None:
                return
        else:
            endpoint = found
        if endpoint.is_multiplexed:
            endpoint = self._operation(endpoint, key, exchange)
            if endpoint is None:
                return
        self.observed += 1
        endpoint.note(request.time_ns, response.status,
                      <long long>response.end_ns - <long long>request.time_ns if response.end_ns > request.time_ns else 0)
        if response.status // 100 == 2 and endpoint.is_sample():
            self._sample(endpoint, exchange)

    def take(self):
        """Return the digests of what was noted since the last call. Endpoints long silent are forgotten."""
        cdef Endpoint endpoint
        found, silent = [], []
        self.fresh = 0
        for key, each in self.endpoints.items():
            endpoint = each
            digest = endpoint.take()
            if digest is not None:
                found.append(digest)
            elif endpoint.idle > 20:
                silent.append(key)
        if 2 * len(self.endpoints) > self.limit:
            for key in silent:
                del self.endpoints[key]
            if silent:
                self.places.clear()
                self.texts = 0
                self.aliases.clear()
        return found

    def __len__(self):
        return len(self.endpoints)

    cdef void _sample(self, Endpoint endpoint, Exchange exchange):
        digest = endpoint.digest
        if self.fresh > PARAMETERS:
            return
        before = len(digest.parameters)
        self.sampled += 1
        endpoint.sampled += 1
        if endpoint.stable >= STABLE:
            endpoint.owed = PyBytes_GET_SIZE(exchange.request.body) + PyBytes_GET_SIZE(exchange.response.body)
        is_new = read_exchange(exchange, digest.path, digest.parameters, digest.auth, digest.types, digest.kind,
                               endpoint.known)
        self.fresh += len(digest.parameters) - before
        if is_new and endpoint.seen > 8:
            endpoint.stable = 0 if endpoint.sampled < 1000 else endpoint.stable
        else:
            endpoint.stable += 1

    cdef Endpoint _new(self, bytes key, Exchange exchange):
        """Return a new endpoint for *key*, or the one that this path falls to; None where there is no room."""
        cdef Endpoint endpoint
        cdef list parts = key.split(b" ", 2)
        cdef str host = parts[0].decode("latin-1"), method = parts[1].decode("latin-1")
        cdef tuple path = self._placed(host, parts[2].decode("latin-1").split("/")[1:])
        canonical = (host + " " + method + " /" + "/".join(path)).encode("latin-1")
        found = self.endpoints.get(canonical)
        if found is not None:
            if len(self.aliases) >= ALIASES:
                self.aliases.clear()
            self.aliases[key] = found
            return found
        if len(self.endpoints) >= self.limit:
            self.refused += 1
            return None
        kind, operation = operation_of(exchange)
        endpoint = Endpoint()
        endpoint.known = set()
        endpoint.digest = EndpointDigest(host, method, path, kind, "")
        endpoint.is_multiplexed = kind in ("graphql", "soap", "jsonrpc", "mcp")
        self.endpoints[canonical] = endpoint
        return endpoint

    cdef Endpoint _operation(self, Endpoint endpoint, bytes key, Exchange exchange):
        """Return the endpoint of the operation that *exchange* calls through *endpoint*; None for none."""
        cdef Endpoint part
        kind, operation = operation_of(exchange)
        if not operation:
            return None
        name = key + b" " + operation.encode("utf-8", "replace")
        found = self.endpoints.get(name)
        if found is not None:
            return found
        if exchange.response.status // 100 != 2:
            return None
        if len(self.endpoints) >= self.limit:
            self.refused += 1
            return None
        part = Endpoint()
        part.known = set()
        digest = endpoint.digest
        part.digest = EndpointDigest(digest.host, digest.method, digest.path, kind, operation)
        self.endpoints[name] = part
        return part

    cdef tuple _placed(self, str host, list path):
        """Return *path* with ``{}`` where one place has had more texts than a route has names for."""
        cdef list placed = []
        cdef str before = host, place
        cdef int most
        for segment in path:
            if not segment.startswith("{}"):
                place, most = before, CHILD_LIMIT
                if raw_shape(segment) in ("small", "date"):
                    place, most = before + "/#", NUMBER_LIMIT
                if not self._has_room(place, segment, most):
                    segment = "{}"
            placed.append(segment)
            before = before + "/" + segment
        return tuple(placed)

    cdef bint _has_room(self, str place, str segment, int most):
        """Tell whether *segment* may keep its name in *place*, where up to *most* texts do."""
        known = self.places.get(place, self)
        if known is None:
            return False
        if known is not self and segment in known:
            return True
        if self.texts >= TEXTS * self.limit:
            return True  # how many endpoints there may be bounds what is not counted here
        self.texts += 1
        if known is self:
            self.places[place] = {segment}
        elif len(known) >= most:
            self.texts -= len(known)
            self.places[place] = None
            return False
        else:
            known.add(segment)
        return True


cdef bint _is_ignored(bytes method):
    return method in (b"OPTIONS", b"HEAD", b"CONNECT", b"TRACE")


cdef bint _header(bytes head, const char* name, Py_ssize_t size, const uint8_t** value, Py_ssize_t* length) noexcept:
    """Find the first header *name* (lower case); its value is without the blanks before it."""
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(head)
    cdef const uint8_t* end = data + PyBytes_GET_SIZE(head)
    cdef const uint8_t* line = <const uint8_t*>memchr(data, 10, end - data)
    cdef const uint8_t* stop
    cdef Py_ssize_t at
    while line != NULL and line + 1 < end:
        line += 1
        stop = <const uint8_t*>memchr(line, 10, end - line)
        if end - line > size and line[size] == 58 and (line[0] | 32) == <uint8_t>name[0]:
            for at in range(size):
                if (line[at] | 32) != (<uint8_t>name[at] | 32):
                    break
            else:
                value[0] = line + size + 1
                if stop == NULL:
                    stop = end
                while value[0] < stop and value[0][0] == 32:
                    value[0] += 1
                while stop > value[0] and ((stop - 1)[0] == 13 or (stop - 1)[0] == 32):
                    stop -= 1
                length[0] = stop - value[0]
                return True
        line = stop
    return False


cdef bytes _key(Exchange exchange):
    """Return ``host METHOD /path`` with ``{}`` for what is plainly a value, or None if it is no path of an API."""
    cdef uint8_t key[KEY_BYTES + 64]
    cdef Py_ssize_t size, at = 0, end, length = 0
    cdef const uint8_t* data
    cdef const uint8_t* host = NULL
    cdef Request request = exchange.request
    cdef bytes target = request.target, named
    data = <const uint8_t*>PyBytes_AS_STRING(target)
    end = PyBytes_GET_SIZE(target)
    if end == 0:
        return None
    if data[0] != 47:
        named = (exchange.host or "").encode("latin-1", "replace")
        host, length = <const uint8_t*>PyBytes_AS_STRING(named), PyBytes_GET_SIZE(named)
        at = target.find(b"/", target.find(b"://") + 3)
        if at < 3:
            return None
    elif not _header(request.head, b"host", 4, &host, &length):
        named = exchange.server.encode()
        host, length = <const uint8_t*>PyBytes_AS_STRING(named), PyBytes_GET_SIZE(named)
    size = _write_host(key, host, length)
    if size <= 0 or PyBytes_GET_SIZE(request.method) > 16:
        return None
    key[size] = 32
    memcpy(key + size + 1, PyBytes_AS_STRING(request.method), PyBytes_GET_SIZE(request.method))
    size += 1 + PyBytes_GET_SIZE(request.method)
    key[size] = 32
    size = _write_path(key, size + 1, data + at, end - at)
    return None if size < 0 else PyBytes_FromStringAndSize(<char*>key, size)


cdef Py_ssize_t _write_host(uint8_t* key, const uint8_t* host, Py_ssize_t length) noexcept nogil:
    """Write the host in lower case without a default port; return its length, -1 if it is none (RFC 9110, section 7.2)."""
    cdef Py_ssize_t at
    cdef uint8_t byte
    if length > 3 and host[length - 3] == 58 and host[length - 2] == 56 and host[length - 1] == 48:
        length -= 3
    if length == 0 or length > HOST_BYTES:
        return -1
    for at in range(length):
        byte = host[at]
        if 65 <= byte <= 90:
            byte |= 32
        elif not (97 <= byte <= 122 or 45 <= byte <= 58 and byte != 47 or byte == 95 or byte == 91 or byte == 93):
            return -1
        key[at] = byte
    return length


cdef Py_ssize_t _write_path(uint8_t* key, Py_ssize_t size, const uint8_t* data, Py_ssize_t end) noexcept nogil:
    """Append the path of a target up to its query; return the new length, -1 if it is no path of an API."""
    cdef Py_ssize_t at = 0, begin, stop, stem, count = 0
    cdef Shape shape
    while at < end and data[at] == 47:
        begin = at + 1
        at = begin
        while at < end and data[at] != 47 and data[at] != 63 and data[at] != 35 and data[at] != 59:
            if not PATH_BYTE[data[at]]:
                return -1
            at += 1
        stop = at
        if at < end and data[at] == 59:
            while at < end and data[at] != 47 and data[at] != 63:
                at += 1
        count += 1
        if count > SEGMENT_LIMIT or size + 5 + (stop - begin) > KEY_BYTES:
            return -1
        if stop - begin == 2 and data[begin] == 46 and data[begin + 1] == 46:
            return -1
        key[size] = 47
        size += 1
        stem = stem_size(data + begin, stop - begin)
        shape = shape_of(data + begin, stem)
        if shape >= INTEGER and shape != ADDRESS or stem < stop - begin and shape == SMALL:
            key[size], key[size + 1] = 123, 125
            size += 2
            begin += stem
        elif stem < stop - begin and shape_of(data + begin, stop - begin) >= INTEGER:
            key[size], key[size + 1] = 123, 125
            size += 2
            begin = stop
        elif shape == ADDRESS:
            key[size], key[size + 1] = 123, 125
            size += 2
            begin = stop
        memcpy(key + size, data + begin, stop - begin)
        size += stop - begin
    return size


cdef bint _is_api(Exchange exchange):
    """Tell whether the answer is of a media type that APIs use, or says none, to a path without a file extension."""
    cdef const uint8_t* value = NULL
    cdef Py_ssize_t length = 0
    cdef Request request = exchange.request
    cdef Response response = exchange.response
    cdef bytes media, last
    if not _header(response.head, b"content-type", 12, &value, &length):
        last = request.target.partition(b"?")[0].rpartition(b"/")[2]
        if b"." in last[1:]:
            return False
        return response.body_length == 0 or response.body[:1] in (b"{", b"[") or response.body[:5] == b"<?xml"
    media = PyBytes_FromStringAndSize(<const char*>value, length).partition(b";")[0].strip().lower()
    if media.endswith((b"json", b"/xml", b"+xml")):
        return not media.endswith((b"xhtml+xml", b"svg+xml", b"rss+xml", b"atom+xml", b"manifest+json"))
    if media.startswith((b"application/grpc", b"application/octet-stream", b"application/x-ndjson", b"text/event-stream",
                         b"application/vnd.", b"application/graphql")):
        return True
    if response.body_length == 0 and request.method in (b"POST", b"PUT", b"PATCH", b"DELETE"):
        return True
    return _header(request.head, b"content-type", 12, &value, &length) and (
        b"json" in PyBytes_FromStringAndSize(<const char*>value, length).partition(b";")[0].lower())
