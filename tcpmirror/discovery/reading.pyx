# cython: language_level=3
"""The parameters of one exchange: read from path, query, headers, cookies and bodies into an endpoint's digest.

This runs on a sample of the exchanges (`observer`), so it may look at everything, within the bounds below. No value is
kept: of each there are type, bounds, a hash of 32 bits, and for short words that come again and again the word itself,
unless it or its name is sensitive.
"""
from cpython.dict cimport PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject

import re
from urllib.parse import unquote_plus
from xml.parsers import expat

import orjson

from tcpmirror.discovery.digest import HASHES, PARAMETERS, WORDS, ParameterDigest
from tcpmirror.discovery.sensitive import class_of, class_of_name
from tcpmirror.discovery.shape import segment_key
from tcpmirror.discovery.values import kind_of_float, kind_of_integer, kind_of_sent, kind_of_text, value_hash

DEF BODY_BYTES = 262144   # a larger body is not read
DEF PARTS = 200           # parameters of one message
DEF ELEMENTS = 8          # of an array: the others are alike
DEF DEPTH = 10
DEF NAME_CHARS = 128
DEF CLASSED = 64          # values of a parameter that are looked at for sensitive data; later ones now and then
DEF WORD_CHARS = 32
DEF KNOWN = 500           # parameters and kinds that an endpoint's stability is told by

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_JSON = re.compile(rb"[\s]*[\[{]")
# What browsers, libraries and proxies add says nothing about an API.
_STANDARD = frozenset(
    b"""
    accept accept-charset accept-encoding accept-language accept-ranges age allow alt-svc authorization cache-control
    connection content-disposition content-encoding content-language content-length content-location content-range
    content-type cookie date dnt etag expect expires forwarded from host http2-settings if-match if-modified-since
    if-none-match if-range if-unmodified-since keep-alive last-modified link location max-forwards nel origin pragma
    priority proxy-authorization proxy-connection range referer referrer-policy report-to retry-after save-data
    sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc server server-timing set-cookie
    strict-transport-security te trailer transfer-encoding upgrade upgrade-insecure-requests user-agent vary via
    warning www-authenticate x-content-type-options x-forwarded-for x-forwarded-host x-forwarded-port
    x-forwarded-proto x-frame-options x-powered-by x-real-ip x-xss-protection content-security-policy
    access-control-allow-credentials access-control-allow-headers access-control-allow-methods
    access-control-allow-origin access-control-expose-headers access-control-max-age access-control-request-headers
    access-control-request-method permissions-policy x-request-id x-correlation-id x-amzn-trace-id traceparent
    tracestate
    """.split()
)
_SCHEMES = {
    b"bearer": "bearer", b"basic": "basic", b"digest": "digest", b"negotiate": "negotiate", b"ntlm": "ntlm", b"hawk": "hawk",
    b"aws4-hmac-sha256": "aws_sigv4", b"hmac": "hmac", b"scram-sha-1": "scram", b"scram-sha-256": "scram", b"apikey":
    "api_key", b"token": "api_key", b"key": "api_key", b"oauth": "oauth",
}
_KEY_NAMES = re.compile(
    r"(x-)?(api|access|subscription|functions)[-_]?(key|token)|x-auth(-token)?|apikey|x-access-token|ocp-apim-.*key"
)
_SESSION_NAMES = re.compile(r".*(sess|sid|auth|token|jwt|login|remember).*")


cdef class Sink:
    """Where the parameters of one exchange go; ``grew``: whether it had a parameter or kind of value that is not *known*."""

    cdef dict parameters
    cdef set known
    cdef set seen
    cdef public bint grew
    cdef int left

    def __init__(self, dict parameters, set known):
        self.parameters = parameters
        self.known = known
        self.seen = set()
        self.left = 2 * PARTS

    cdef object _parameter(self, str side, str location, str name):
        cdef tuple key = (side, location, name[:NAME_CHARS])
        found = self.parameters.get(key)
        if found is None:
            if self.left <= 0 or len(self.parameters) >= PARAMETERS:
                return None
            found = self.parameters[key] = ParameterDigest()
        self.left -= 1
        return found

    cdef object _counted(self, str side, str location, str name, str kind, bint once):
        """Return the parameter after noting a value of *kind*, None without room; *once*: an exchange counts once."""
        found = self._parameter(side, location, name)
        if found is None:
            return None
        if once:
            key = (side, location, name)
            if key not in self.seen:
                self.seen.add(key)
                found.count += 1
        else:
            found.count += 1
        if _counted(found.kinds, kind) == 1:
            self._learn((side, location, name, kind))
        return found

    cdef void _learn(self, tuple mark):
        """Note that values of a kind were seen; what is forgotten with each digest stays known here."""
        cdef object short = hash(mark)
        if short not in self.known and len(self.known) < KNOWN:
            self.known.add(short)
            self.grew = True

    cdef void container(self, str side, str location, str name, str kind):
        self._counted(side, location, name, kind, False)

    cdef void text(self, str side, str location, str name, str value, str kind, bint once):
        found = self._counted(side, location, name, kind, once)
        if found is None or kind == "empty":
            return
        cdef Py_ssize_t size = len(value)
        if kind in ("int32", "int64", "integer", "float", "double"):
            self._bounds(found, float(value) if kind in ("float", "double") else int(value))
        else:
            if found.short is None or size < found.short:
                found.short = size
            if found.long is None or size > found.long:
                found.long = size
        self._remember(found, name, value, kind)

    cdef void number(self, str side, str location, str name, value, str kind):
        found = self._counted(side, location, name, kind, False)
        if found is not None:
            self._bounds(found, value)
            self._remember(found, name, str(value), kind)

    cdef void _bounds(self, found, value):
        if found.low is None or value < found.low:
            found.low = value
        if found.high is None or value > found.high:
            found.high = value

    cdef void _remember(self, found, str name, str value, str kind):
        cdef unsigned int mark = value_hash(value), largest
        hashes = found.hashes
        if mark not in hashes:
            if len(hashes) < HASHES:
                hashes.add(mark)
            else:
                largest = _largest(hashes)
                if mark < largest:
                    hashes.discard(largest)
                    hashes.add(mark)
        if found.count <= CLASSED or found.count % 8 == 0:
            sensitive = class_of(name, value)
            if sensitive:
                found.classes[sensitive] += 1
        if kind == "string" and not found.classes and len(value) <= WORD_CHARS and len(found.hashes) <= WORDS:
            if (value in found.words or len(found.words) < WORDS) and _WORD.fullmatch(value) and not class_of_name(name):
                found.words[value] += 1


cdef int _counted(counts, key) except -1:
    """Count *key* in *counts*, a `Counter`, and return how often it has come; its own methods take twenty times as long."""
    cdef PyObject* had = PyDict_GetItem(counts, key)
    cdef object count = 1 if had == NULL else <object>had + 1
    PyDict_SetItem(counts, key, count)
    return count


cdef unsigned int _largest(set hashes) except? 0:
    cdef unsigned int largest = 0, each
    for each in hashes:
        if each > largest:
            largest = each
    return largest


def read_exchange(exchange, tuple path, dict parameters, auth, types, str kind, set known):
    """Add the parameters of *exchange* to *parameters*, how it authenticates to *auth*, its media types to *types*.

    *path*: the endpoint's, which says what segments are values. Returns whether anything was not in *known*, and adds it.
    """
    cdef Sink sink = Sink(parameters, known)
    request, response = exchange.request, exchange.response
    _read_target(sink, request.target, path)
    cdef str how = _read_headers(sink, "request", request.headers)
    if how == "" and any(location == "query" and _KEY_NAMES.fullmatch(name.lower()) for _, location, name in sink.seen):
        how = "api_key"
    auth[how or "none"] += 1
    _read_body(sink, "request", request, types, kind)
    if response is not None:
        _read_headers(sink, "response", response.headers)
        _read_body(sink, "response", response, types, kind)
    return sink.grew


cdef void _read_target(Sink sink, bytes target, tuple path):
    cdef bytes where, query
    where, _, query = target.partition(b"?")
    if not where.startswith(b"/"):
        where = b"/" + where.partition(b"://")[2].partition(b"/")[2]
    cdef Py_ssize_t place
    for place, segment in enumerate(where.split(b"/")[1:len(path) + 1]):
        if path[place].startswith("{}"):
            value = _decoded(segment.partition(b";")[0])
            value = value[:len(value) - len(path[place]) + 2]
            sink.text("request", "path", str(place), value, kind_of_sent(value), True)
    if query:
        _read_pairs(sink, "request", "query", query.partition(b"#")[0])


cdef void _read_pairs(Sink sink, str side, str location, bytes pairs):
    for pair in pairs.split(b"&", PARTS)[:PARTS]:
        name, equals, value = pair.partition(b"=")
        if name:
            decoded = _decoded(value) if equals else ""
            sink.text(side, location, _decoded(name), decoded, kind_of_sent(decoded), True)


cdef str _decoded(bytes raw):
    return unquote_plus(raw[:4096].decode("utf-8", "replace"))


cdef str _read_headers(Sink sink, str side, tuple headers):
    """Note the headers of an API's own and the cookies; return how a request authenticates, empty for not."""
    cdef str how = ""
    for name, value in headers[:PARTS]:
        lower = name.lower()
        if lower not in _STANDARD and not lower.startswith((b"sec-ch-", b":", b"cf-", b"x-envoy-", b"x-b3-")):
            text, shown = value[:4096].decode("utf-8", "replace"), lower.decode("latin-1")
            sink.text(side, "header", shown, text, kind_of_sent(text), True)
            if side == "request" and not how and _KEY_NAMES.fullmatch(shown):
                how = "api_key"
        elif lower == b"cookie" and side == "request":
            for pair in value.split(b";")[:PARTS]:
                cookie, _, text = pair.strip().partition(b"=")
                if cookie:
                    shown = _decoded(cookie)
                    sink.text(side, "cookie", shown, _decoded(text), kind_of_sent(_decoded(text)), True)
                    if not how and _SESSION_NAMES.fullmatch(shown.lower()):
                        how = "cookie"
        elif lower == b"authorization" and side == "request":
            how = _SCHEMES.get(value.partition(b" ")[0].lower(), "other")
    return how


cdef void _read_body(Sink sink, str side, message, types, str kind):
    cdef bytes body = message.body, media
    if not body:
        return
    whole = message.header(b"content-type") or b""
    media = whole.partition(b";")[0].strip().lower()[:80]
    if len(types) < 32:
        types[f"{side} {media.decode('latin-1')}"] += 1
    if message.body_length > BODY_BYTES or len(body) > BODY_BYTES or len(body) < message.body_length:
        return
    if media.endswith((b"json", b"+json")) or not media and _JSON.match(body):
        _read_json(sink, side, body, kind)
    elif media == b"application/x-www-form-urlencoded":
        _read_pairs(sink, side, "form", body)
    elif media == b"multipart/form-data":
        _read_multipart(sink, side, whole, body)
    elif media.endswith((b"/xml", b"+xml")):
        _read_xml(sink, side, body)
    elif media == b"application/x-ndjson" or media == b"text/event-stream":
        for line in body.split(b"\n")[:ELEMENTS]:
            line = line.removeprefix(b"data:").strip()
            if _JSON.match(line):
                _read_json(sink, side, line, kind)


cdef void _read_json(Sink sink, str side, bytes body, str kind):
    try:
        document = orjson.loads(body)
    except ValueError:
        return
    if side == "request" and isinstance(document, dict):
        if kind == "graphql" and isinstance(document.get("variables"), dict):
            _walk(sink, side, "graphql", "", document["variables"], 0)
            return
        if kind in ("jsonrpc", "mcp"):
            document = document.get("params")
            if kind == "mcp" and isinstance(document, dict) and "arguments" in document:
                document = document["arguments"]
            _walk(sink, side, "argument", "", document, 0)
            return
    _walk(sink, side, "json", "", document, 0)


cdef void _walk(Sink sink, str side, str location, str name, value, int depth):
    """Note *value* and what is in it; *name* is a JSON pointer (RFC 6901) with ``[]`` for the elements of an array."""
    if isinstance(value, str):
        sink.text(side, location, name, value[:4096], kind_of_text(value), False)
    elif value is True or value is False:
        sink.container(side, location, name, "boolean")
    elif value is None:
        sink.container(side, location, name, "null")
    elif isinstance(value, int):
        sink.number(side, location, name, value, kind_of_integer(value))
    elif isinstance(value, float):
        sink.number(side, location, name, value, kind_of_float(value))
    elif isinstance(value, dict):
        sink.container(side, location, name, "object")
        if depth < DEPTH:
            for key, member in value.items():
                if sink.left <= 0:
                    return
                _walk(sink, side, location, f"{name}/{_key(key)}", member, depth + 1)
    else:
        sink.container(side, location, name, "array")
        if depth < DEPTH:
            for member in value[:ELEMENTS]:
                _walk(sink, side, location, f"{name}/[]", member, depth + 1)


cdef str _key(str key):
    """Return a member's name as it stands in a pointer; one that is plainly a value (a map by ids) is ``{}``."""
    shown = key[:64]
    if shown and (shown[0].isdigit() or len(shown) >= 10):
        if segment_key(shown.encode("utf-8", "replace"))[0] == "{}":
            return "{}"
    return shown.replace("~", "~0").replace("/", "~1")


cdef void _read_multipart(Sink sink, str side, bytes media, bytes body):
    """Note the parts of a form (RFC 7578): a part with a file name is a file."""
    at = media.find(b"boundary=")
    if at < 0:
        return
    boundary = media[at + 9:].partition(b";")[0].strip().strip(b'"')
    if not boundary:
        return
    for part in body.split(b"--" + boundary)[1:PARTS]:
        head, blank, content = part.partition(b"\r\n\r\n")
        found = re.search(rb'(?i)content-disposition:[^\r\n]*?[; ]name="?([^";\r\n]*)', head)
        if not blank or found is None:
            continue
        name = found[1].decode("utf-8", "replace")
        if b"filename" in head.lower():
            sink.container(side, "multipart", name, "file")
        else:
            value = content.removesuffix(b"\r\n")[:4096].decode("utf-8", "replace")
            sink.text(side, "multipart", name, value, kind_of_sent(value), True)


cdef void _read_xml(Sink sink, str side, bytes body):
    """Note elements and attributes by their path of local names; no entity is expanded beyond those of XML itself."""
    reader = _XmlReader(sink, side)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.EntityDeclHandler = reader.entity
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, _TooMuch):
        pass


class _TooMuch(Exception):
    """An entity declaration, or more elements than are read."""


class _XmlReader:
    def __init__(self, sink, side):
        self.sink, self.side = sink, side
        self.names, self.texts, self.left = [], [], PARTS

    def start(self, name, attributes):
        self.left -= 1
        if self.left < 0 or len(self.names) >= DEPTH:
            raise _TooMuch
        self.names.append(name.rpartition(":")[2])
        self.texts.append("")
        where = "/" + "/".join(self.names)
        for attribute, value in list(attributes.items())[:16]:
            if not attribute.startswith("xmlns"):
                (<Sink>self.sink).text(self.side, "xml", f"{where}/@{attribute}", value[:4096], kind_of_sent(value), True)

    def data(self, text):
        if self.texts and len(self.texts[-1]) < 4096:
            self.texts[-1] += text

    def end(self, name):
        where, text = "/" + "/".join(self.names), self.texts.pop().strip()
        self.names.pop()
        if text:
            (<Sink>self.sink).text(self.side, "xml", where, text[:4096], kind_of_sent(text), True)
        else:
            (<Sink>self.sink).container(self.side, "xml", where, "object")

    def entity(self, *declaration):
        raise _TooMuch
