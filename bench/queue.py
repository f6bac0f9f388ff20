"""`python -m bench.queue [--batches N] [--workers 1,2,4]`: findings a second that ingestion workers store off a queue.

A nats-server and a PostgreSQL of its own (commits wait for the disk), the workers as processes. Batches of 500 findings
are made before the first is given to the queue; the clock runs from then until the queue is empty.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

import nats
import zstandard

from bench.cloud.ingesting import BATCH, body_of
from bench.nats import NatsServer
from bench.network import wait_until
from bench.postgresql import PostgreSQL
from tcpmirror.cloud.database import open_database
from tcpmirror.cloud.nodes import NodeCredential, register_node
from tcpmirror.model.queued_batch import BATCHES, STREAM, headers_of

ENDS_WITHIN_S = 600.0
ABOUT = {"name": "bench", "group_name": "", "version": "", "mode": "", "hostname": ""}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.queue")
    parser.add_argument("--batches", type=int, default=60, help="of 500 findings (default: %(default)s)")
    parser.add_argument("--workers", default="1,2,4", help="how many at a time (default: %(default)s)")
    options = parser.parse_args()
    print("workers  findings/s  CPU s of the workers")
    with PostgreSQL(durable=True) as postgresql:
        for workers in map(int, options.workers.split(",")):
            rate, cpu_s = measured(postgresql, options.batches, workers)
            print(f"{workers:7}  {rate:10,.0f}  {cpu_s:20.1f}", flush=True)
    return 0


def measured(postgresql: PostgreSQL, batches: int, workers: int) -> tuple[float, float]:
    """Return findings a second, and the CPU seconds of all workers."""
    address = postgresql.new_database()
    database = open_database(address)
    node = register_node(database, ABOUT, time.time_ns())
    with NatsServer() as server, tempfile.TemporaryDirectory(prefix="tcpmirror-queue-") as directory:
        running = [_worker(address, server.url, Path(directory) / f"{number}.log") for number in range(workers)]
        try:
            wait_until(lambda: _logs(directory).count("taking batches") == workers, "the workers are ready", 60)
            bodies = _bodies(batches)
            before_s, began = sum(map(_cpu_s, running)), time.monotonic()
            asyncio.run(_fill(server.url, node, bodies))
            wait_until(lambda: asyncio.run(_waiting(server.url)) == 0, "the queue is empty", ENDS_WITHIN_S, 0.1)
            wall_s = time.monotonic() - began
            cpu_s = sum(map(_cpu_s, running)) - before_s
        finally:
            for process in running:
                process.kill()
                process.wait()
    database.close()
    return batches * BATCH / wall_s, cpu_s


def _worker(address: str, url: str, log: Path) -> Popen[bytes]:
    program = str(Path(sys.executable).with_name("tcpmirror-cloud"))
    with log.open("wb") as file:
        return Popen([program, "ingest", "--database", address, "--queue", url], stdout=file, stderr=file)


def _logs(directory: str) -> str:
    return "".join(path.read_text() for path in Path(directory).glob("*.log"))


def _bodies(batches: int) -> list[tuple[str, bytes]]:
    """Return the batches with their ids."""
    now_ns = time.time_ns()
    return [(f"{now_ns:x}-{number}", zstandard.compress(body_of(number, now_ns))) for number in range(batches)]


async def _fill(url: str, node: NodeCredential, bodies: list[tuple[str, bytes]]) -> None:
    secret_sha256 = hashlib.sha256(node.secret.encode()).digest()
    connection = await nats.connect(url)
    stream = connection.jetstream()
    for batch_id, body in bodies:
        headers = headers_of(node.node_id, secret_sha256, batch_id, body)
        await stream.publish(f"{BATCHES}.{node.node_id}", body, stream=STREAM, headers=headers)
    await connection.close()


async def _waiting(url: str) -> int:
    connection = await nats.connect(url)
    try:
        info: Any = await connection.jetstream().stream_info(STREAM)
        return int(info.state.messages)
    finally:
        await connection.close()


def _cpu_s(process: Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
