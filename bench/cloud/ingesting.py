"""How many findings a second the cloud takes: whole batches, as they come over the wire, from one sensor or several."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import orjson
from zstandard import ZstdCompressor

from bench.cloud.skew import AttackPlan, Population, request_of
from tcpmirror.cloud.api.ingestion import Intake
from tcpmirror.cloud.batch import Batch, parse_batch
from tcpmirror.cloud.collector import settle_collector
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.sampling import Sampler
from tcpmirror.cloud.service import Service
from tcpmirror.model.report import report_id

BATCH: Final = 500  # reports, as a sensor sends them
_ATTACKS: Final = 4_000  # that are going on at the same time
_RESPONSE: Final = base64.b64encode(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").decode()
_population: dict[int, list[AttackPlan]] = {}


@dataclass(frozen=True, slots=True)
class Rate:
    """Findings that were stored, and the seconds this took: in all, and of this process's CPU."""

    findings: int
    wall_s: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.findings / self.wall_s


def ingestion_rate(database: Database, batches: int, senders: int = 4) -> Rate:
    """Store *batches* batches of 500 findings as sensors send them, *senders* of them at a time; return how fast that was.

    A sender's next batch comes after the one before is committed, as with sensors.
    """
    bodies = [ZstdCompressor(level=3).compress(body_of(number, time.time_ns())) for number in range(batches)]
    service, intake = Service(database, sampler=Sampler("off")), Intake()

    async def send(mine: list[bytes], node_id: str) -> None:
        for body in mine:
            await intake.store(service, node_id, body, "zstd")

    async def send_all() -> None:
        run = f"{time.time_ns():x}"
        await asyncio.gather(*(send(bodies[at::senders], f"{run}-{at}") for at in range(senders)))

    settle_collector()  # as the processes of a cloud do
    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(send_all())
    rate = Rate(batches * BATCH, time.perf_counter() - wall, time.process_time() - cpu)
    intake.close()
    return rate


def batch_of(number: int, time_ns: int) -> Batch:
    return parse_batch(body_of(number, time_ns))


def body_of(number: int, time_ns: int) -> bytes:
    """Return the JSON text of a batch of findings at *time_ns*, spread over some thousand attacks with the usual skew."""
    draw = Random(f"{number}/{time_ns}")
    return orjson.dumps({"batch_id": f"{time_ns:x}-{number}", "reports": [_report(draw, time_ns) for _ in range(BATCH)]})


def _plans() -> list[AttackPlan]:
    if not _population:
        population = Population(2, time.time_ns())
        _population[0] = [population.attack(1 + 4_000 // rank) for rank in range(1, _ATTACKS)]
    return _population[0]


def _report(draw: Random, time_ns: int) -> dict[str, Any]:
    plans = _plans()
    plan = plans[int(len(plans) ** draw.random()) - 1]
    source, payload, status = draw.choice(plan.sources), draw.choice(plan.payloads), draw.choice(plan.statuses)
    uri = f"{plan.path}?{plan.parameter}={payload}"
    finding = {"type": plan.type, "point": ["get", plan.parameter], "payload": payload, "rule": "bench", "confidence": 0.9}
    return {
        "id": report_id(source, plan.host, time_ns, draw.getrandbits(64)),
        "time_ns": time_ns,
        "duration_ns": 1_500_000,
        "client": f"{source}:51544",
        "server": "10.0.0.5:80",
        "real_ip": source,
        "encapsulation": "",
        "protocol": "HTTP/1.1",
        "method": plan.method,
        "host": plan.host,
        "uri": uri,
        "status": status,
        "request_bytes": 0,
        "response_bytes": 2,
        "application": -1,
        "anomalies": [],
        "findings": [finding],
        "request_b64": base64.b64encode(request_of(plan, uri)).decode(),
        "response_b64": _RESPONSE,
    }
