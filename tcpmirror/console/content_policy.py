"""Lets the browser run only the scripts a page came with: a fresh nonce on each of them, named in the page's policy.

NiceGUI compiles its templates in the browser, so 'unsafe-eval' stays; inline scripts, event handlers in markup and scripts
from elsewhere do not run.
"""

from __future__ import annotations

import secrets
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "object-src 'none'; frame-ancestors 'none'"
)


class ContentPolicy:
    """ASGI middleware for HTML answers that bring no policy of their own.

    Such a page is held until it is whole; pages here are tens of kilobytes. Traffic text in it has its `<` escaped (it
    stands in a script as data), so no `<script` of a stranger's can be given a nonce.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif message["type"] == "http.response.body" and start is not None:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await _send_page(start, bytes(body), send)
            else:
                await send(message)

        await self._app(scope, receive, hold)


def _is_page(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    return headers.get("content-type", "").startswith("text/html") and "content-security-policy" not in headers


async def _send_page(start: Message, body: bytes, send: Send) -> None:
    nonce = secrets.token_urlsafe(16)
    body = body.replace(b"<script", b'<script nonce="%s"' % nonce.encode())
    headers = MutableHeaders(scope=start)
    headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
    headers["Content-Length"] = str(len(body))
    await send(start)
    await send({"type": "http.response.body", "body": body})
