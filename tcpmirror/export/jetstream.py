"""Publishing into a NATS JetStream: a connection for what is sent together, and faults as those of a delivery."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.client import JetStreamContext
from nats.js.errors import Error as StreamError

from tcpmirror.export.delivery import DeliveryError, reason_of

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class JetStream:
    """The server at *url*; *tls*: what verifies it, None without TLS."""

    url: str
    token: str
    timeout_s: float
    tls: ssl.SSLContext | None = None

    def publish(self, send: Callable[[Client, JetStreamContext], Awaitable[_Told]]) -> _Told:
        """Return what *send* returns, which is given a connection and its stream; DeliveryError: later."""
        try:
            return asyncio.run(asyncio.wait_for(self._publish(send), self.timeout_s))
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            raise DeliveryError(f"{self.url}: {type(error).__name__}: {error}", reason_of(error)) from error

    async def _publish(self, send: Callable[[Client, JetStreamContext], Awaitable[_Told]]) -> _Told:
        connection = await nats.connect(
            self.url,
            token=self.token or None,
            tls=self.tls,
            allow_reconnect=False,
            connect_timeout=max(1, round(self.timeout_s)),
            error_cb=_already_raised,
        )
        try:
            return await send(connection, connection.jetstream(timeout=self.timeout_s))
        finally:
            await connection.close()


async def _already_raised(error: Exception) -> None:
    """Let the library not print what `publish` raises."""
