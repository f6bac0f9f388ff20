"""Parameters in the body of a request: names as a control knows them, and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson

from tcpmirror.model.exchange import Request

BODY_BYTES: Final = 64 * 1024  # of a body that is read
LEAVES: Final = 512
DEPTH: Final = 6
Parameter = tuple[tuple[str, ...], str, bytes]  # point, name, value


def body_parameters(request: Request) -> list[Parameter]:
    """Return the first LEAVES parameters in the body of *request*: of a form, or of JSON; none where it is larger."""
    body = request.body
    if not body or len(body) > BODY_BYTES:
        return []
    if body[:1] in b"{[":
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            return []
        return list(_leaves(document, ("post", "json_doc"), "", 0))[:LEAVES]
    return list(_form(body)) if b"=" in body[:256] else []


def _form(body: bytes) -> Iterator[Parameter]:
    for pair in body.split(b"&", LEAVES)[:LEAVES]:
        name, mark, value = pair.partition(b"=")
        if mark and len(name) <= 256:
            text = unquote_to_bytes(name.replace(b"+", b" ")).decode("utf-8", "replace")
            yield ("post", "form_urlencoded", text), text, unquote_to_bytes(value.replace(b"+", b" "))


def _leaves(value: Any, point: tuple[str, ...], name: str, depth: int) -> Iterator[Parameter]:
    if isinstance(value, dict) and depth < DEPTH:
        for key, inner in list(value.items())[:LEAVES]:
            yield from _leaves(inner, (*point, "hash", key), key, depth + 1)
    elif isinstance(value, list) and depth < DEPTH:
        for inner in value[:LEAVES]:
            yield from _leaves(inner, (*point, "array", ""), name, depth + 1)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield point, name, str(value).encode("utf-8", "replace")
