"""Batches to the cloud by way of a NATS JetStream, which stands between many sensors and several ingestion workers."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final

from nats.aio.client import Client
from nats.js.client import JetStreamContext

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.delivery import RefusedError
from tcpmirror.export.jetstream import JetStream
from tcpmirror.model.queued_batch import BATCHES, STREAM

HEADERS_BYTES: Final = 1024  # more than ours take of the largest message


@dataclass(slots=True)
class BatchQueue:
    """Publishes batches one by one; the stream's acknowledgement means that it keeps the batch."""

    server: JetStream

    def publish(self, node_id: str, headers: dict[str, str], body: bytes) -> bool:
        """Return whether the stream had this batch already. DeliveryError: later; RefusedError: too large for the queue."""

        async def published(connection: Client, stream: JetStreamContext) -> bool:
            if len(body) + HEADERS_BYTES > connection.max_payload:
                raise RefusedError(f"{len(body)} bytes, the queue takes {connection.max_payload} in a message")
            taken = await stream.publish(f"{BATCHES}.{node_id}", body, stream=STREAM, headers=headers)
            return bool(taken.duplicate)

        return self.server.publish(published)


def tls_of(url: str, ca_file: str) -> ssl.SSLContext | None:
    """Return what verifies the server of a `tls://` URL; EnvironmentFault if *ca_file* cannot be read."""
    if not url.startswith("tls:"):
        return None
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise EnvironmentFault(f"cloud.queue.ca_file: {ca_file}: {error}") from error
