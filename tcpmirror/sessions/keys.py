"""What names a session: the operator's keys in order, then well-known ones, then the client's address with its user agent.

A session is named by a value, wherever it stands: a token that an answer hands out names the session of the requests that
bring it back, in a cookie, an Authorization header or elsewhere. What leaves the worker is a hash of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tcpmirror.model.exchange import Exchange, Request, Response, ip_text
from tcpmirror.sessions.digest import SessionDigest
from tcpmirror.sessions.headers import header_values
from tcpmirror.settings.tree import SessionParameter

COOKIES: Final = (
    "PHPSESSID", "JSESSIONID", "ASP.NET_SessionId", "ASPSESSIONID", "sessionid", "session", "session_id", "connect.sid",
    "laravel_session", "sid", "_session_id", "SESSION", "SESSIONID", "rack.session", "ci_session", "CFID", "auth_token",
    "access_token", "token", "jwt",
)  # fmt: skip
HEADERS: Final = (
    "authorization", "session-id", "x-session-id", "mcp-session-id", "x-session-token", "x-auth-token", "x-access-token",
    "x-api-key",
)  # fmt: skip
TOKENS: Final = (
    "access_token", "accessToken", "token", "id_token", "idToken", "jwt", "session_id", "sessionId", "auth_token",
    "authToken",
)  # fmt: skip
USERS: Final = ("preferred_username", "email", "username", "user_name", "upn", "sub", "user_id", "uid")
ROLES: Final = ("role", "roles", "groups", "scope")
_LOGIN: Final = re.compile(r"(?i)^(?:user(?:[_-]?name)?|login|e?-?mail|account)$")
VALUE_BYTES: Final = 4096  # of a key; a longer one names no session
BODY_BYTES: Final = 16 * 1024
_COMMON: Final = ("host", "user-agent", "cookie", "authorization")  # what most requests bring
_REMEMBERED: Final = 16_384
_TEXT: Final = 200
_MANY: Final = 64  # of each kind between two digests


@dataclass(frozen=True, slots=True)
class SessionName:
    """``id``: 16 hexadecimal digits; ``kind``: where the value stands; ``subject``: bytes that name it to counters."""

    id: str
    kind: str
    subject: bytes


class SessionKeys:
    """Finds the key of each exchange. *parameters*: the operator's, keys first in their order.

    ``by_headers_alone``: what a request brings stands in its headers; ``more``: those in lower case that are wanted beside
    the common four; ``told``: what the operator wants to know of sessions; ``is_brought``: the exchange last asked about
    brings what names its session.
    """

    def __init__(self, parameters: Iterable[SessionParameter] = ()) -> None:
        own = tuple(parameters)
        self._own = tuple(item for item in own if item.type == "key")
        self.told = tuple(item for item in own if item.type != "key")
        self.by_headers_alone = all(item.place in ("header", "cookie") for item in self._own)
        names = [*HEADERS, "cookie", "user-agent", "host", *(item.name.lower() for item in own if item.place == "header")]
        self.more = tuple(name.encode("latin-1", "replace") for name in dict.fromkeys(names) if name not in _COMMON)
        self._wanted: dict[int, tuple[bytes, ...]] = {}
        for name in dict.fromkeys(names):
            self._wanted[len(name)] = (*self._wanted.get(len(name), ()), name.encode("latin-1", "replace"))
        self._headers: dict[bytes, bytes] = {}
        self.is_brought = False
        self._known: dict[tuple[bytes | None, bytes | None], SessionName | None] = {}
        self._clients: dict[tuple[str | bytes, bytes], SessionName] = {}
        self._names: dict[tuple[str, bytes], SessionName] = {}

    def of(self, exchange: Exchange, source: str | None = None) -> SessionName:
        """Return what names the session of *exchange*; *source*: the client's real address, None: the packets'."""
        assert exchange.request is not None, "who tracks sessions passes over answers without a request"
        headers = self._headers = header_values(exchange.request.head, self._wanted)
        found = self._brought(exchange.request, headers)
        self.is_brought = found is not None
        if found is not None:
            return found
        if exchange.response is not None:
            for kind, value in handed_out(exchange.response):
                return self._named(kind, value)
        return self._of_client(source or exchange.client_ip, headers.get(b"user-agent", b"")[:VALUE_BYTES])

    def _brought(self, request: Request, headers: dict[bytes, bytes]) -> SessionName | None:
        """Return what names the session by a key that *request* brings; None: it brings none.

        Clients repeat their headers, so what those came to is remembered, unless the operator's keys stand elsewhere too.
        """
        brought = (headers.get(b"cookie"), headers.get(b"authorization"))
        plain = (b"host" in headers) + (b"user-agent" in headers) + (brought[0] is not None) + (brought[1] is not None)
        is_known = self.by_headers_alone and len(headers) == plain
        if is_known and brought == (None, None):
            return None
        if is_known and brought in self._known:
            return self._known[brought]
        candidates = self._candidates(request, headers)
        found = next((self._named(kind, value) for kind, value in candidates if value and len(value) <= VALUE_BYTES), None)
        if is_known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[brought] = found
        return found

    def _of_client(self, source: str | bytes, agent: bytes) -> SessionName:
        found = self._clients.get((source, agent))
        if found is None:
            address = source if isinstance(source, str) else ip_text(source)
            if len(self._clients) >= _REMEMBERED:
                self._clients.clear()
            found = self._clients[source, agent] = self._named("address and user agent", address.encode() + b"\n" + agent)
        return found

    def describe(self, digest: SessionDigest, exchange: Exchange) -> None:
        """Add to *digest* what *exchange*, that last asked about, tells of its user and of what the operator named."""
        headers = self._headers
        if len(digest.agents) < _MANY:
            digest.agents.add(headers.get(b"user-agent", b"").decode("latin-1")[:_TEXT])
        self._tell_claims(digest, headers)
        for item in self.told:
            for value in _values(item, exchange.request, headers) if exchange.request is not None else ():
                self._tell(digest, item, value.decode("utf-8", "replace"))

    def link(self, digest: SessionDigest, request: Request, response: Response) -> None:
        """Note that *response* hands out a key, and to whom."""
        for _, value in handed_out(response):
            handed = self._named("", value).id
            if handed != digest.id:
                digest.linked.add(handed)
            for name, text in _credentials(request):
                if _LOGIN.search(name):
                    digest.users.add(text[:_TEXT])

    def _tell(self, digest: SessionDigest, item: SessionParameter, text: str) -> None:
        if item.hashed:
            text = "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:16]
        if item.type == "user":
            digest.users.add(text[:_TEXT])
        elif item.type == "role":
            digest.roles.add(text[:_TEXT])
        else:
            digest.context.add(f"{item.name}={text}"[:_TEXT])

    def _tell_claims(self, digest: SessionDigest, headers: dict[bytes, bytes]) -> None:
        """Take user and roles from Basic credentials and from the claims of a JWT (RFC 7519)."""
        if len(digest.users) >= _MANY or len(digest.roles) >= _MANY:
            return
        scheme, _, rest = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"basic":
            digest.users.add(_decoded(rest).partition(b":")[0].decode("utf-8", "replace")[:_TEXT])
        elif scheme.lower() == b"bearer" and rest.count(b".") == 2:
            claims = _claims(rest)
            found = [claims[name] for name in USERS if isinstance(claims.get(name), str)]
            digest.users.update(text[:_TEXT] for text in found[:1])
            for name in ROLES:
                value = claims.get(name)
                roles = value if isinstance(value, list) else value.split() if isinstance(value, str) else []
                digest.roles.update(str(role)[:_TEXT] for role in roles[:8])

    def _candidates(self, request: Request, headers: dict[bytes, bytes]) -> Iterator[tuple[str, bytes]]:
        for item in self._own:
            for value in _values(item, request, headers):
                yield f"{item.place} {item.name}", value
        cookies = _cookies(headers.get(b"cookie", b""))
        for name in COOKIES:
            if name in cookies:
                yield f"cookie {name}", cookies[name]
        for name in HEADERS:
            value = headers.get(name.encode(), b"")
            if value:
                yield f"header {name}", _credential(value)

    def _named(self, kind: str, value: bytes) -> SessionName:
        found = self._names.get((kind, value))
        if found is None:
            digest = hashlib.blake2b(value, digest_size=8, person=b"session").hexdigest()
            found = SessionName(digest, kind, b"session " + digest.encode())
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            self._names[kind, value] = found
        return found


def handed_out(response: Response) -> Iterator[tuple[str, bytes]]:
    """Yield (where, value) of the keys that *response* hands out: in Set-Cookie, or as a token in a small JSON body."""
    if b"et-" in response.head and b"ookie:" in response.head:
        for name, value in response.headers:
            if name.lower() == b"set-cookie":
                cookie, _, rest = value.partition(b"=")
                text = rest.partition(b";")[0].strip(b' "')
                if cookie.decode("latin-1") in COOKIES and text and text != b"deleted":
                    yield f"cookie {cookie.decode('latin-1')}", text
    body = response.body
    if 2 < len(body) <= BODY_BYTES and body[:1] == b"{" and (b"oken" in body or b"jwt" in body or b"ession" in body):
        document = _json(body)
        inner = document.get("data")
        for place in (document, inner if isinstance(inner, dict) else {}):
            for member in TOKENS:
                token = place.get(member)
                if isinstance(token, str) and 8 <= len(token) <= VALUE_BYTES:
                    yield f"answer {member}", token.encode("utf-8", "replace")


def _values(item: SessionParameter, request: Request, headers: dict[bytes, bytes]) -> Iterator[bytes]:
    """Yield the values of the parameter *item* in a request."""
    if item.place == "header":
        sent = headers.get(item.name.lower().encode("latin-1", "replace"))
        if sent is not None:
            yield _credential(sent)
    elif item.place == "cookie":
        cookie = _cookies(headers.get(b"cookie", b"")).get(item.name)
        if cookie is not None:
            yield cookie
    elif item.place == "query":
        yield from _of_form(request.target.partition(b"?")[2], item.name)
    elif item.place == "form":
        yield from _of_form(request.body[:BODY_BYTES], item.name)
    else:
        member = _json(request.body[:BODY_BYTES]).get(item.name)
        if isinstance(member, str | int):
            yield str(member).encode("utf-8", "replace")


def _of_form(text: bytes, name: str) -> Iterator[bytes]:
    wanted = name.encode()
    for pair in text.split(b"&", 64):
        key, mark, value = pair.partition(b"=")
        if mark and key == wanted:
            yield value


def _credentials(request: Request) -> Iterator[tuple[str, str]]:
    """Yield the top members of a small body: those who sign in name themselves there."""
    body = request.body[:BODY_BYTES]
    if body[:1] == b"{":
        yield from ((name, value) for name, value in _json(body).items() if isinstance(value, str))
    else:
        for pair in body.split(b"&", 32)[:32]:
            name, mark, text = pair.partition(b"=")
            if mark and len(name) < 64:
                yield name.decode("latin-1"), text.replace(b"%40", b"@").decode("latin-1")


def _cookies(header: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for pair in header.split(b";", 64):
        name, mark, value = pair.partition(b"=")
        if mark:
            found.setdefault(name.strip().decode("latin-1"), value.strip(b' "'))
    return found


def _credential(value: bytes) -> bytes:
    """Return what is behind the scheme of an Authorization header, as a token stands alone elsewhere."""
    scheme, mark, rest = value.partition(b" ")
    return rest.strip() if mark and scheme.lower() in (b"bearer", b"token", b"basic") else value


def _claims(token: bytes) -> dict[str, Any]:
    return _json(_decoded(token.split(b".")[1].replace(b"-", b"+").replace(b"_", b"/")))


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
