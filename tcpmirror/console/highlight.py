"""Finds a payload in the message it came in: as it stands, or under the encodings it was sent in.

A payload is a part of a *decoded* value. Each reading below undoes one encoding and remembers, for each decoded byte, which
bytes of the message it came from, so readings can be laid over one another and the find still points into the message.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.entities import html5
from itertools import product
from typing import Final

_SCAN_LIMIT: Final = 128 * 1024  # bytes of a message that are looked at: twice what sensors keep
_SPANS: Final = 20  # places marked for one payload
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
_PERCENT: Final = re.compile(rb"%[0-9A-Fa-f]{2}|%u[0-9A-Fa-f]{4}|\+")
_BACKSLASH: Final = re.compile(rb"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[\"'\\/bfnrt])")
_ENTITY: Final = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_SIMPLE_ESCAPES: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


@dataclass(frozen=True, slots=True)
class Found:
    """Where a payload stands. ``spans`` are (start, end) in the message, in order, none touching another.

    ``decoded``: the payload could be marked only as a whole encoded token, or not at all; show its decoded form beside.
    """

    spans: tuple[tuple[int, int], ...]
    decoded: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """Bytes, and where each of them begins in the message; ``starts`` has one more: where the last one ends."""

    data: bytes
    starts: list[int]


def locate(message: bytes, point: tuple[str, ...], payload: str) -> Found:
    """Return where *payload* (latin-1 text, found at *point*) stands in *message*."""
    needle = payload.encode("latin-1", "replace")
    start, end = _scope(message, point)
    if not needle.strip():
        return Found((), decoded=False)
    for reading in _readings(message[start:end], start):
        spans = _matches(reading, needle)
        if spans:
            return Found(spans, decoded=False)
    return Found(_tokens(message[start:end], start, needle), decoded=True)


def _scope(message: bytes, point: tuple[str, ...]) -> tuple[int, int]:
    """Return the part of the message that *point* speaks of; the whole message where it cannot tell."""
    blank = _BLANK_LINE.search(message)
    head_end = blank.end() if blank else len(message)
    line_end = message.find(b"\n") + 1 or len(message)
    match point[:1]:
        case ("uri" | "path" | "action_name" | "action_ext" | "get" | "method",):
            return 0, min(line_end, _SCAN_LIMIT)
        case ("header",):
            return _header_scope(message, line_end, head_end, point[1] if len(point) > 1 else "")
        case ("post" | "response_body",):
            return head_end, min(len(message), head_end + _SCAN_LIMIT)
    return 0, min(len(message), _SCAN_LIMIT)


def _header_scope(message: bytes, line_end: int, head_end: int, name: str) -> tuple[int, int]:
    wanted = re.compile(
        rb"^" + re.escape(name.encode("latin-1", "replace")) + rb"[ \t]*:[^\n]*\n?", re.MULTILINE | re.IGNORECASE
    )
    line = wanted.search(message, line_end, head_end)
    return line.span() if name and line else (line_end, min(head_end, line_end + _SCAN_LIMIT))


def _readings(part: bytes, offset: int) -> Iterator[_Reading]:
    """Yield the plain reading first, then each encoding alone, then two over one another."""
    plain = _Reading(part, list(range(offset, offset + len(part) + 1)))
    yield plain
    once = [_decoded(plain, pattern, decode) for pattern, decode in _ENCODINGS]
    for reading, (pattern, decode) in product(once, (_NOTHING, *_ENCODINGS)):
        if reading.data != part:
            yield reading if pattern is None else _decoded(reading, pattern, decode)


def _matches(reading: _Reading, needle: bytes) -> tuple[tuple[int, int], ...]:
    pattern = re.compile(re.escape(needle), re.IGNORECASE)
    spans: list[tuple[int, int]] = []
    for match in pattern.finditer(reading.data):
        spans.append((reading.starts[match.start()], reading.starts[match.end()]))
        if len(spans) == _SPANS:
            break
    return tuple(spans)


def _tokens(part: bytes, offset: int, needle: bytes) -> tuple[tuple[int, int], ...]:
    """Return the Base64 tokens of *part* whose decoded form holds *needle*."""
    unescaped = _decoded(_Reading(part, list(range(offset, offset + len(part) + 1))), _PERCENT, _percent, plus=False)
    spans: list[tuple[int, int]] = []
    for match in _BASE64.finditer(unescaped.data):
        if needle.lower() in _unbase64(match.group()).lower() and len(spans) < _SPANS:
            spans.append((unescaped.starts[match.start()], unescaped.starts[match.end()]))
    return tuple(spans)


def _unbase64(token: bytes) -> bytes:
    standard = token.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    standard = standard[: len(standard) - (len(standard) % 4 == 1)]
    try:
        return base64.b64decode(standard + b"=" * (-len(standard) % 4))
    except binascii.Error:
        return b""


def _decoded(
    reading: _Reading, pattern: re.Pattern[bytes], decode: Callable[[bytes], bytes], *, plus: bool = True
) -> _Reading:
    data = bytearray()
    starts: list[int] = []
    at = 0
    for match in pattern.finditer(reading.data):
        if not plus and match.group() == b"+":
            continue
        data += reading.data[at : match.start()]
        starts += reading.starts[at : match.start()]
        made = decode(match.group())
        data += made
        starts += [reading.starts[match.start()]] * len(made)
        at = match.end()
    data += reading.data[at:]
    starts += reading.starts[at:]
    return _Reading(bytes(data), starts)


def _percent(escape: bytes) -> bytes:
    if escape == b"+":
        return b" "
    if escape[1:2] == b"u":
        return _bytes_of(int(escape[2:], 16))
    return bytes([int(escape[1:], 16)])


def _backslash(escape: bytes) -> bytes:
    if escape[1:2] in (b"u", b"x"):
        return _bytes_of(int(escape[2:], 16))
    return _SIMPLE_ESCAPES.get(escape[1:], escape[1:])


def _entity(escape: bytes) -> bytes:
    name = escape[1:].decode()
    if name[0] != "#":
        return html5.get(name, escape.decode()).encode("utf-8")
    number = int(name[2:-1], 16) if name[1] in "xX" else int(name[1:-1])
    return _bytes_of(number)


def _bytes_of(code: int) -> bytes:
    return bytes([code]) if code < 0x80 else chr(min(code, 0x10FFFF)).encode("utf-8", "replace")


_Encoding = tuple[re.Pattern[bytes] | None, Callable[[bytes], bytes]]
_NOTHING: Final[_Encoding] = (None, bytes)
_ENCODINGS: Final = ((_PERCENT, _percent), (_BACKSLASH, _backslash), (_ENTITY, _entity))
