"""Request smuggling: requests whose end servers in a row may see in different places (CWE-444; RFC 9112, section 11.2).

HTTP/1 requests bring their disagreement along. More signs are read here: a body that is itself a request, for a server that
ignores it (CL.0, TE.0); an expectation that only some servers take for `100-continue`, so that one waits, or answers, before
a body that the other sends on (0.CL, CL.0; RFC 9110, section 10.1.1); and HTTP/2 requests that mean something else once a
proxy has written them as HTTP/1 (RFC 9113, section 10.3).
"""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.disagreement import REQUEST_LINE, REST_BYTES, Disagreement
from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.model.finding import Finding

PAYLOAD_BYTES: Final = 512
TYPE: Final = "request_smuggling"
# What says that a request as content is meant: nothing is hidden by it.
_HTTP_AS_CONTENT: Final = (b"application/http", b"message/http")
_LOST: Final = 1 << Anomaly.GAP | 1 << Anomaly.INCOMPLETE | 1 << Anomaly.RESET
_ODD_HTTP2: Final = 1 << Anomaly.BAD_HEADER | 1 << Anomaly.SPACE_IN_TARGET | 1 << Anomaly.CONFLICTING_LENGTH
_EXPECTED: Final = b"100-"  # in a head without these bytes nothing is expected
_JUNK: Final = bytes(range(33)) + b"\x7f"
_VERSION_INSIDE: Final = re.compile(rb"\sHTTP/\d")
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})[^\r\n]*\r?\n")
_RULES: Final = {
    "CL.TE": "smuggling-cl-te",
    "TE.CL": "smuggling-te-cl",
    "TE.TE": "smuggling-chunk-ends",
    "CL.CL": "smuggling-lengths",
    "CL.0": "smuggling-cl-0",
    "TE.0": "smuggling-te-0",
}


def findings(exchange: Exchange) -> list[Finding]:
    """Return what the request of *exchange* hides from one server or another: one finding at most."""
    request = exchange.request
    if request is None or request.version == b"WEBSOCKET":
        return []
    if request.disagreement is not None:
        return [_finding(request.disagreement, ("framing",))]
    if request.version == b"HTTP/2" and (request.anomalies & _ODD_HTTP2 or request.body):
        found = _downgraded(request, exchange.anomalies)
        if found:
            return found
    if not request.body:
        return []
    is_request = _is_request(request)
    if _EXPECTED in request.head:
        odd = _odd_expectation(request)
        if odd is not None:
            return [_expecting(request, odd, is_request)]
    return [_ignored_body(request)] if is_request else []


def _finding(disagreement: Disagreement, point: tuple[str, ...]) -> Finding:
    confidence = 0.95 if disagreement.smuggled else 0.8
    return Finding(TYPE, point, disagreement.text[:PAYLOAD_BYTES], _RULES[disagreement.name], confidence)


def _is_request(request: Request) -> bool:
    if REQUEST_LINE.match(request.body) is None:
        return False
    kind = (request.header(b"content-type") or b"").strip().lower()
    return not kind.startswith(_HTTP_AS_CONTENT)


def _ignored_body(request: Request) -> Finding:
    name = "TE" if request.header(b"transfer-encoding") is not None else "CL"
    reader = "Transfer-Encoding chunked" if name == "TE" else "Content-Length"
    if request.version == b"HTTP/2":
        name, reader = "CL", "HTTP/2 frames"
    return _finding(
        Disagreement(f"{name}.0", ((reader, request.wire_length), ("no body", 0)), request.body[:REST_BYTES]), ("framing",)
    )


def _odd_expectation(request: Request) -> bytes | None:
    """Return the field that asks for `100 Continue` in a way that some servers do not see, or see twice."""
    fields = [(name, value) for name, value in request.headers if name.strip(_JUNK).lower() == b"expect"]
    for name, value in fields:
        is_plain = name.lower() == b"expect" and value.strip(b" \t").lower() == b"100-continue"
        if b"100-continue" in value.lower() and (not is_plain or len(fields) > 1):
            return name + b": " + value
    return None


def _expecting(request: Request, field: bytes, is_request: bool) -> Finding:
    """Where one server reads the body and the other waits for a leave to read it, or has answered without."""
    shown = Disagreement(
        "CL.0", (("no expectation", request.wire_length), (field.decode("latin-1")[:128], 0)), request.body[:REST_BYTES]
    )
    return Finding(TYPE, ("framing",), shown.text[:PAYLOAD_BYTES], "smuggling-expect", 0.95 if is_request else 0.7)


def _downgraded(request: Request, anomalies: int) -> list[Finding]:
    """Return what an HTTP/2 request becomes when a proxy passes it on as HTTP/1."""
    injected = _injected(request)
    if injected is not None:
        point, text = injected
        return [Finding(TYPE, point, text[:PAYLOAD_BYTES].decode("latin-1"), "smuggling-h2-injection", 0.95)]
    if anomalies & _LOST:
        return []
    coding, length = request.header(b"transfer-encoding"), request.header(b"content-length")
    if coding is not None and b"chunked" in coding.lower():
        end = _chunks_end(request.body)
        if end is not None and end != len(request.body):
            return [_h2_finding(request, "smuggling-h2-te", "Transfer-Encoding chunked", end)]
    if length is not None and length.isdigit() and int(length[:18]) != request.wire_length:
        return [_h2_finding(request, "smuggling-h2-cl", f"Content-Length {int(length[:18])}", int(length[:18]))]
    return []


def _h2_finding(request: Request, rule: str, reader: str, end: int) -> Finding:
    rest = request.body[end : end + REST_BYTES]
    shown = Disagreement("", (("HTTP/2 frames", request.wire_length), (reader, end)), rest)
    return Finding(TYPE, ("framing",), shown.text[:PAYLOAD_BYTES], rule, 0.95 if shown.smuggled else 0.8)


def _injected(request: Request) -> tuple[tuple[str, ...], bytes] | None:
    """Return (point, value) of a field that holds a line end, or of a method or target that holds a version."""
    if b" " in request.method or _has_line_end(request.method):
        return ("method",), request.method
    if _has_line_end(request.target) or _VERSION_INSIDE.search(request.target):
        return ("uri",), request.target
    for name, value in request.headers:
        if _has_line_end(name) or b":" in name or _has_line_end(value):
            return ("header", name.decode("latin-1")[:128].upper()), name + b": " + value
    return None


def _has_line_end(text: bytes) -> bool:
    return b"\n" in text or b"\r" in text


def _chunks_end(body: bytes) -> int | None:
    """Return where chunks in *body* end with the empty one, or None if it is not chunked at all."""
    at = 0
    while match := _CHUNK.match(body, at):
        size = int(match.group(1), 16)
        at = match.end()
        if size == 0:
            stop = body.find(b"\r\n", at)
            return stop + 2 if stop >= 0 else None
        at += size
        if body[at : at + 2] != b"\r\n":
            return None
        at += 2
    return None
