"""Exchanges as values, for the tests of this folder."""

from __future__ import annotations

from typing import Any

import orjson

from tcpmirror.model.exchange import Exchange, Request, Response

NOON = 1_790_000_000 * 10**9


def exchange(
    target: str = "/api/users/1000?limit=10",
    method: str = "GET",
    body: bytes = b"",
    answer: Any = None,
    *,
    status: int = 200,
    host: str = "api.example",
    media: str = "application/json",
    number: int = 0,
    said: bytes | None = None,
    **headers: str,
) -> Exchange:
    """Return an exchange; *answer* becomes JSON, *said* is the body as it is; underscores in header names become hyphens."""
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host}",
        *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items()),
    ]
    content = said if said is not None else b"" if answer is None else orjson.dumps(answer)
    time_ns = NOON + number * 1_000_000_000
    request = Request("\r\n".join([*lines, "", ""]).encode(), body, time_ns, method.encode(), target.encode())
    type_line = f"Content-Type: {media}\r\n" if media else ""
    response = Response(f"HTTP/1.1 {status} X\r\n{type_line}\r\n".encode(), content, time_ns + 2_000_000, status)
    response.end_ns = time_ns + 3_000_000
    return Exchange(request, response, b"\x0a\0\0\1", 40000, b"\x0a\0\0\2", 80)
