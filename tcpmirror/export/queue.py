"""Batches to the cloud by way of a NATS JetStream, which stands between many sensors and several ingestion workers."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any, Final

import nats
from nats.errors import Error as NatsError
from nats.js.errors import Error as StreamError

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.delivery import DeliveryError, RefusedError, reason_of
from tcpmirror.model.queued_batch import BATCHES, STREAM

HEADERS_BYTES: Final = 1024  # more than ours take of the largest message


@dataclass(slots=True)
class BatchQueue:
    """Publishes over a connection of its own for each batch; the stream's acknowledgement means that it keeps the batch."""

    url: str
    token: str
    timeout_s: float
    tls: ssl.SSLContext | None = None

    def publish(self, node_id: str, headers: dict[str, str], body: bytes) -> bool:
        """Return whether the stream had this batch already. DeliveryError: later; RefusedError: too large for the queue."""
        try:
            return asyncio.run(asyncio.wait_for(self._publish(f"{BATCHES}.{node_id}", headers, body), self.timeout_s))
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            raise DeliveryError(f"{self.url}: {type(error).__name__}: {error}", reason_of(error)) from error

    async def _publish(self, subject: str, headers: dict[str, str], body: bytes) -> bool:
        connection = await nats.connect(
            self.url,
            token=self.token or None,
            tls=self.tls,
            allow_reconnect=False,
            connect_timeout=max(1, round(self.timeout_s)),
            error_cb=_already_raised,
        )
        try:
            if len(body) + HEADERS_BYTES > connection.max_payload:
                raise RefusedError(f"{len(body)} bytes, the queue takes {connection.max_payload} in a message")
            stream = connection.jetstream(timeout=self.timeout_s)
            taken = await stream.publish(subject, body, stream=STREAM, headers=headers)
        finally:
            await connection.close()
        return bool(taken.duplicate)


def tls_of(url: str, ca_file: str) -> ssl.SSLContext | None:
    """Return what verifies the server of a `tls://` URL; EnvironmentFault if *ca_file* cannot be read."""
    if not url.startswith("tls:"):
        return None
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise EnvironmentFault(f"cloud.queue.ca_file: {ca_file}: {error}") from error


async def _already_raised(error: Any) -> None:
    """Let the library not print what `publish` raises."""
