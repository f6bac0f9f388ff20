"""gRPC and gRPC-Web bodies (grpc.io, PROTOCOL-HTTP2 and PROTOCOL-WEB): length-prefixed messages, compressed one by one."""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from tcpmirror.decode import protobuf
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import Message, Request, Response

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk

MESSAGES_LIMIT: Final = 1000  # of one body; streams of more show what they carry in the first ones
INFLATED_LIMIT: Final = 8 << 20  # bytes that all compressed messages of a body may make together
_HEADER: Final = 5  # flags and length
_COMPRESSED, _TRAILERS = 0x01, 0x80
_WINDOW_BITS: Final = {b"gzip": 31, b"deflate": 15}
_BASE64_PIECE: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_STATUS_LINE: Final = re.compile(rb"(?:^|\n)grpc-status:[ \t]*(\d{1,3})\s*(?:\r?\n|$)", re.IGNORECASE)


class Frame(NamedTuple):
    """One length-prefixed part of a body. ``payload`` is not compressed any more; None: it cannot be undone."""

    flags: int
    payload: bytes | None


def is_protobuf(kind: bytes) -> bool:
    """Tell whether the Content-Type *kind* (lower case) stands for gRPC or Protocol Buffers."""
    return kind.startswith(b"application/grpc") or b"protobuf" in kind


def payloads(message: Message, kind: bytes) -> Iterator[bytes | None]:
    """Yield the messages in the body, the whole body where *kind* is Protocol Buffers alone; None for one not readable."""
    if not kind.startswith(b"application/grpc"):
        yield message.body
        return
    for frame in frames(message, kind):
        if not frame.flags & _TRAILERS:
            yield frame.payload


def frames(message: Message, kind: bytes) -> Iterator[Frame]:
    """Yield the length-prefixed parts of a body; the last may be cut, what follows a length that is none is left out."""
    body = _from_base64(message.body) if kind.startswith(b"application/grpc-web-text") else message.body
    coding = (message.header(b"grpc-encoding") or b"").strip().lower()
    at, room = 0, INFLATED_LIMIT
    for _ in range(MESSAGES_LIMIT):
        if at + _HEADER > len(body) or body[at] & ~(_COMPRESSED | _TRAILERS):
            return
        flags, length = body[at], int.from_bytes(body[at + 1 : at + _HEADER], "big")
        payload = body[at + _HEADER : at + _HEADER + length]
        if flags & _COMPRESSED:
            inflated = _inflated(payload, coding, room) if room else None
            room -= len(inflated or b"")
            yield Frame(flags, inflated)
        else:
            yield Frame(flags, payload)
        at += _HEADER + length


def read(walk: Walk, path: Path, request: Request, kind: bytes) -> bool:
    """Visit the messages of *request*; False if its body holds none, whatever *kind* says."""
    found = list(payloads(request, kind))
    if not kind.startswith(b"application/grpc") and not protobuf.is_message(request.body):
        return False
    base = (*path, "grpc") if kind.startswith(b"application/grpc") else path
    for index, payload in enumerate(found):
        at = (*base, "array", str(index)) if len(found) > 1 else base
        if payload is None:
            walk.note(Anomaly.BAD_CODING)
        elif payload[:1] in (b"{", b"[") or not protobuf.read(walk, at, payload):
            walk.visit(at, payload)
    return bool(found)


def texts(request: Request, kind: bytes) -> Iterator[bytes]:
    """Yield everything in the messages of *request* that `read` gives to be judged, without its place."""
    for payload in payloads(request, kind):
        message = None if payload is None else protobuf.fields(payload)
        if message:
            yield from (leaf.value for leaf in protobuf.leaves(message) if len(leaf.value) > 1)
        elif payload:
            yield payload


def status_of(response: Response | None) -> int | None:
    """Return the grpc-status of *response*: from its trailers, which stand in its head, or a gRPC-Web body's last part."""
    if response is None:
        return None
    kind = (response.header(b"content-type") or b"").lower()
    if not kind.startswith(b"application/grpc"):
        return None
    said = response.header(b"grpc-status")
    if said is not None:
        return int(said) if said.isdigit() and len(said) < 4 else None
    for frame in frames(response, kind):
        if frame.flags & _TRAILERS and frame.payload is not None:
            match = _STATUS_LINE.search(frame.payload)
            return int(match.group(1)) if match else None
    return None


def _from_base64(body: bytes) -> bytes:
    """Return what *body* stands for: pieces of Base64, each padded, one behind the other."""
    decoded = bytearray()
    for match in _BASE64_PIECE.finditer(body):
        piece = match.group().rstrip(b"=")
        piece = piece[: len(piece) - (len(piece) % 4 == 1)]
        decoded += binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))
    return bytes(decoded)


def _inflated(payload: bytes, coding: bytes, room: int) -> bytes | None:
    """Undo *coding*; gzip is tried where none is named, as the bytes say themselves that they are."""
    if payload[:2] == b"\x1f\x8b":
        bits = 31
    elif coding in _WINDOW_BITS:
        bits = _WINDOW_BITS[coding]
    else:
        return None
    try:
        return zlib.decompressobj(bits).decompress(payload, room)
    except zlib.error:
        return None
