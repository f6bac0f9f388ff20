"""What was injected and came back as what it is: markup in a page, a header, the target of a redirect."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from tcpmirror.model.exchange import Response

SHORTEST: Final = 8  # bytes of markup that a page does not hold by chance together with an attack's payload
_TAG: Final = re.compile(rb"<[a-z!/?][^<]*", re.IGNORECASE)
_RUNS: Final = re.compile(
    rb"<(?:script|iframe|embed|object|base|form|meta|svg|math|link)\b|\bon[a-z]{3,24}\s?=|javascript:", re.IGNORECASE
)
_BREAKOUT: Final = re.compile(rb"[\"'`][^<>\"'`]{0,64}\bon[a-z]{3,24}\s?=[^<>]{1,200}", re.IGNORECASE)
_SCRIPT_BREAKOUT: Final = re.compile(rb"['\"][;+\-*,)}\]]{1,8}\s?[a-z_$][\w$.]{0,40}[(`][^<>]{0,200}", re.IGNORECASE)
_MARKUP_TYPES: Final = (b"html", b"svg", b"xml")
_INJECTED: Final = re.compile(rb"[\r\n]\s*([A-Za-z][A-Za-z0-9-]{1,40}):[ \t]*([^\r\n]{1,200})")


def page_markup(payload: bytes, response: Response) -> bytes:
    """Return the markup of *payload* that stands unescaped in a page, where a browser would run it."""
    kind = (response.header(b"content-type") or b"text/html").lower()
    if not any(mark in kind for mark in _MARKUP_TYPES) or 300 <= response.status < 400:
        return b""
    begin = payload.find(b"<")
    if begin >= 0:
        end = payload.rfind(b">") + 1
        whole = payload[begin : end if end > begin else len(payload)]
        for piece in (whole, *(match.group().rstrip() for match in _TAG.finditer(payload))):
            if len(piece) >= SHORTEST and _RUNS.search(piece) and piece in response.body:
                return piece
    match = _BREAKOUT.search(payload)
    if match and _inside_a_tag(match.group(), response.body):
        return match.group()
    match = _SCRIPT_BREAKOUT.search(payload)
    if match and len(match.group()) >= SHORTEST and _inside_a_script(match.group(), response.body):
        return match.group()
    return b""


def _inside_a_tag(piece: bytes, body: bytes) -> bool:
    """Tell whether *piece* stands behind the beginning of a tag that has an open value of the same quote."""
    at = body.find(piece)
    before = body[max(0, at - 1024) : at]
    opened = before[before.rfind(b"<") :] if b"<" in before else b""
    return at >= 0 and b">" not in opened and opened.count(piece[:1]) % 2 == 1


def _inside_a_script(piece: bytes, body: bytes) -> bool:
    at = body.find(piece)
    before = body[:at].lower()
    return at >= 0 and before.rfind(b"<script") > before.rfind(b"</script")


def header(payload: bytes, response: Response) -> bytes:
    """Return the header line of *payload* that the response has as a header of its own."""
    for match in _INJECTED.finditer(b"\n" + payload if payload[:1] not in b"\r\n" else payload):
        name, value = match.group(1), match.group(2).strip()
        if any(seen.lower() == name.lower() and had == value for seen, had in response.headers):
            return name + b": " + value
    return b""


def target(payload: bytes, response: Response, host: str) -> bytes:
    """Return where the response sends the browser, if that is a host which *payload* names and not *host* itself."""
    location = response.header(b"location")
    if location is None or not 300 <= response.status < 400:
        return b""
    goal = _host_of(location)
    if not goal or goal == host.rpartition(":")[0].lower() or goal == host.lower():
        return b""
    return location if goal.encode("latin-1") in payload.lower() else b""


def _host_of(location: bytes) -> str:
    """Return the host that browsers go to: they take backslashes for slashes, and leave out blanks and line ends."""
    text = location.decode("latin-1").strip().replace("\\", "/")
    text = re.sub(r"[\t\r\n]", "", text)
    match = re.match(r"(?:(https?):)?/{0,}(?=[^/])", text, re.IGNORECASE)
    if match is None or not (match.group(1) or text.startswith("//")):
        return ""
    try:
        return urlsplit("//" + text[match.end() :]).hostname or ""
    except ValueError:
        return ""
