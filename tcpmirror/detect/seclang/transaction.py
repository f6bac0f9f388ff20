"""One request as the variables of the language: as servers with this language see it, whatever `decode` would see."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import orjson

from tcpmirror.detect.seclang.grammar import Variable
from tcpmirror.detect.seclang.transformations import url_decode
from tcpmirror.model.exchange import Exchange, Request

BODY_LIMIT: Final = 131_072  # bytes; what ModSecurity's recommended configuration sets for bodies without files
ITEMS_LIMIT: Final = 4096  # of one collection; a form of more fields is cut
_BOUNDARY: Final = re.compile(rb"boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;,]{1,200}))", re.IGNORECASE)
_DISPOSITION: Final = re.compile(
    rb"\b(name|filename)\*?\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^\s;]+))", re.IGNORECASE
)
# Each alternative ends somewhere, so that a text of openings alone costs no more than its length.
_TAG: Final = re.compile(rb"<!\[CDATA\[(.*?)(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>?", re.DOTALL)
_ATTRIBUTE: Final = re.compile(rb"=\s*(?:\"([^\"<]*)\"|'([^'<]*)')")
Path = tuple[str, ...]


class Item(NamedTuple):
    """One value of a collection: its key as sent, and the point it is for people."""

    key: str
    value: bytes
    path: Path


class Part(NamedTuple):
    """One part of a multipart body; ``filename`` None: a field."""

    name: bytes
    filename: bytes | None
    headers: list[bytes]
    body: bytes


class Transaction:
    """The variables of one request, each collection made when it is first asked for."""

    def __init__(self, exchange: Exchange, tx: dict[str, bytes]) -> None:
        self.exchange = exchange
        self.request = exchange.request if exchange.request is not None else Request(b"", b"", 0, b"", b"")
        self.body = self.request.body[:BODY_LIMIT]
        self.tx = tx
        self.matched: list[Item] = []  # by the link before this one
        self.last: Item | None = None
        self.processor = _processor(self.request)
        self._made: dict[str, list[Item]] = {}

    def items(self, name: str) -> list[Item]:
        """Return the values of the collection *name*; a single variable is a collection of one, without key."""
        found = self._made.get(name)
        if found is None:
            if name in CHANGING:
                return CHANGING[name](self)
            found = self._made[name] = list(COLLECTIONS[name](self))[:ITEMS_LIMIT]
        return found

    def forget_body(self, processor: str) -> None:
        """Read the body another way from now on (``ctl:requestBodyProcessor``)."""
        self.processor = processor
        self._made.clear()

    def select(self, targets: tuple[Variable, ...], without: tuple[Variable, ...] = ()) -> list[tuple[str, Item]]:
        """Return (variable, item) for all that *targets* name, less what they and *without* exclude."""
        excluded = [target for target in targets if target.excluded] + list(without)
        found: list[tuple[str, Item]] = []
        for target in targets:
            if target.excluded:
                continue
            chosen = self._chosen(target)
            if excluded:
                chosen = [item for item in chosen if not any(_is_out(out, target.name, item) for out in excluded)]
            if target.counted:
                chosen = [Item(target.key, b"%d" % len(chosen), ("uri",))]
            found += [(target.name, item) for item in chosen]
        return found

    def _chosen(self, target: Variable) -> list[Item]:
        if target.name == "TX" and target.key and target.expression is None:
            value = self.tx.get(target.key)
            return [] if value is None else [Item(target.key, value, ("uri",))]
        items = self.items(target.name)
        if not target.key and target.expression is None:
            return items
        return [item for item in items if _is_meant(target, item)]

    def text(self, macro: str) -> bytes:
        """Return what ``%{macro}`` stands for, empty where there is no such thing."""
        name, _, key = macro.partition(".")
        name = name.upper()
        if name == "TX":
            return self.tx.get(key.lower(), b"")
        if name not in COLLECTIONS and name not in CHANGING:
            return b""
        for item in self.items(name):
            if not key or item.key.lower() == key.lower():
                return item.value
        return b""


def _is_meant(target: Variable, item: Item) -> bool:
    if target.expression is not None:
        return target.expression.search(item.key) is not None
    return not target.key or item.key.lower() == target.key


def _is_out(out: Variable, name: str, item: Item) -> bool:
    if out.name != name and not (out.name == "ARGS" and name in ("ARGS_GET", "ARGS_POST")):
        return False
    return _is_meant(out, item)


def _single(read: Callable[[Transaction], bytes], *path: str) -> Callable[[Transaction], list[Item]]:
    return lambda transaction: [Item("", read(transaction), path)]


def _processor(request: Request) -> str:
    kind = (request.header(b"content-type") or b"").lower()
    if not request.body:
        return ""
    if kind.startswith(b"application/x-www-form-urlencoded"):
        return "URLENCODED"
    if kind.startswith(b"multipart/form-data"):
        return "MULTIPART"
    if kind.startswith(b"application/json"):
        return "JSON"
    return "XML" if kind.startswith((b"text/xml", b"application/xml", b"application/soap+xml")) else ""


def _query(transaction: Transaction) -> bytes:
    return transaction.request.target.partition(b"#")[0].partition(b"?")[2]


def _local(target: bytes) -> bytes:
    """Return *target* without scheme and host."""
    scheme = target.find(b"://")
    if not 0 < scheme < 12 or target.startswith(b"/"):
        return target
    slash = target.find(b"/", scheme + 3)
    return target[slash:] if slash >= 0 else b"/"


def _uri(transaction: Transaction) -> bytes:
    """Return the target without scheme and host, decoded once: so libmodsecurity has it, beside the raw one."""
    return url_decode(_local(transaction.request.target).replace(b"+", b"%2B"))


def _filename(transaction: Transaction) -> bytes:
    path = _local(transaction.request.target).partition(b"#")[0].partition(b"?")[0]
    return url_decode(path.replace(b"+", b"%2B"))


def _basename(transaction: Transaction) -> bytes:
    return re.split(rb"[/\\]", _filename(transaction))[-1]


def _line(transaction: Transaction) -> bytes:
    request = transaction.request
    return b" ".join((request.method, request.target, _protocol(transaction)))


def _protocol(transaction: Transaction) -> bytes:
    version = transaction.request.version
    return version if version.startswith(b"HTTP/") else b"HTTP/" + (version or b"1.1")


def _pairs(text: bytes, path: Path) -> Iterator[Item]:
    for pair in text.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            key = _text(url_decode(name))
            yield Item(key, url_decode(value), (*path, key))


def _args_get(transaction: Transaction) -> Iterator[Item]:
    return _pairs(_query(transaction), ("get",))


def _args_post(transaction: Transaction) -> Iterator[Item]:
    body = transaction.body
    if transaction.processor == "URLENCODED":
        yield from _pairs(body, ("post", "form_urlencoded"))
    elif transaction.processor == "JSON":
        yield from _json(body)
    elif transaction.processor == "MULTIPART":
        for part in _parts(transaction):
            if part.filename is None:
                yield Item(_text(part.name), part.body, ("post", "multipart", _text(part.name)))


def _json(body: bytes) -> Iterator[Item]:
    """Yield the members of a document as ``json.a.array_0``, as libmodsecurity names them."""
    try:
        waiting: list[tuple[str, Path, Any]] = [("json", ("post", "json_doc"), orjson.loads(body))]
    except orjson.JSONDecodeError:
        return
    while waiting:
        name, path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{name}.{key}", (*path, "hash", key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            numbered = list(enumerate(value))
            waiting += [(f"{name}.array_{at}", (*path, "array", str(at)), item) for at, item in reversed(numbered)]
        else:
            text = value if isinstance(value, str) else orjson.dumps(value).decode() if value is not None else ""
            yield Item(name, text.encode("utf-8", "surrogatepass"), path)


def _parts(transaction: Transaction) -> Iterator[Part]:
    if transaction.processor != "MULTIPART":
        return
    match = _BOUNDARY.search(transaction.request.header(b"content-type") or b"")
    if match is None:
        return
    for text in transaction.body.split(b"--" + (match[1] or match[2]))[1:]:
        if text.startswith(b"--"):
            return
        head, _, body = text.lstrip(b"\r\n").partition(b"\r\n\r\n") if b"\r\n\r\n" in text else text.partition(b"\n\n")
        headers = [line for line in head.replace(b"\r\n", b"\n").split(b"\n") if line]
        names = {
            found[1].lower(): found[2] or found[3] or found[4] or b""
            for line in headers
            if line.lower().startswith(b"content-disposition:")
            for found in _DISPOSITION.finditer(line)
        }
        if b"name" in names:
            yield Part(names[b"name"], names.get(b"filename"), headers, body.removesuffix(b"\r\n"))


def _args(transaction: Transaction) -> Iterator[Item]:
    yield from transaction.items("ARGS_GET")
    yield from transaction.items("ARGS_POST")


def _names_of(collection: str, tag: str) -> Callable[[Transaction], Iterator[Item]]:
    def names(transaction: Transaction) -> Iterator[Item]:
        for item in transaction.items(collection):
            yield Item(item.key, item.key.encode("latin-1", "replace"), (*item.path[:-1], tag) if tag else item.path)

    return names


def _headers(transaction: Transaction) -> Iterator[Item]:
    for name, value in transaction.request.headers:
        yield Item(_text(name), value, ("header", _text(name).upper()))


def _cookies(transaction: Transaction) -> Iterator[Item]:
    for name, value in transaction.request.headers:
        if name.lower() == b"cookie":
            for pair in value.split(b";"):
                key, _, content = pair.strip().partition(b"=")
                if key:
                    yield Item(_text(key), content, ("header", "COOKIE", "cookie", _text(key)))


def _files(transaction: Transaction) -> Iterator[Item]:
    for part in _parts(transaction):
        if part.filename is not None:
            yield Item(_text(part.name), part.filename, ("post", "multipart", _text(part.name), "filename"))


def _file_sizes(transaction: Transaction) -> Iterator[Item]:
    for part in _parts(transaction):
        if part.filename is not None:
            yield Item(_text(part.name), b"%d" % len(part.body), ("post", "multipart", _text(part.name)))


def _files_size(transaction: Transaction) -> bytes:
    return b"%d" % sum(len(part.body) for part in _parts(transaction) if part.filename is not None)


def _part_headers(transaction: Transaction) -> Iterator[Item]:
    for part in _parts(transaction):
        for line in part.headers:
            yield Item(_text(part.name), line, ("post", "multipart", _text(part.name)))


def _xml(transaction: Transaction) -> Iterator[Item]:
    """Yield the text between the tags as one value, and the attributes' values as another."""
    if transaction.processor == "XML":
        body = transaction.body
        text = _TAG.sub(lambda match: match[1] or b"", body)
        yield Item("/*", _unescaped(text), ("post", "xml"))
        attributes = b" ".join(match[1] or match[2] or b"" for match in _ATTRIBUTE.finditer(body))
        yield Item("//@*", _unescaped(attributes), ("post", "xml", "xml_attr"))


def _unescaped(text: bytes) -> bytes:
    return html.unescape(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogatepass") if b"&" in text else text


def _args_size(transaction: Transaction) -> bytes:
    return b"%d" % sum(len(item.key) + len(item.value) for item in transaction.items("ARGS"))


def _body_error(transaction: Transaction) -> bytes:
    if transaction.processor != "JSON":
        return b"0"
    try:
        orjson.loads(transaction.request.body)
    except orjson.JSONDecodeError:
        return b"1"
    return b"0"


def _unique_id(transaction: Transaction) -> bytes:
    exchange = transaction.exchange
    return f"{exchange.client} {exchange.server} {exchange.time_ns} {exchange.index}".encode()


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")


def _address(text: str) -> tuple[bytes, bytes]:
    host, _, port = text.rpartition(":")
    return host.strip("[]").encode(), port.encode()


# What a rule may look at. `select` takes them by name; the last part of a name list is left to `_names_of`.
COLLECTIONS: Final[dict[str, Callable[[Transaction], Iterator[Item] | list[Item]]]] = {
    "ARGS": _args,
    "ARGS_COMBINED_SIZE": _single(_args_size, "uri"),
    "ARGS_GET": _args_get,
    "ARGS_GET_NAMES": _names_of("ARGS_GET", "get_name"),
    "ARGS_NAMES": _names_of("ARGS", ""),
    "ARGS_POST": _args_post,
    "ARGS_POST_NAMES": _names_of("ARGS_POST", ""),
    "DURATION": _single(lambda transaction: b"0", "uri"),
    "FILES": _files,
    "FILES_COMBINED_SIZE": _single(_files_size, "post"),
    "FILES_NAMES": _names_of("FILES", ""),
    "FILES_SIZES": _file_sizes,
    "FULL_REQUEST": _single(lambda transaction: transaction.request.head + transaction.body, "uri"),
    "MULTIPART_PART_HEADERS": _part_headers,
    "MULTIPART_FILENAME": _files,
    "MULTIPART_NAME": _names_of("FILES", ""),
    "QUERY_STRING": _single(_query, "uri"),
    "REMOTE_ADDR": _single(lambda transaction: _address(transaction.exchange.client)[0], "uri"),
    "REMOTE_PORT": _single(lambda transaction: _address(transaction.exchange.client)[1], "uri"),
    "REQBODY_ERROR": _single(_body_error, "post"),
    "REQBODY_PROCESSOR": _single(lambda transaction: transaction.processor.encode(), "post"),
    "REQUEST_BASENAME": _single(_basename, "uri"),
    "REQUEST_BODY": _single(lambda transaction: transaction.body, "post"),
    "REQUEST_BODY_LENGTH": _single(lambda transaction: b"%d" % transaction.request.body_length, "post"),
    "REQUEST_COOKIES": _cookies,
    "REQUEST_COOKIES_NAMES": _names_of("REQUEST_COOKIES", "cookie_name"),
    "REQUEST_FILENAME": _single(_filename, "uri"),
    "REQUEST_HEADERS": _headers,
    "REQUEST_HEADERS_NAMES": _names_of("REQUEST_HEADERS", ""),
    "REQUEST_LINE": _single(_line, "uri"),
    "REQUEST_METHOD": _single(lambda transaction: transaction.request.method, "method"),
    "REQUEST_PROTOCOL": _single(_protocol, "uri"),
    "REQUEST_URI": _single(_uri, "uri"),
    "REQUEST_URI_RAW": _single(lambda transaction: transaction.request.target, "uri"),
    "SERVER_ADDR": _single(lambda transaction: _address(transaction.exchange.server)[0], "uri"),
    "SERVER_NAME": _single(lambda transaction: (transaction.exchange.host or "").encode(), "header", "HOST"),
    "SERVER_PORT": _single(lambda transaction: _address(transaction.exchange.server)[1], "uri"),
    "UNIQUE_ID": _single(_unique_id, "uri"),
    "XML": _xml,
    # These change while rules run: see CHANGING.
    "TX": lambda transaction: [],
    "MATCHED_VAR": lambda transaction: [],
    "MATCHED_VARS": lambda transaction: [],
    "MATCHED_VARS_NAMES": lambda transaction: [],
    "MATCHED_VAR_NAME": lambda transaction: [],
}


def _tx(transaction: Transaction) -> list[Item]:
    return [Item(key, value, ("uri",)) for key, value in transaction.tx.items()]


def _names(items: list[Item]) -> list[Item]:
    return [Item(item.key, item.key.encode("latin-1", "replace"), item.path) for item in items]


CHANGING: Final[dict[str, Callable[[Transaction], list[Item]]]] = {
    "TX": _tx,
    "MATCHED_VAR": lambda transaction: [transaction.last] if transaction.last else [],
    "MATCHED_VARS": lambda transaction: transaction.matched,
    "MATCHED_VARS_NAMES": lambda transaction: _names(transaction.matched),
    "MATCHED_VAR_NAME": lambda transaction: _names([transaction.last] if transaction.last else []),
}
