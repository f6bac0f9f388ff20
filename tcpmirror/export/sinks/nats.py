"""Hits into a NATS JetStream, each acknowledged by the stream and known to it by its id (`Nats-Msg-Id`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js.client import JetStreamContext

from tcpmirror.export.jetstream import JetStream
from tcpmirror.export.sinks.hit import Hit, flat_hit, json_bytes


@dataclass(slots=True)
class Nats:
    """Publishes under *subject*; a stream has to listen for the subject."""

    server: JetStream
    subject: str

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        async def published(_: Client, stream: JetStreamContext) -> None:
            for hit in hits:
                await stream.publish(self.subject, json_bytes(flat_hit(hit)), headers={"Nats-Msg-Id": hit.id})

        self.server.publish(published)

    def close(self) -> None:
        """Nothing is held open."""
