# cython: language_level=3, boundscheck=False, wraparound=False
"""Routes: method, host and path of a request, with what is plainly a value left out, and which controls count there."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from tcpmirror.behavior.check cimport OF_FIELDS, OF_PAYLOADS, Check
from tcpmirror.behavior.fields cimport Fields, Resource
from tcpmirror.behavior.usual cimport Usual
from tcpmirror.model.exchange cimport Request
from tcpmirror.model.hashing cimport siphash13
from tcpmirror.model.heads cimport Span

from tcpmirror.behavior.history import resource_of

DEF ROUTES = 8192         # known at once; then all are forgotten and looked up anew

cdef tuple ASSETS = (b".js", b".css", b".map", b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp", b".ico", b".woff",
                     b".woff2", b".ttf", b".mp4", b".avif", b".webm", b".mp3", b".ts", b".m4s")


cdef class Route:
    """Requests of one method to one place: what counts them, and where they are counted."""


cdef class Routes:
    """Finds the route of a request. *choice*: a `Choice` among *checks*."""

    def __init__(self, choice, tuple checks):
        self.choice = choice
        self.checks = checks
        self.known, self.resources = {}, {}
        asked = [check for check in checks if (<Check>check).count == OF_FIELDS and (<Check>check).control.mode != "off"]
        self.fields = Fields((<Check>asked[0]).names) if asked else None

    cdef Route of(self, Request request, Span* host):
        """Return the route of *request* to *host*, as sent."""
        cdef uint8_t key[KEY_BYTES + 32]
        cdef Py_ssize_t size = written_route(key, request, host)
        cdef bytes name = PyBytes_FromStringAndSize(<char*>key, size)
        found = self.known.get(name)
        if found is not None:
            return <Route>found
        if len(self.known) >= ROUTES:
            self.known.clear()
        return self._new(name, request)

    cdef Route _new(self, bytes name, Request request):
        cdef Route route = Route()
        cdef Check check
        cdef int place
        method, host, path = name.decode("latin-1").split(" ", 2)
        route.host, route.path, route.method = host, path, method
        sent = request.target.partition(b"?")[0].decode("latin-1")
        indices = self.choice.of(method, host, sent if sent[:1] == "/" else path)
        route.payloads = tuple([self.checks[at] for at in indices if (<Check>self.checks[at]).count == OF_PAYLOADS])
        route.checks = tuple([self.checks[at] for at in indices if (<Check>self.checks[at]).count != OF_PAYLOADS][:CHECKS])
        targets = []
        for place in range(len(route.checks)):
            check = <Check>route.checks[place]
            target = _target(check, path)
            targets.append(target)
            if check.has_history:
                route.usual = Usual(host, path, method) if route.usual is None else route.usual
            counted = host + " " + target + (" " + method if check.is_relative else "")
            route.hashes[place] = hash64(counted.encode("utf-8", "replace"))
        route.targets = tuple(targets)
        route.place, route.host_place = hash64(name), hash64(host.encode("latin-1"))
        if self.fields is not None:
            route.resource = self._resource(host, path)
        route.is_asset = path.encode("latin-1").lower().endswith(ASSETS)
        self.known[name] = route
        return route

    cdef Resource _resource(self, str host, str path):
        """Return the resource at *path*, whatever the method."""
        key = (host, resource_of(path))
        found = self.resources.get(key)
        if found is None:
            if len(self.resources) >= ROUTES:
                self.resources.clear()
            found = self.resources[key] = Resource(host, key[1], self.fields)
        return <Resource>found


cdef str _target(Check check, str path):
    """Return the path under which *check* counts a request for *path*."""
    if check.is_relative:
        return path
    if check.control.path and not check.is_by_route:
        return check.control.path[:KEY_BYTES]
    return "" if check.is_of_host else path


cdef uint64_t hash64(bytes text):
    return siphash13(0x6265, 0x68617669, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef Py_ssize_t written_route(uint8_t* key, Request request, Span* host):
    """Write ``METHOD host /path`` with ``{}`` for values; return its length, KEY_BYTES + 2 at most."""
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(request.target)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(request.target), at = 0, end, written = 0, method
    method = min(16, PyBytes_GET_SIZE(request.method))
    written = _append(key, written, PyBytes_AS_STRING(request.method), method)
    key[written] = 32
    written = _append(key, written + 1, host.data, min(128, host.size))
    for at in range(written):
        if 65 <= key[at] <= 90 and at >= PyBytes_GET_SIZE(request.method):
            key[at] |= 32
        elif key[at] == 32 and at != method:
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
        if is_value(data + at + 1, end - at - 1):
            key[written + 1], key[written + 2] = 123, 125
            written += 3
        else:
            written = _append(key, written + 1, <const char*>data + at + 1, min(end - at - 1, KEY_BYTES - 2 - written))
        at = end
    return written


cdef Py_ssize_t _append(uint8_t* key, Py_ssize_t at, const char* text, Py_ssize_t size) noexcept:
    memcpy(key + at, text, size)
    return at + size


cdef bint is_value(const uint8_t* text, Py_ssize_t size) noexcept nogil:
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
