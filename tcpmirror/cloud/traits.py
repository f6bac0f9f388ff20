"""What of an exchange can be searched for besides its address and payload: short `kind:value` words.

An attack keeps the set of the traits of its hits as one text, each between blanks, so that a search for one is a search in
a text and no join over millions of hits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from tcpmirror.cloud.batch import SoundReport

PER_KIND: Final = 24  # different values an attack keeps of one kind: a client may send a new method with each request
_OF_KIND: Final = {"country": 250, "network": 64}  # there are that many countries; an attack keeps them all
_VALUE_CHARS: Final = 64
_HEAD_BYTES: Final = 16 * 1024  # of a request that are looked at for its headers
_BODY_BYTES: Final = 512
_COUNTRY: Final = re.compile(r" country:(\S+)")
_ODD: Final = re.compile(r"[\s%]")
_LINE: Final = re.compile(
    rb"\n(authorization|content-type|cookie|soapaction|upgrade|x-api-key|api-key|apikey|x-auth-token)[ \t]*:[ \t]*([^\r\n]*)"
)
_DAV: Final = frozenset(("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"))
_SCHEMES: Final = {
    b"basic": "basic",
    b"digest": "digest",
    b"hawk": "hawk",
    b"negotiate": "negotiate",
    b"ntlm": "ntlm",
    b"oauth": "oauth1",
    b"aws4-hmac-sha256": "aws",
    b"aws": "aws",
}
_JWT: Final = re.compile(rb"eyj[a-z0-9_-]{4,}\.[a-z0-9_-]+\.[a-z0-9_-]*")  # of a head in lower case
_KEY_HEADERS: Final = frozenset((b"x-api-key", b"api-key", b"apikey", b"x-auth-token"))
_KEY_IN_QUERY: Final = re.compile(rb"[?&](?:api[_-]?key|x-api-key)=")


def traits_of(report: SoundReport) -> tuple[str, ...]:
    """Return the traits of *report*: method, application, API protocol, authentication, anomalies."""
    fields = report.fields
    raw_head, _, body = report.request[:_HEAD_BYTES].partition(b"\r\n\r\n")
    head = raw_head.lower()
    headers = {match.group(1): match.group(2) for match in _LINE.finditer(head)}
    found = [f"auth:{kind}" for kind in authentications(head, headers)]
    protocol = api_protocol(fields.method or "", fields.uri or "", headers, body[:_BODY_BYTES])
    if protocol:
        found.append(f"proto:{protocol}")
    if fields.method:
        found.append(trait("method", fields.method))
    if fields.application >= 0:
        found.append(f"app:{fields.application}")
    found += [trait("anomaly", name) for name in fields.anomalies[:PER_KIND]]
    return tuple(found)


def trait(kind: str, value: str) -> str:
    """Return the trait as it is stored: lower case, cut, blanks and percent signs escaped."""
    return _trait(kind, value[:_VALUE_CHARS])


@lru_cache(4096)
def _trait(kind: str, value: str) -> str:
    return f"{kind}:{_ODD.sub(lambda odd: f'%{ord(odd.group()):02x}', value.lower()[:_VALUE_CHARS])}"


def countries_of(traits: str) -> set[str]:
    """Return the countries, in capitals, that a stored set of traits names; empty: that of some source is unknown."""
    return {"" if found == "none" else found.upper() for found in _COUNTRY.findall(traits)}


def api_protocol(method: str, uri: str, headers: dict[bytes, bytes], body: bytes) -> str:
    """Return which kind of API the request speaks, in the words of the search language; empty if none of them."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip()
    path = uri.partition("?")[0].rstrip("/").lower()
    if kind == b"application/graphql" or path.endswith("/graphql"):
        return "graphql"
    if kind.startswith(b"application/grpc"):
        return "grpc"
    if headers.get(b"upgrade", b"").startswith(b"websocket"):
        return "websocket"
    if method in _DAV:
        return "webdav"
    if kind.endswith((b"/xml", b"+xml")) or b"soapaction" in headers:
        return _xml_protocol(kind, headers, body)
    if kind.endswith((b"/json", b"+json")):
        return "json-rpc" if b'"jsonrpc"' in body else "rest"
    return "web-form" if kind in (b"application/x-www-form-urlencoded", b"multipart/form-data") else ""


def _xml_protocol(kind: bytes, headers: dict[bytes, bytes], body: bytes) -> str:
    if kind == b"application/soap+xml" or b"soapaction" in headers or b"Envelope" in body:
        return "soap"
    return "xml-rpc" if b"<methodCall" in body else ""


def authentications(head: bytes, headers: dict[bytes, bytes]) -> list[str]:
    """Return how the request (its *head* in lower case) says who sends it; `none` if it does not."""
    found = []
    line = head.partition(b"\n")[0]
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme == b"bearer":
        found.append("bearer")
    elif scheme:
        found.append("scram" if scheme.startswith(b"scram-") else _SCHEMES.get(scheme, "api-key"))
    if _JWT.search(credentials) or _JWT.search(headers.get(b"cookie", b"")):
        found.append("jwt")
    if not _KEY_HEADERS.isdisjoint(headers) or _KEY_IN_QUERY.search(line):
        found.append("api-key")
    if b"access_token=" in line:
        found.append("oauth2")
    if b"cookie" in headers:
        found.append("cookie")
    return found or ["none"]


def joined(known: str, fresh: Iterable[str]) -> str:
    """Return *known* (a stored set of traits) with *fresh* ones added, at most PER_KIND of a kind."""
    missing = [one for one in dict.fromkeys(fresh) if f" {one} " not in known]
    if not missing:
        return known
    counts = Counter(one.partition(":")[0] for one in known.split())
    kept = list(_fitting(missing, counts))
    return f"{known or ' '}{' '.join(kept)} " if kept else known


def _fitting(missing: Iterable[str], counts: Counter[str]) -> Iterator[str]:
    for one in missing:
        kind = one.partition(":")[0]
        if counts[kind] < _OF_KIND.get(kind, PER_KIND):
            counts[kind] += 1
            yield one
