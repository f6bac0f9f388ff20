"""What nodes send: registration, batches of reports, heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError

from tcpmirror.cloud.api.access import Calling, Problem, Shared, calling_node, only
from tcpmirror.cloud.batch import BODY_LIMIT, BatchIn, BatchTooLarge, MalformedBatch, decoded_body, parse_batch
from tcpmirror.cloud.ingest import Receipt, Sent, store_batches
from tcpmirror.cloud.nodes import record_heartbeat, register_node
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.served_rules import public_key
from tcpmirror.cloud.service import Service

# Bodies held at once: 8 x (32 MiB sent + 32 MiB decoded) is the most that ingestion takes of memory; more get 429.
BATCHES_AT_ONCE: Final = 8
BODY_DEADLINE_S: Final = 30.0  # a node that dribbles its body gives its place back
_RETRY_AFTER_S: Final = 1
_STATS_LIMIT: Final = 64 * 1024

_Name = Annotated[str, Field(max_length=256)]


class NodeWish(BaseModel):
    """A sensor that wants to report."""

    name: Annotated[_Name, Field(examples=["mirror-1"])]
    group: Annotated[_Name, Field(examples=["production"])] = ""
    version: Annotated[_Name, Field(examples=["0.1.0"])] = ""
    mode: Annotated[_Name, Field(examples=["tcp-capture"])] = ""
    hostname: Annotated[_Name, Field(examples=["mirror-1.example"])] = ""


class NewNode(BaseModel):
    """The node's credential, used as `Authorization: Bearer <node_id>.<secret>`. Shown here and never again."""

    node_id: Annotated[str, Field(examples=["5f0c5a1be2d34f6a8b7c6d5e4f3a2b1c"])]
    secret: Annotated[str, Field(examples=["7tS0m3Random"])]
    rules_key: Annotated[str, Field(description="Ed25519 key that signs rules for nodes, Base64; to be pinned.")]


class QuarantinedReport(BaseModel):
    index: Annotated[int, Field(description="Place of the report in the batch, from 0.", examples=[3])]
    reason: Annotated[str, Field(examples=["status: Input should be a valid integer"])]


class BatchReceipt(BaseModel):
    """What became of a batch, after it was committed."""

    batch_id: Annotated[str, Field(examples=["b-00000042-0017"])]
    accepted: Annotated[int, Field(description="Reports that are stored now, also those that were before.", examples=[499])]
    duplicate: Annotated[bool, Field(description="This batch was taken before; nothing was stored.")]
    quarantined: list[QuarantinedReport]


class Heartbeat(BaseModel):
    stats: dict[str, Any] = Field(default_factory=dict, examples=[{"packets": 120345, "coverage": 1.0}])


@dataclass(slots=True)
class _Waiting:
    """A batch that is to be stored. ``is_tried``: it was tried with others, and what became of it is in ``receipt``."""

    sent: Sent
    receipt: Receipt | None = None
    is_tried: bool = False


class Intake:
    """Bounds how many batches are held at once; one thread takes them apart and writes all that wait with one commit.

    One thread, as SQLite lets go of Python's lock at each row: with another one computing, every row would wait its turn.
    """

    def __init__(self) -> None:
        self._held = 0
        self._waiting: list[_Waiting] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ingest")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one place while a batch is read and stored; 429 if none is free."""
        if self._held >= BATCHES_AT_ONCE:
            raise HTTPException(429, "Too many batches at once.", headers={"Retry-After": str(_RETRY_AFTER_S)})
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    async def store(self, service: Service, node_id: str, raw: bytes, coding: str) -> Receipt:
        """Return the receipt of the batch in *raw*, committed. Raises MalformedBatch, BatchTooLarge, DBAPIError."""
        loop = asyncio.get_running_loop()
        one = _Waiting(await loop.run_in_executor(self._writer, _read, node_id, raw, coding))
        self._waiting.append(one)
        try:
            return await loop.run_in_executor(self._writer, self._write, service, one)
        finally:
            self._waiting.remove(one)

    def _write(self, service: Service, one: _Waiting) -> Receipt:
        """Store *one*, with one commit for it and all others that wait."""
        if one.receipt is not None:
            return one.receipt
        together = [each for each in tuple(self._waiting) if not each.is_tried]
        for each in together:
            each.is_tried = True
        if one in together and len(together) > 1:
            # What is wrong with one of them must not be the others' trouble: then each is stored by itself.
            with suppress(DBAPIError):
                for each, receipt in zip(together, _stored(service, together), strict=True):
                    each.receipt = receipt
        return one.receipt or _stored(service, [one])[0]

    def close(self) -> None:
        """Finish the batches being written; none that waits is begun."""
        self._writer.shutdown(wait=True, cancel_futures=True)


def _read(node_id: str, raw: bytes, coding: str) -> Sent:
    return Sent.of(node_id, parse_batch(decoded_body(raw, coding)))


def _stored(service: Service, waiting: Sequence[_Waiting]) -> list[Receipt]:
    sent = [each.sent for each in waiting]
    return store_batches(service.database, sent, service.clock(), service.book, service.sampler)


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not a batch."},
    401: {"model": Problem},
    408: {"model": Problem, "description": "The body did not arrive in time."},
    413: {"model": Problem, "description": f"The body passes {BODY_LIMIT} bytes, compressed or decoded."},
    429: {"model": Problem, "description": "Too many batches at once; see Retry-After."},
    503: {"model": Problem, "description": "The store failed; nothing was stored, send the batch again."},
}
_REFERENCE = "#/components/schemas/{model}"
_BATCH_BODY = {
    "required": True,
    "description": "JSON, with `Content-Encoding: gzip`, `zstd` or none.",
    "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model="BatchIn")}}},
}

router = APIRouter(prefix="/api/v1", tags=["Nodes"])


@router.post(
    "/nodes/register",
    status_code=201,
    dependencies=[only(Role.DEPLOY)],
    responses={401: {"model": Problem}, 403: {"model": Problem}},
)
def register(wish: NodeWish, service: Shared, caller: Calling) -> NewNode:
    """Register a node with an API token of the role deploy."""
    about = wish.model_dump(exclude={"group"}) | {"group_name": wish.group}
    credential = register_node(service.database, about, service.clock(), caller.actor)
    return NewNode(node_id=credential.node_id, secret=credential.secret, rules_key=public_key(service.database))


@router.post("/batches", responses=_REFUSALS, openapi_extra={"requestBody": _BATCH_BODY})
async def take_batch(request: Request, service: Shared, node_id: Annotated[str, Depends(calling_node)]) -> BatchReceipt:
    """Take a batch of reports; the answer comes after the commit.

    The same `batch_id` of the same node again stores nothing and says `duplicate`. A report that is not sound is kept apart
    with its reason and does not hold up the others.
    """
    intake: Intake = request.app.state.intake
    try:
        async with intake.place():
            raw = await _body(request)
            receipt = await intake.store(service, node_id, raw, request.headers.get("content-encoding", ""))
    except MalformedBatch as error:
        service.counters.add("rejected")
        raise HTTPException(400, str(error)) from error
    except BatchTooLarge as error:
        service.counters.add("rejected")
        raise HTTPException(413, f"A batch has at most {BODY_LIMIT} bytes, compressed and decoded.") from error
    except HTTPException:
        service.counters.add("rejected")
        raise
    _count(service, receipt)
    return BatchReceipt(
        batch_id=receipt.batch_id,
        accepted=receipt.accepted,
        duplicate=receipt.duplicate,
        quarantined=[QuarantinedReport(index=index, reason=reason) for index, reason in receipt.quarantined],
    )


@router.post(
    "/nodes/heartbeat",
    status_code=204,
    responses={400: {"model": Problem}, 401: {"model": Problem}, 413: {"model": Problem}},
)
def heartbeat(beat: Heartbeat, service: Shared, node_id: Annotated[str, Depends(calling_node)]) -> None:
    """Tell that the node is alive, and how it is doing."""
    try:
        stats = bounded(beat.stats)
        size = len(orjson.dumps(stats))
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise HTTPException(400, f"stats: {error}") from error
    if size > _STATS_LIMIT:
        raise HTTPException(413, f"stats: at most {_STATS_LIMIT} bytes.")
    record_heartbeat(service.database, node_id, stats, service.clock())


def bounded(value: Any) -> Any:
    """Return *value* with integers beyond 64 bits, which no store takes, cut to the nearest that is not."""
    match value:
        case dict():
            return {name: bounded(each) for name, each in value.items()}
        case list():
            return [bounded(each) for each in value]
        case bool():
            return value
        case int():
            return max(-(2**63), min(value, 2**63 - 1))
    return value


def batch_schemas() -> dict[str, Any]:
    """Return the models of a batch for the OpenAPI document; FastAPI does not see them, the body is read by hand."""
    schema = BatchIn.model_json_schema(ref_template=_REFERENCE)
    return {**schema.pop("$defs"), "BatchIn": schema}


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > BODY_LIMIT:
        raise BatchTooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise BatchTooLarge
    except TimeoutError as error:
        raise HTTPException(408, f"The body did not arrive within {BODY_DEADLINE_S:.0f} s.") from error
    return bytes(body)


def _count(service: Service, receipt: Receipt) -> None:
    service.counters.add("batches")
    if receipt.duplicate:
        service.counters.add("duplicate_batches")
        return
    service.counters.add("reports", receipt.accepted)
    service.counters.add("quarantined", len(receipt.quarantined))
