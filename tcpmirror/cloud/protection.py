"""What every answer carries and every request must pass: security headers, bounded bodies, no calls from other sites."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALL_BODY: Final = 1024 * 1024  # bytes of any request but a batch, which has a limit and a deadline of its own
_BATCHES: Final = "/api/v1/batches"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_ONLY_TLS: Final = "max-age=31536000"  # browsers heed it only behind a certificate that they trust (RFC 6797, section 8.1)


class Protection:
    """ASGI middleware: adds missing headers to answers, refuses large bodies and what other sites' pages send.

    A browser names the page's site in Origin with every unsafe request and every WebSocket; programs send none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if _is_foreign(scope):
            await _refuse(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS and scope["path"] != _BATCHES:
            body = await _small_body(scope, receive)
            if body is None:
                await PlainTextResponse("The body is too large.\n", 413)(scope, receive, send)
                return
            receive = _replay(body, receive)

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] in ("https", "wss"):
                    headers.setdefault("Strict-Transport-Security", _ONLY_TLS)
            await send(message)

        await self._app(scope, receive, send_protected)


async def _small_body(scope: Scope, receive: Receive) -> bytes | None:
    declared = Headers(scope=scope).get("content-length", "0")
    body = bytearray()
    more = declared.isdecimal() and int(declared) <= SMALL_BODY
    if not more:
        return None
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > SMALL_BODY:
            return None
        more = message.get("more_body", False)
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _is_foreign(scope: Scope) -> bool:
    if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
        return False
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await PlainTextResponse("Requests from other sites are refused.\n", 403)(scope, receive, send)
