"""Protocol Buffers without a schema: the fields of a message by number (encoding guide of protobuf.dev, wire types).

Wire bytes do not say whether a field of given length is text, a message or packed numbers. Text is what reads as UTF-8
without control characters; a message is what parses to its last byte into at least one field; both are told where both may
be meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from tcpmirror.model.anomaly import Anomaly

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk

DEPTH_LIMIT: Final = 32  # messages in messages; the reference parsers take 100, real ones nest fewer than ten
FIELDS_LIMIT: Final = 65536  # of one message
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_NUMBER_LIMIT: Final = 1 << 29  # the largest field number, and one
_CONTROLS: Final = bytes(byte for byte in range(32) if byte not in b"\t\r\n") + b"\x7f"


class Field(NamedTuple):
    """One field: its number, and a whole number or bytes."""

    number: int
    value: int | bytes


class Leaf(NamedTuple):
    """A value inside a message: the way to it by field numbers, how it reads, its bytes."""

    path: tuple[str, ...]
    is_text: bool
    value: bytes


def fields(data: bytes) -> list[Field] | None:
    """Return the fields of the message *data* in order, or None if it is none; groups, long deprecated, are none."""
    found: list[Field] = []
    at, size = 0, len(data)
    while at < size:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == _VARINT and at >= 0:
            value, at = _varint(data, at)
        elif wire == _LENGTH and at >= 0:
            length, at = _varint(data, at)
            value = data[at : at + length] if at >= 0 else b""
            at = at + length if 0 <= at <= size - length else -1
        elif wire in (_FIXED64, _FIXED32) and at >= 0:
            width = 8 if wire == _FIXED64 else 4
            value = int.from_bytes(data[at : at + width], "little")
            at = at + width if at + width <= size else -1
        else:
            return None
        if at < 0 or not 0 < number < _NUMBER_LIMIT or len(found) >= FIELDS_LIMIT:
            return None
        found.append(Field(number, value))
    return found


def is_message(data: bytes) -> bool:
    """Tell whether *data* is a message and no text, which may happen to parse as one."""
    return not _reads_as_text(data) and bool(fields(data))


def leaves(message: list[Field], path: tuple[str, ...] = (), depth: int = 0) -> Iterator[Leaf]:
    """Yield the values in *message*, those of the messages in it included; numbers as decimal digits."""
    times = Counter(field.number for field in message)
    seen: Counter[int] = Counter()
    for number, value in message:
        at = (*path, str(number))
        if times[number] > 1:
            at = (*at, "array", str(seen[number]))
            seen[number] += 1
        if isinstance(value, int):
            yield Leaf(at, True, b"%d" % value)
        elif value:
            yield from _length_field(at, value, depth)


def _length_field(path: tuple[str, ...], value: bytes, depth: int) -> Iterator[Leaf]:
    is_text = _reads_as_text(value)
    inner = fields(value) if depth < DEPTH_LIMIT else None
    if is_text or not inner:
        yield Leaf(path, is_text, value)
    if inner:
        yield from leaves(inner, path, depth + 1)


def read(walk: Walk, path: Path, data: bytes) -> bool:
    """Visit the fields of *data*; False if it is no message."""
    message = fields(data)
    if not message:
        return False
    base = (*path, "protobuf")
    for leaf in leaves(message):
        at = (*base, *leaf.path)
        if len(leaf.path) >= DEPTH_LIMIT:
            walk.note(Anomaly.DECODE_DEPTH_LIMIT)
        if leaf.is_text:
            walk.visit(at, leaf.value)
        elif not walk.add((*at, "bytes"), leaf.value):
            break
    return True


def _reads_as_text(value: bytes) -> bool:
    if value.translate(None, _CONTROLS) != value:
        return False
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return (number, offset behind it) of the varint at *at*; the offset is -1 if it is cut or longer than ten bytes."""
    value = shift = 0
    for place in range(at, min(at + 10, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place + 1
        shift += 7
    return 0, -1
