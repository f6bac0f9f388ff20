"""Sensitive data is overwritten here, before a report leaves the worker: nothing else is queued, spooled, logged, stored.

A mask names values; this finds where they stand in the bytes of the messages and writes ``*`` over them, as many as there
were bytes, so that lengths and offsets stay what they were. What decodings found deeper than a value as it was sent masks
what it was found in, unless it stands there literally. A value that was masked once is masked wherever else the exchange
repeats it: in the other message, in what a finding tells, in the address.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote, quote_plus, unquote_to_bytes

from tcpmirror.behavior.counter import CounterKey
from tcpmirror.decode.leaves import Leaf, request_leaves, response_leaves, target_leaves
from tcpmirror.decode.points import request_points
from tcpmirror.detect.masks import CompiledMask, Masks, Senses, Span
from tcpmirror.discovery.digest import EndpointDigest
from tcpmirror.discovery.sensitive import class_of, classes_within
from tcpmirror.model.exchange import Exchange, Message, Request
from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report
from tcpmirror.sessions.digest import Event, SessionDigest
from tcpmirror.sessions.keys import ROLES, USERS
from tcpmirror.settings.tree import Limits, Mask

MARGIN: Final = 8192  # bytes beyond what is kept that are looked at too: a value may be cut by the limit
SECRETS: Final = 256  # different values that are looked for elsewhere
SHORTEST: Final = 5  # bytes: shorter ones stand in other texts by chance
_WORD: Final = re.compile(rb"[\w.@+-]{8,}")
_DIGITS: Final = b"0123456789"
_CREDENTIAL_HEADERS: Final = {
    "AUTHORIZATION": "token",
    "PROXY-AUTHORIZATION": "token",
    "X-API-KEY": "api_key",
    "X-AUTH-TOKEN": "token",
}
_TARGET: Final = ("uri", "path", "action_name", "action_ext", "get", "get_name")


def _class(name: str, value: str) -> str:
    named = _CREDENTIAL_HEADERS.get(name.upper(), "")
    return named or class_of(name, value)


def compiled_masks(items: Sequence[Mask]) -> Masks:
    return Masks(items, Senses(_class, classes_within))


def masked_report(report: Report, exchange: Exchange, masks: list[CompiledMask], limits: Limits) -> Report:
    """Return *report* of *exchange* without what *masks* cover; its messages are built anew and cut to *limits*."""
    veil = Veil(masks)
    sent, answered = _covered(veil, exchange, limits)
    request = exchange.request
    findings = tuple(veil.finding(finding) for finding in report.findings)
    return replace(
        report,
        uri=_readable(veil.target(request.target)) if request is not None else report.uri,
        host=None if report.host is None else veil.line(report.host),
        findings=findings,
        anomalies=tuple(map(veil.line, report.anomalies)),
        request=veil.echoes(bytes(sent.bytes))[: limits.export_request_bytes],
        response=veil.echoes(bytes(answered.bytes))[: limits.export_response_bytes],
    )


def bare_report(report: Report) -> Report:
    """Return *report* without anything that was sent: what is left where masking itself failed."""
    findings = tuple(replace(found, payload="", evidence="", point=found.point[:1]) for found in report.findings)
    return replace(report, uri=None, host=None, anomalies=(), findings=findings, request=b"", response=b"")


def veil_of(exchange: Exchange, masks: list[CompiledMask], limits: Limits) -> Veil:
    """Return what takes out of any text what *masks* cover in *exchange*."""
    veil = Veil(masks)
    _covered(veil, exchange, limits)
    return veil


def _covered(veil: Veil, exchange: Exchange, limits: Limits) -> tuple[_Text, _Text]:
    """Return request and response, each empty where there is none, with what masks cover overwritten."""
    request, response = exchange.request, exchange.response
    sent = _Text(b"") if request is None else _sent(veil, request, limits)
    answered = _Text(b"")
    if response is not None:
        head, body = _kept(response, limits.export_response_bytes)
        answered = _Text(head + body)
        for leaf in response_leaves(head, body, response.header(b"content-type") or b""):
            veil.cover(leaf, answered)
    return sent, answered


class _Text:
    """Bytes that are overwritten in place; ``sent``: what they were."""

    def __init__(self, sent: bytes) -> None:
        self.sent = sent
        self.bytes = bytearray(sent)

    def blank(self, start: int, end: int) -> None:
        self.bytes[start:end] = b"*" * len(self.bytes[start:end])


class Veil:
    """What was masked of one exchange."""

    def __init__(self, masks: list[CompiledMask]) -> None:
        self._masks = masks
        self._loose = [mask for mask in masks if mask.is_anywhere and not mask.is_whole]
        self._secrets: dict[bytes, None] = {}
        self._parts: dict[tuple[str, ...], tuple[bytes, bytearray]] = {}  # values of which parts were masked

    def cover(self, leaf: Leaf, text: _Text) -> None:
        """Overwrite what masks say of *leaf* in *text*; where decoding changed the value, all of it."""
        value = leaf.value.decode("latin-1")
        spans = [span for mask in self._masks for span in mask.spans(leaf.path, value)]
        if not spans:
            return
        is_plain = leaf.end - leaf.start == len(leaf.value) and text.sent[leaf.start : leaf.end] == leaf.value
        veiled = bytearray(leaf.value)
        for start, end in spans:
            self._learn(leaf.value[start:end])
            veiled[start:end] = b"*" * (end - start)
            if is_plain:
                text.blank(leaf.start + start, leaf.start + end)
        if not is_plain:
            self._learn(text.sent[leaf.start : leaf.end])
            text.blank(leaf.start, leaf.end)
        self._parts[leaf.path] = (leaf.value, veiled)

    def found(self, path: tuple[str, ...], value: bytes) -> list[Span]:
        return [span for mask in self._masks for span in mask.spans(path, value.decode("latin-1"))]

    def learn(self, value: bytes) -> None:
        self._learn(value)

    def _learn(self, value: bytes) -> None:
        value = value.strip()
        if len(value) < SHORTEST or len(self._secrets) >= SECRETS:
            return
        self._secrets[value] = None
        for match in _WORD.finditer(value[:MARGIN]):
            if len(self._secrets) < SECRETS and any(char in _DIGITS for char in match.group()):
                self._secrets[match.group()] = None  # a piece of it that is no word of a language, so repeated for itself

    def echoes(self, data: bytes) -> bytes:
        """Return *data* without any value that was masked, in whatever usual notation it is repeated."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            for form in _forms(secret):
                if form in data:
                    data = data.replace(form, b"*" * len(form))
        return data

    def line(self, text: str) -> str:
        """Return *text* without values that were masked, and without what masks of any place find in it."""
        try:
            data, coding = text.encode("latin-1"), "latin-1"
        except UnicodeEncodeError:
            data, coding = text.encode("utf-8", "surrogatepass"), "utf-8"
        for mask in self._loose:
            data = _blanked(data, list(mask.spans((), data.decode("latin-1"))))
        return self.echoes(data).decode(coding, "replace")

    def target(self, target: bytes) -> bytes:
        """Return a request target without what masks cover."""
        text = _Text(target)
        for leaf in target_leaves(target, 0):
            self.cover(leaf, text)
        return self.echoes(bytes(text.bytes))

    def finding(self, finding: Finding) -> Finding:
        """Return *finding* without what masks cover: its payload, what shows that it worked, names in its point."""
        payload = finding.payload.encode("latin-1", "replace")
        if any(mask.is_whole and mask.reaches(finding.point) for mask in self._masks):
            payload = b"*" * len(payload)
        else:
            payload = self._piece(finding.point, payload)
            payload = _blanked(payload, self.found(finding.point, payload))
        return replace(
            finding,
            payload=self.line(payload.decode("latin-1")),
            evidence=self.line(finding.evidence),
            point=tuple(map(self.line, finding.point)),
        )

    def _piece(self, point: tuple[str, ...], payload: bytes) -> bytes:
        """Return *payload*, a piece of the value at *point*, masked as that was; nothing of it where that is unclear."""
        for path, (value, veiled) in self._parts.items():
            if path[: len(point)] != point and point[: len(path)] != path and not (path[0] in _TARGET and point == ("uri",)):
                continue
            at = value.find(payload)
            if at >= 0:
                payload = bytes(veiled[at : at + len(payload)])
            elif point[: len(path)] == path:
                return b"*" * len(payload)  # decoded further: what of it was masked cannot be told any more
        return payload


def _blanked(data: bytes, spans: Sequence[Span]) -> bytes:
    if not spans:
        return data
    text = bytearray(data)
    for start, end in spans:
        text[start:end] = b"*" * (end - start)
    return bytes(text)


def _kept(message: Message, limit: int) -> tuple[bytes, bytes]:
    """Return head and body up to *limit* and a margin, which is looked at too."""
    head = message.head[: limit + MARGIN]
    return head, message.body[: max(0, limit + MARGIN - len(head))]


def _sent(veil: Veil, request: Request, limits: Limits) -> _Text:
    """Return the request with what masks cover overwritten."""
    head, body = _kept(request, limits.export_request_bytes)
    text = _Text(head + body)
    leaves = list(request_leaves(head, body, request.header(b"content-type") or b""))
    for leaf in leaves:
        veil.cover(leaf, text)
    places: dict[tuple[str, ...], list[Leaf]] = {}
    for leaf in leaves:
        places.setdefault(leaf.path, []).append(leaf)
    decoded = request_points(request, limits)
    for path, value in decoded.points:
        if path[0] == "uri" or "pollution" in path or any(leaf.value == value for leaf in places.get(path, ())):
            continue  # was looked at, or its parts were
        for start, end in veil.found(path, value):
            _cover_deep(veil, text, places, path, value[start:end], len(head))
    return text


def _cover_deep(
    veil: Veil,
    text: _Text,
    places: dict[tuple[str, ...], list[Leaf]],
    path: tuple[str, ...],
    secret: bytes,
    head_bytes: int,
) -> None:
    """Overwrite *secret*, which decoding found at *path*: where it stands literally, else all that it was found in."""
    veil.learn(secret)
    leaves = next((places[path[:size]] for size in range(len(path), 0, -1) if path[:size] in places), [])
    spans = [(leaf.start, leaf.end) for leaf in leaves] or [_container(text.sent, path, head_bytes)]
    literal = [span for span in spans if text.sent.find(secret, *span) >= 0]
    for start, end in literal or spans:
        at = text.sent.find(secret, start, end)
        if at < 0:
            veil.learn(text.sent[start:end])
            text.blank(start, end)
        while at >= 0:
            text.blank(at, at + len(secret))
            at = text.sent.find(secret, at + len(secret), end)


def _container(sent: bytes, path: tuple[str, ...], head_bytes: int) -> Span:
    """Return the part of a request that a point belongs to which no value holds by itself."""
    if path[0].startswith("post"):
        return head_bytes, len(sent)
    line_end = sent.find(b"\n") + 1 or len(sent)
    if path[0] in _TARGET or path[0] == "method":
        begin = sent.find(b" ", 0, line_end) + 1
        return (0, begin) if path[0] == "method" else (begin, max(begin, sent.rfind(b" ", 0, line_end)))
    name = path[1].encode("latin-1", "replace") if len(path) > 1 else b""
    start = sent.upper().find(b"\n" + name + b":", 0, head_bytes)
    if path[0] != "header" or start < 0:
        return line_end, head_bytes
    stop = sent.find(b"\n", start + 1, head_bytes)
    return start + 2 + len(name), head_bytes if stop < 0 else stop


def _readable(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _forms(secret: bytes) -> list[bytes]:
    """Return *secret* as it stands in texts: plain, in URLs, in JSON, in markup, in Base64."""
    text = secret.decode("utf-8", "surrogateescape")
    forms: list[Callable[[], bytes]] = [
        lambda: secret,
        lambda: quote(secret, safe="").encode(),
        lambda: quote_plus(secret).encode(),
        lambda: unquote_to_bytes(secret.replace(b"+", b" ")),
        lambda: json.dumps(text)[1:-1].encode("utf-8", "surrogateescape"),
        lambda: html.escape(text).encode("utf-8", "surrogateescape"),
        lambda: base64.b64encode(secret).rstrip(b"="),
    ]
    return [form for form in dict.fromkeys(make() for make in forms) if len(form) >= SHORTEST]


def concealing(masks: Masks) -> Callable[[EndpointDigest], EndpointDigest] | None:
    """Return what masks digests of the inventory; None: nothing has to."""
    return (lambda digest: masked_digest(digest, masks)) if masks else None


def concealing_sessions(masks: Masks) -> Callable[[SessionDigest], SessionDigest] | None:
    """Return what masks digests of sessions; None: nothing has to."""
    return (lambda digest: masked_session(digest, masks)) if masks else None


def concealing_counters(masks: Masks) -> Callable[[CounterKey], CounterKey] | None:
    """Return what masks the places that counters of behaviour stand for; None: nothing has to."""
    return (lambda key: masked_counter(key, masks)) if masks else None


def masked_counter(key: CounterKey, masks: Masks) -> CounterKey:
    """Return *key* without what masks cover in its host, path and point, whatever their conditions about a request."""
    veil = Veil(list(masks.all))
    path = veil.line(_readable(veil.target(key.path.encode("utf-8", "surrogateescape"))))
    return key._replace(host=veil.line(key.host), path=path, point=tuple(map(veil.line, key.point)))


def masked_session(digest: SessionDigest, masks: Masks) -> SessionDigest:
    """Return *digest* without what masks cover, whatever their conditions about a request.

    Users and roles go where any of the names that they are read from is masked.
    """
    veil = Veil(list(masks.all))
    return replace(
        digest,
        users=set() if any(_is_masked(name, masks) for name in USERS) else set(map(veil.line, digest.users)),
        roles=set() if any(_is_masked(name, masks) for name in ROLES) else set(map(veil.line, digest.roles)),
        context={veil.line(text) for text in digest.context if not _is_masked(text.partition("=")[0], masks)},
        agents=set() if _is_masked("USER-AGENT", masks) else set(map(veil.line, digest.agents)),
        hosts=set(map(veil.line, digest.hosts)),
        endpoints=Counter({veil.line(name): count for name, count in digest.endpoints.items()}),
        events={_masked_event(event, veil) for event in digest.events},
        attack_events={_masked_event(event, veil) for event in digest.attack_events},
    )


def _masked_event(event: Event, veil: Veil) -> Event:
    target = event.path.encode("utf-8", "surrogateescape")
    return event._replace(path=veil.line(_readable(veil.target(target))), host=veil.line(event.host))


def _is_masked(name: str, masks: Masks) -> bool:
    """Tell whether a mask covers all values of *name*, wherever it may stand."""
    places = (
        ("header", name.upper()), ("header", "COOKIE", "cookie", name), ("get", name), ("post", "form_urlencoded", name),
        ("post", "json_doc", "hash", name),
    )  # fmt: skip
    return any(mask.is_whole and mask.reaches(place) for mask in masks.all for place in places)


def masked_digest(digest: EndpointDigest, masks: Masks) -> EndpointDigest:
    """Return *digest* without choices and bounds of values that masks cover, wherever these apply; with names that are none.

    A digest tells of many exchanges, so conditions about a request do not narrow a mask here.
    """
    path = tuple(
        "{}" if any(_any_span(mask, ("path", str(index)), part) for mask in masks.all) else part
        for index, part in enumerate(digest.path)
    )
    made = replace(digest, path=path, parameters={})
    for key, parameter in digest.parameters.items():
        side, location, name = key
        point = _digest_point(side, location, name)
        if any(mask.is_anywhere and not mask.is_whole and _any_span(mask, (), part) for mask in masks.all for part in key):
            continue
        words = {word for word in parameter.words if any(_any_span(mask, point, word) for mask in masks.all)}
        if words or any(_any_span(mask, point, "0") for mask in masks.all if mask.is_whole):
            made.parameters[key] = replace(parameter, low=None, high=None, hashes=set(), words=Counter())
        else:
            made.parameters[key] = parameter
    return made


def _any_span(mask: CompiledMask, point: tuple[str, ...], text: str) -> bool:
    return any(True for _ in mask.spans(point, text))


_PLACES: Final = {
    "query": ("get",),
    "header": ("header",),
    "cookie": ("header", "COOKIE", "cookie"),
    "form": ("post", "form_urlencoded"),
    "multipart": ("post", "multipart"),
    "json": ("post", "json_doc"),
    "xml": ("post", "xml"),
    "path": ("path",),
}


def _digest_point(side: str, location: str, name: str) -> tuple[str, ...]:
    """Return the path of a parameter of the inventory, as points have it."""
    root: tuple[str, ...] = _PLACES.get(location, ("post", location))
    if side == "response":
        root = ("response_header",) if location == "header" else ("response_body", *root[1:])
    if location not in ("json", "xml") or not name.startswith("/"):
        return (*root, name.upper() if location == "header" else name)
    steps: list[str] = []
    for part in name[1:].split("/"):
        steps += ["array", "0"] if part == "[]" else ["hash" if location == "json" else "xml_tag", part]
    return (*root, *steps)
