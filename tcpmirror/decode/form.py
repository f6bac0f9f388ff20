"""application/x-www-form-urlencoded, in query strings and bodies (WHATWG URL Standard, section 5.1).

``p[x]=1`` is a hash, ``p[]=1`` an array, and a name given twice an array whose values also stand together, joined by commas,
as `pollution`: that is how some servers read it, and how an attack is split over two parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tcpmirror.decode.keys import text_key
from tcpmirror.decode.text import percent

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk


def read(walk: Walk, path: Path, data: bytes, depth: int = 0) -> None:
    """Visit the names and values of *data* below *path*."""
    parameters(walk, path, _pairs(data), depth)


def _pairs(data: bytes) -> Iterable[tuple[bytes, bytes]]:
    for field in data.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            yield percent(name, True), percent(value, True)


def parameters(walk: Walk, path: Path, pairs: Iterable[tuple[bytes, bytes]], depth: int = 0) -> None:
    """Visit name and value pairs that are decoded already; a name given again makes an array."""
    grouped: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    for name, values in grouped.items():
        steps = name_steps(name)
        walk.name((*path[:-1], f"{path[-1]}_name"), name)
        if len(values) == 1:
            walk.visit((*path, *steps), values[0], depth)
            continue
        for index, value in enumerate(values):
            walk.visit((*path, *steps, "array", str(index)), value, depth)
        walk.visit((*path, *steps, "pollution"), b",".join(values), depth)


def name_steps(name: bytes) -> Path:
    """Return the path steps of a parameter name: ``a[b][]`` is ``a``, ``hash``, ``b``, ``array``."""
    bracket = name.find(b"[")
    if bracket <= 0 or not name.endswith(b"]"):
        return (text_key(name),)
    steps = [text_key(name[:bracket])]
    for key in name[bracket + 1 : -1].split(b"][", 16):
        steps += ["hash", text_key(key)] if key else ["array"]
    return tuple(steps)
