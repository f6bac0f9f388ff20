"""An ingestion worker: takes batches off a NATS JetStream and stores them, beside as many others as there are.

A batch is taken off the stream after its commit, so whoever dies in between leaves it to the next, and the store knows by
its id, and by those of its reports, what it has. What can never be stored is moved to a subject of its own, and told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import nats
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import Error as StreamError
from nats.js.errors import NotFoundError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tcpmirror.cloud.batch import BatchTooLarge, MalformedBatch, decoded_body, parse_batch
from tcpmirror.cloud.ingest import Receipt, store_batch
from tcpmirror.cloud.schema import nodes
from tcpmirror.cloud.service import Service
from tcpmirror.errors import EnvironmentFault
from tcpmirror.model.queued_batch import BATCH, BATCHES, KNOWN_BY, NODE, REASON, REFUSED, STREAM, is_proven
from tcpmirror.telemetry.logs import escape_controls

CONSUMER: Final = "ingest"  # one for all workers: JetStream gives each batch to one of them
TAKEN_AT_ONCE: Final = 4  # batches asked for together; what is not stored within ACK_WAIT_S goes to another worker
ACK_WAIT_S: Final = 8.0  # a batch takes a fraction of a second; one that is stored by two is stored once
FETCH_S: Final = 1.0
RETRY_S: Final = 1.0  # after the store, or the queue, failed
log = logging.getLogger(__name__)


class UnknownNodeError(Exception):
    """Not signed by the node that it names, or by none that is registered."""


@dataclass(slots=True)
class QueueIntake:
    """Stores what is on the stream at *url* until *stopping* says so. ``stored`` and ``refused`` count batches."""

    service: Service
    url: str
    token: str
    stopping: Callable[[], bool]
    queue_bytes: int
    tls: ssl.SSLContext | None = None
    patience_s: float = 10.0  # at the start; later, a queue that is away is waited for
    stored: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)
    is_taking: bool = field(default=False, init=False)

    def run(self) -> None:
        """EnvironmentFault: the queue cannot be reached at the start, or has another stream of this name."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        try:
            connecting = nats.connect(
                self.url,
                token=self.token or None,
                tls=self.tls,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.5,
                error_cb=_told,
            )
            connection = await asyncio.wait_for(connecting, self.patience_s)
            stream = connection.jetstream(timeout=5.0)
            await ensure_stream(stream, self.queue_bytes)
            taking = await subscription(stream)
        except (NatsError, StreamError, OSError, TimeoutError) as error:
            raise EnvironmentFault(f"--queue {self.url}: {type(error).__name__}: {error}") from error
        log.info("taking batches off %s", self.url)
        self.is_taking = True
        try:
            while not self.stopping():
                await self._take(stream, taking)
        finally:
            with contextlib.suppress(NatsError, OSError, TimeoutError):  # it may be away; what was not acknowledged stays
                await connection.close()

    async def _take(self, stream: JetStreamContext, taking: JetStreamContext.PullSubscription) -> None:
        """Store the next batches. A queue that does not answer is waited for: its client connects again by itself."""
        try:
            messages = await taking.fetch(TAKEN_AT_ONCE, timeout=FETCH_S)
            for number, message in enumerate(messages):
                for other in messages[number:]:
                    await other.in_progress()
                await self._settle(stream, message)
        except TimeoutError:  # nothing came (nats.errors.TimeoutError is one)
            return
        except (NatsError, StreamError, OSError) as error:
            log.warning("the queue: %s: %s", type(error).__name__, error)
            await asyncio.sleep(RETRY_S)

    async def _settle(self, stream: JetStreamContext, message: Msg) -> None:
        """Store the batch of *message* and take it off the stream, or leave it there for later."""
        headers = message.headers or {}
        try:
            receipt = await asyncio.to_thread(self._store, headers, message.data)
        except (DBAPIError, PoolTimeoutError) as error:
            log.error("the store failed, the batch stays on the queue: %s", getattr(error, "orig", error))
            await asyncio.sleep(RETRY_S)
            await message.nak()
            return
        except (MalformedBatch, BatchTooLarge, UnknownNodeError) as error:
            await self._set_aside(stream, message, str(error) or type(error).__name__)
            self.refused += 1
            return
        await message.ack()
        self.stored += not receipt.duplicate

    async def _set_aside(self, stream: JetStreamContext, message: Msg, reason: str) -> None:
        """Move a batch that will never be stored to where somebody may look at it."""
        headers = message.headers or {}
        node = headers.get(NODE, "")
        node = node if node.isascii() and node.isalnum() else "nobody"  # it becomes a part of a subject
        # Under its own name: the stream would take one that it has seen for the batch that is there already.
        said = {**headers, KNOWN_BY: f"refused.{headers.get(KNOWN_BY, node)}", REASON: escape_controls(reason)[:500]}
        await stream.publish(f"{REFUSED}.{node}", message.data, headers=said)
        await message.ack()
        log.error("a batch of node %s is refused and kept under %s: %s", node, REFUSED, reason)

    def _store(self, headers: dict[str, str], body: bytes) -> Receipt:
        """Return the receipt, committed. MalformedBatch, BatchTooLarge, UnknownNodeError: never; DBAPIError: not now."""
        node_id = headers.get(NODE, "")
        with self.service.database.reading() as connection:
            secret = connection.execute(select(nodes.c.secret_sha256).where(nodes.c.id == node_id)).scalar()
        if secret is None or not is_proven(headers, secret, body):
            raise UnknownNodeError("it is not signed by a node that is registered")
        batch = parse_batch(decoded_body(body, "zstd"))
        if batch.batch_id != headers.get(BATCH):
            raise MalformedBatch("another batch is in it than its headers say")
        service = self.service
        return store_batch(service.database, node_id, batch, service.clock(), service.book, service.sampler)


async def ensure_stream(stream: JetStreamContext, queue_bytes: int) -> None:
    """Make the stream if it is not there: on disk, each batch until it is stored, and no new ones where it is full."""
    try:
        await stream.stream_info(STREAM)
    except NotFoundError:
        await stream.add_stream(
            StreamConfig(
                name=STREAM,
                subjects=[f"{BATCHES}.*", f"{REFUSED}.*"],
                retention=RetentionPolicy.WORK_QUEUE,
                storage=StorageType.FILE,
                discard=DiscardPolicy.NEW,
                max_bytes=queue_bytes,
                duplicate_window=600,
            )
        )


async def subscription(stream: JetStreamContext) -> JetStreamContext.PullSubscription:
    """Return this worker's share of the batches."""
    wanted = ConsumerConfig(
        durable_name=CONSUMER, ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_WAIT_S, filter_subject=f"{BATCHES}.*"
    )
    return await stream.pull_subscribe(f"{BATCHES}.*", durable=CONSUMER, stream=STREAM, config=wanted)


async def _told(error: Any) -> None:
    log.debug("the queue: %s", error)
