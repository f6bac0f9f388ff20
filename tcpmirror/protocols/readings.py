"""Readings: where servers in use would say that one request ends, and whether they agree (RFC 9112, sections 6.3 and 11.2).

Two servers in a row that disagree let one client hide a request inside another. Only requests come here whose head or chunks
are odd, or coded; what any reader refuses with an error ends nothing, so refusals are no readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tcpmirror.model.disagreement import REQUEST_LINE, REST_BYTES, Disagreement

WIRE_LIMIT: Final = 4096  # bytes behind a head that are kept to be read again; what is hidden begins near the front
_CODINGS: Final = frozenset((b"gzip", b"x-gzip", b"deflate", b"x-deflate", b"compress", b"x-compress"))
_JUNK: Final = bytes(range(33)) + b"\x7f\x85\xa0"
_LINE_ENDS: Final = {"lf": re.compile(rb"\r?\n"), "crlf": re.compile(rb"\r\n"), "cr": re.compile(rb"\r\n|\r|\n")}
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_BARE_CR: Final = re.compile(rb"\r(?!\n)")
_FOLD: Final = re.compile(rb"\n[ \t]")
_NUMBER: Final = re.compile(rb"[+]?(0x[0-9a-f]+|\d[\d_]*)", re.IGNORECASE)
_CHUNK_SIZE: Final = re.compile(rb"[ \t\r\n]*([0-9a-fA-F]+)")
_CHUNK_LINE: Final = re.compile(rb"[0-9a-fA-F]+[^\r\n]*\r?\n")
_CODING_NAME: Final = b"transfer-encoding"
_LENGTH_NAME: Final = b"content-length"
_LATER: Final = 1 << 62  # an end that has not come
_REFUSED: Final = -1


class _Reading(NamedTuple):
    kind: str  # TE, CL or 0
    text: str
    end: int


class _Length(NamedTuple):
    value: int
    is_plain: bool


class Readings:
    """Collects what follows the head of one request, and tells what readers make of it.

    *is_chunked*: how it is read here.
    """

    def __init__(self, head: bytes, is_chunked: bool) -> None:
        self._head = head
        self._is_chunked = is_chunked
        self._wire = bytearray()

    def see(self, data: bytes) -> bool:
        """Take the next bytes behind the head; False once no more are wanted."""
        self._wire += data[: WIRE_LIMIT - len(self._wire)]
        return len(self._wire) < WIRE_LIMIT

    def disagreement(self, taken: int, is_whole: bool, sees_on: bool = True) -> Disagreement | None:
        """Return the two readings that lie furthest apart, or None if all agree.

        *taken*: bytes of body that were read here; *is_whole*: its end came; *sees_on*: what follows them counts too. Behind
        a request that is told before its response only the rest of its segment is there, which must not matter.
        """
        wire = bytes(self._wire if sees_on else self._wire[:taken])
        ends: dict[int, _Reading] = {}
        for reading in _readings(self._head, wire, taken if is_whole and self._is_chunked else _LATER):
            ends.setdefault(reading.end, reading)
        if 0 in ends and not _hides_request(wire):
            del ends[0]
        if len(ends) < 2:
            return None
        short, long = ends[min(ends)], ends[max(ends)]
        rest = wire[short.end : min(long.end, short.end + REST_BYTES)]
        if short.end == 0 and REQUEST_LINE.match(rest) is None:
            rest = _CHUNK_LINE.sub(b"", rest, count=1)
        return Disagreement(
            f"{long.kind}.{short.kind}",
            ((long.text, None if long.end >= _LATER else long.end), (short.text, short.end)),
            rest,
        )


def _hides_request(wire: bytes) -> bool:
    """Tell whether a reader that sees no body would read a request in it."""
    if REQUEST_LINE.match(wire):
        return True
    line = _CHUNK_LINE.match(wire)
    return line is not None and REQUEST_LINE.match(wire, line.end()) is not None


def _readings(head: bytes, wire: bytes, chunked_end: int) -> Iterator[_Reading]:
    chunks = list(_chunk_readings(wire, chunked_end))
    for codings, lengths in _framings(head):
        is_coded, is_sure = _is_chunked(codings)
        if is_coded:
            yield from chunks
        if is_coded and is_sure and not lengths and b" HTTP/1.0" not in head[: head.find(b"\n")]:
            continue
        yield from (_Reading("CL", f"Content-Length {item.value}", item.value) for item in lengths)
        if not lengths or not all(item.is_plain for item in lengths):
            yield _Reading("0", "no length", 0)


def _framings(head: bytes) -> Iterator[tuple[list[tuple[bytes, bool]], list[_Length]]]:
    """Yield, for each way to tell header lines apart, the Transfer-Encodings (value, is the name plain) and the lengths."""
    _, _, fields = head.partition(b"\n")
    modes = ["lf"]
    if _BARE_CR.search(fields):
        modes.append("cr")
    if _BARE_LF.search(fields) and b"\r\n" in fields:
        modes.append("crlf")
    for mode in modes:
        lines = [line for line in _LINE_ENDS[mode].split(fields) if line]
        yield _framing(_joined(lines))
        if _FOLD.search(fields):
            yield _framing(lines)


def _joined(lines: Iterable[bytes]) -> list[bytes]:
    joined: list[bytes] = []
    for line in lines:
        if line[:1] in b" \t" and joined:
            joined[-1] += b" " + line.strip(b" \t")
        else:
            joined.append(line)
    return joined


def _framing(lines: Iterable[bytes]) -> tuple[list[tuple[bytes, bool]], list[_Length]]:
    codings: list[tuple[bytes, bool]] = []
    lengths: list[_Length] = []
    for line in lines:
        raw, _, value = line.partition(b":")
        name = raw.strip(_JUNK).replace(b"_", b"-").lower()
        is_plain = name == raw.lower()
        if name == _CODING_NAME:
            codings.append((value, is_plain))
        elif name == _LENGTH_NAME:
            lengths += _lengths(value, is_plain)
    return codings, lengths


def _lengths(value: bytes, is_plain: bool) -> Iterator[_Length]:
    """Yield the numbers that strict and lenient readers see in a Content-Length."""
    for part in value.split(b","):
        text = part.strip(_JUNK)
        match = _NUMBER.match(text)
        if match is None or len(text) > 32:
            continue
        digits = match.group(1).replace(b"_", b"")
        is_hex = digits[:2].lower() == b"0x"
        yield _Length(int(digits, 16 if is_hex else 10), is_plain and text.isdigit())


def _is_chunked(codings: list[tuple[bytes, bool]]) -> tuple[bool, bool]:
    """Return (some reader takes the body for chunked, every reader does)."""
    names = [name.strip(b" \t").lower() for value, _ in codings for name in value.split(b",")]
    if not any(b"chunked" in name for name in names):
        return False, False
    is_sure = (
        all(is_plain for _, is_plain in codings) and names[-1] == b"chunked" and all(name in _CODINGS for name in names[:-1])
    )
    return True, is_sure


def _chunk_readings(wire: bytes, known_end: int) -> Iterator[_Reading]:
    """Yield the end by chunks as it is read here, and as readers of other line ends and numbers find it."""
    end = _chunked_end(wire, b"\n", False, False)
    if end in (_LATER, _REFUSED):
        end = known_end
    yield _Reading("TE", "Transfer-Encoding chunked", end)
    for text, other in (
        ("chunked, lines end in CRLF only", _chunked_end(wire, b"\r\n", False, False)),
        ("chunked, 0x begins a number", _chunked_end(wire, b"\n", True, False)),
        ("chunked, two bytes skipped after a chunk", _chunked_end(wire, b"\n", False, True)),
    ):
        if other not in (_LATER, _REFUSED):
            yield _Reading("TE", text, other)


def _chunked_end(wire: bytes, line_end: bytes, has_prefix: bool, skips_two: bool) -> int:
    """Return where the chunks in *wire* end, `_LATER` if it holds no end, `_REFUSED` for what is no chunk."""
    at = 0
    while True:
        match = _CHUNK_SIZE.match(wire, at)
        if match is None:
            return _LATER if not wire[at:].strip(b" \t\r\n") else _REFUSED
        size = int(match.group(1)[:16], 16)
        at = match.end()
        if has_prefix and size == 0 and wire[at : at + 1] in b"xX":
            digits = _CHUNK_SIZE.match(wire, at + 1)
            size = int(digits.group(1)[:16], 16) if digits else 0
        at = wire.find(line_end, at)
        if at < 0:
            return _LATER
        at += len(line_end)
        if size == 0:
            return _trailer_end(wire, at, line_end)
        at += size
        behind = wire[at : at + 2]
        if len(behind) < 2:
            return _LATER
        if not skips_two and behind[:1] not in b"\r\n":
            return _REFUSED
        at += 2 if skips_two or behind == b"\r\n" else 1


def _trailer_end(wire: bytes, at: int, line_end: bytes) -> int:
    while True:
        stop = wire.find(line_end, at)
        if stop < 0:
            return _LATER
        is_empty = not wire[at:stop].rstrip(b"\r")
        at = stop + len(line_end)
        if is_empty:
            return at
