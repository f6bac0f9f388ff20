"""How large one part of a request is: a header, a field of a form or of JSON, a file of a multipart body (RFC 7578)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from tcpmirror.model.exchange import Request

BODY_BYTES: Final = 8 << 20  # of a body that is looked through
PARTS: Final = 1_000
DEPTH: Final = 10
_NAME: Final = re.compile(rb'(?i)content-disposition:[^\r\n]{0,1024}?[; ]name="([^"\r\n]{1,256})"')


def largest_part(request: Request, wanted: Callable[[str], bool]) -> int:
    """Return the bytes of the largest part of *request* whose name is *wanted*, 0 where there is none.

    Of a body that was cut the part that lacks its end counts with all that is missing.
    """
    return max((size for name, size in _parts(request) if wanted(name)), default=0)


def _parts(request: Request) -> Iterator[tuple[str, int]]:
    for key, value in request.headers[:PARTS]:
        yield key.decode("latin-1").lower(), len(value)
    body = request.body[:BODY_BYTES]
    kind = request.header(b"content-type") or b""
    boundary = re.search(rb'(?i)boundary="?([^";,\s]{1,70})', kind)
    missing = request.body_length - len(body)
    if boundary:
        yield from _of_multipart(body, b"--" + boundary.group(1), missing)
    elif body[:1] in (b"{", b"["):
        try:
            yield from _of_json("", orjson.loads(body), 0)
        except orjson.JSONDecodeError:
            return
    else:
        for pair in body.split(b"&", PARTS):
            name, _, value = pair.partition(b"=")
            yield name.decode("latin-1"), len(value)


def _of_multipart(body: bytes, boundary: bytes, missing: int) -> Iterator[tuple[str, int]]:
    parts = body.split(boundary, PARTS)[1:]
    for number, part in enumerate(parts, 1):
        head, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name:
            rest = missing if number == len(parts) else -2 if content.endswith(b"\r\n") else 0
            yield name.group(1).decode("utf-8", "replace"), len(content) + rest


def _of_json(name: str, value: Any, depth: int) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict) and depth < DEPTH:
        for key, inner in value.items():
            yield from _of_json(key, inner, depth + 1)
    elif isinstance(value, list) and depth < DEPTH:
        for inner in value[:PARTS]:
            yield from _of_json(name, inner, depth + 1)
    elif isinstance(value, str):
        yield name, len(value.encode("utf-8", "replace"))
