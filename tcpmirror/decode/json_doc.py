"""JSON (RFC 8259) without loss: repeated keys all count, numbers stay as written, broken documents give their strings."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from tcpmirror.model.anomaly import Anomaly

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk

_DEPTH: Final = 128  # nested deeper than any API nests; below it only the budget of points counts
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.){1,65536})"', re.DOTALL)


class _Pairs(list[tuple[str, object]]):
    """An object as its members in order."""


class _Bare(str):
    """A number or constant, as written."""

    __slots__ = ()


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_Bare, parse_float=_Bare, parse_constant=_Bare, strict=False
)


def read(walk: Walk, path: Path, data: bytes, depth: int = 0) -> bool:
    """Visit the keys and values of *data*; False if it is no JSON object or array."""
    try:
        document = _DECODER.decode(data.decode("utf-8", "surrogateescape").lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, list):
        return False
    _visit(walk, (*path, "json_doc"), document, depth)
    return True


def read_strings(walk: Walk, path: Path, data: bytes, depth: int = 0) -> None:
    """Visit whatever stands between quotes in *data*, JSON that does not parse."""
    walk.note(Anomaly.BAD_JSON)
    for match in _STRING.finditer(data):
        walk.visit((*path, "json_doc", "array"), match.group(1), depth)


def _visit(walk: Walk, path: Path, document: object, depth: int) -> None:
    pending: list[tuple[Path, object]] = [(path, document)]
    while pending:
        at, value = pending.pop()
        if len(at) > 2 * _DEPTH:
            walk.note(Anomaly.DECODE_DEPTH_LIMIT)
        elif isinstance(value, _Pairs):
            for key, _ in value:
                walk.name((*at, "hash_name"), _bytes(key))
            pending.extend(((*at, "hash", key[:128]), member) for key, member in reversed(value))
        elif isinstance(value, list):
            pending.extend(((*at, "array", str(index)), value[index]) for index in range(len(value) - 1, -1, -1))
        elif isinstance(value, _Bare) or value is None or isinstance(value, bool):
            if not walk.add(at, json.dumps(value).encode() if not isinstance(value, _Bare) else value.encode()):
                return
        elif isinstance(value, str):
            walk.visit(at, _bytes(value), depth)


def _bytes(text: str) -> bytes:
    """Return the bytes a string came from; lone surrogates written as escapes keep their three-byte form."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
