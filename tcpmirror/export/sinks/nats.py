"""Hits into a NATS JetStream, each acknowledged by the stream and known to it by its id (`Nats-Msg-Id`)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import nats
from nats.errors import Error as NatsError
from nats.js.errors import Error as StreamError

from tcpmirror.export.delivery import DeliveryError, reason_of
from tcpmirror.export.sinks.hit import Hit, flat_hit, json_bytes


@dataclass(slots=True)
class Nats:
    """Publishes under *subject*, over a connection of its own for each batch; a stream has to listen for the subject."""

    url: str
    subject: str
    token: str
    timeout_s: float
    tls: ssl.SSLContext | None = None

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        try:
            asyncio.run(asyncio.wait_for(self._publish(hits), self.timeout_s))
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            raise DeliveryError(f"{self.url}: {type(error).__name__}: {error}", reason_of(error)) from error

    def close(self) -> None:
        """Nothing is held open."""

    async def _publish(self, hits: Sequence[Hit]) -> None:
        connection = await nats.connect(
            self.url,
            token=self.token or None,
            tls=self.tls,
            allow_reconnect=False,
            connect_timeout=max(1, round(self.timeout_s)),
            error_cb=_already_raised,
        )
        try:
            stream = connection.jetstream(timeout=self.timeout_s)
            for hit in hits:
                await stream.publish(self.subject, json_bytes(flat_hit(hit)), headers={"Nats-Msg-Id": hit.id})
        finally:
            await connection.close()


async def _already_raised(error: Exception) -> None:
    """Let the library not print what `send` raises."""
