"""Batches by way of a queue: stored once whoever dies in between, and never dropped."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
import zstandard
from sqlalchemy import func, select

from bench.nats import NatsServer, program
from bench.postgresql import PostgreSQL
from tcpmirror.cloud.database import Database, open_database
from tcpmirror.cloud.nodes import NodeCredential, register_node
from tcpmirror.cloud.queue_intake import CONSUMER, QueueIntake
from tcpmirror.cloud.sampling import Sampler
from tcpmirror.cloud.schema import attacks, hits, reports
from tcpmirror.cloud.service import Service
from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.client import BatchRefusedError, CloudClient, CloudError, Identity
from tcpmirror.export.delivery import DeliveryError
from tcpmirror.export.jetstream import JetStream
from tcpmirror.export.queue import BatchQueue
from tcpmirror.model.queued_batch import REFUSED, STREAM, headers_of
from tests.cloud.running import DEPLOY, NOON, RunningCloud, finding, report, until

TOKEN = "queue-token"
SIZE = 20
ABOUT = {"name": "n", "group_name": "", "version": "", "mode": "", "hostname": ""}


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[NatsServer]:
    if program() is None:
        if request.config.getoption("--complete"):
            pytest.fail("nats-server is not installed")
        pytest.skip("nats-server is not installed")
    with NatsServer(TOKEN) as running:
        yield running


@pytest.fixture
def queue(server: NatsServer) -> Iterator[BatchQueue]:
    """An empty queue."""
    yield BatchQueue(JetStream(server.url, TOKEN, timeout_s=5.0))
    with_stream(server, lambda stream: stream.delete_stream(STREAM))


def with_stream(server: NatsServer, what: Callable[[Any], Any]) -> Any:
    async def asked() -> Any:
        connection = await nats.connect(server.url, token=TOKEN)
        try:
            return await what(connection.jetstream())
        finally:
            await connection.close()

    return asyncio.run(asked())


def body_of(number: int) -> bytes:
    sent = [
        report(each, findings=[finding(payload=f"{each}' or 1=1")]) for each in range(number * SIZE, (number + 1) * SIZE)
    ]
    return zstandard.compress(orjson.dumps({"batch_id": f"b{number}", "reports": sent}))


def signed(node: NodeCredential, number: int, body: bytes) -> dict[str, str]:
    return headers_of(node.node_id, hashlib.sha256(node.secret.encode()).digest(), f"b{number}", body)


def counted(database: Database) -> tuple[int, int, int]:
    """Return how many reports and hits are stored, and how many hits the attacks count."""
    with database.reading() as connection:
        found = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (reports, hits)]
        total = connection.execute(select(func.sum(attacks.c.hits))).scalar()
    return found[0], found[1], int(total or 0)


@contextmanager
def taking(server: NatsServer, database: Database, size_bytes: int = 1 << 26) -> Iterator[QueueIntake]:
    """Let a worker run in a thread."""
    stopping = threading.Event()
    service = Service(database, sampler=Sampler("off"))
    intake = QueueIntake(service, server.url, TOKEN, stopping.is_set, size_bytes)
    thread = threading.Thread(target=intake.run)
    thread.start()
    try:
        until(lambda: intake.is_taking)
        yield intake
    finally:
        stopping.set()
        thread.join(30)


def waiting(server: NatsServer) -> int:
    info = with_stream(server, lambda stream: stream.stream_info(STREAM))
    return int(info.state.messages)


def unsettled(server: NatsServer) -> int:
    """How many batches no worker has acknowledged. A server killed at that moment may keep one that is."""
    info = with_stream(server, lambda stream: stream.consumer_info(STREAM, CONSUMER))
    return int(info.num_pending + info.num_ack_pending)


def test_a_batch_is_stored_once_however_often_it_comes(server: NatsServer, queue: BatchQueue, database: Database) -> None:
    node = register_node(database, ABOUT, NOON)
    body = body_of(0)
    with taking(server, database) as intake:
        assert not queue.publish(node.node_id, signed(node, 0, body), body)
        assert queue.publish(node.node_id, signed(node, 0, body), body)
        # Beyond the window in which the stream knows it, the store does.
        queue.publish(node.node_id, signed(node, 0, body) | {"Nats-Msg-Id": "other"}, body)
        until(lambda: waiting(server) == 0)
        assert (intake.stored, intake.refused) == (1, 0)
    assert counted(database) == (SIZE, SIZE, SIZE)


def _cut(node: NodeCredential) -> tuple[dict[str, str], bytes]:
    body = body_of(0)[:-9]
    return signed(node, 0, body), body


def _other_batch(node: NodeCredential) -> tuple[dict[str, str], bytes]:
    body = body_of(0)
    return signed(node, 1, body), body


def _other_body(node: NodeCredential) -> tuple[dict[str, str], bytes]:
    return signed(node, 0, body_of(0)), body_of(1)


def _stranger(node: NodeCredential) -> tuple[dict[str, str], bytes]:
    body = body_of(0)
    return signed(NodeCredential("0" * 32, node.secret), 0, body), body


def _wrong_secret(node: NodeCredential) -> tuple[dict[str, str], bytes]:
    body = body_of(0)
    return signed(NodeCredential(node.node_id, "guessed"), 0, body), body


def _no_proof(node: NodeCredential) -> tuple[dict[str, str], bytes]:
    return {}, body_of(0)


BAD = {
    "a body that is cut": _cut,
    "another batch than it says": _other_batch,
    "a body that was exchanged": _other_body,
    "of a node that is not registered": _stranger,
    "with another secret": _wrong_secret,
    "without headers": _no_proof,
}


@pytest.mark.parametrize("made", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_stored_is_set_aside_and_holds_nothing_up(
    server: NatsServer,
    queue: BatchQueue,
    postgresql: PostgreSQL,
    made: Callable[[NodeCredential], tuple[dict[str, str], bytes]],
) -> None:
    database = open_database(postgresql.new_database())
    node = register_node(database, ABOUT, NOON)
    headers, body = made(node)
    with taking(server, database) as intake:
        queue.publish(node.node_id, headers, body)
        good = body_of(7)
        queue.publish(node.node_id, signed(node, 7, good), good)
        until(lambda: (intake.stored, intake.refused) == (1, 1))
    assert counted(database)[0] == SIZE
    database.close()
    kept = with_stream(
        server, lambda stream: stream.get_last_msg(STREAM, f"{REFUSED}.{headers.get('Tcpmirror-Node', 'nobody')}")
    )
    assert kept.data == body
    assert kept.headers["Tcpmirror-Refused"]


def test_a_queue_that_is_full_takes_no_more_and_loses_nothing(
    server: NatsServer, queue: BatchQueue, postgresql: PostgreSQL
) -> None:
    database = open_database(postgresql.new_database())
    node = register_node(database, ABOUT, NOON)
    with taking(server, database, size_bytes=1):
        body = body_of(0)
        with pytest.raises(DeliveryError):
            queue.publish(node.node_id, signed(node, 0, body), body)
    database.close()


def client_of(cloud_url: str, queue: BatchQueue, directory: Path) -> CloudClient:
    identity = Identity("n", "", "", "", "")
    path = directory / "node.json"
    return CloudClient(url=cloud_url, token=DEPLOY, identity=identity, credential_path=path, direct=True, queue=queue)


def test_a_node_registers_with_the_cloud_and_sends_by_the_queue(
    cloud: RunningCloud, address: str, server: NatsServer, queue: BatchQueue, tmp_path: Path
) -> None:
    client = client_of(cloud.url, queue, tmp_path)
    database = open_database(address)
    with taking(server, database):
        assert not client.send("b0", body_of(0)).duplicate
        assert client.send("b0", body_of(0)).duplicate
        with pytest.raises(BatchRefusedError, match="the queue takes 1048576"):
            client.send("b1", bytes(1 << 20))
        until(lambda: counted(database)[0] == SIZE)
    database.close()


def test_a_queue_that_is_away_is_a_reason_to_wait(cloud: RunningCloud, tmp_path: Path) -> None:
    client = client_of(cloud.url, BatchQueue(JetStream("nats://127.0.0.1:9", TOKEN, 1.0)), tmp_path)
    with pytest.raises(CloudError, match=r"^cloud\.queue: nats://127\.0\.0\.1:9: "):
        client.send("b0", body_of(0))


def test_a_worker_says_which_queue_it_cannot_reach(postgresql: PostgreSQL) -> None:
    database = open_database(postgresql.new_database())
    intake = QueueIntake(Service(database), "nats://127.0.0.1:9", "", lambda: True, 1, patience_s=0.5)
    with pytest.raises(EnvironmentFault, match=r"^--queue nats://127\.0\.0\.1:9: "):
        intake.run()
    database.close()


class Worker:
    """`tcpmirror-cloud ingest` as a process that can be killed and started again."""

    def __init__(self, database: str, url: str, log: Path) -> None:
        program = Path(sys.executable).with_name("tcpmirror-cloud")
        self._command = [str(program), "ingest", "--database", database, "--queue", url, "--sampling", "off"]
        self._log = log
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Start it; it takes batches then. Where the queue is away at that moment it would end with a fault."""
        seen = self._log.read_text().count("taking batches off") if self._starts else 0
        self._starts += 1
        with self._log.open("ab") as log:
            environment = os.environ | {"TCPMIRROR_QUEUE_TOKEN": TOKEN}
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        until(lambda: self._log.read_text().count("taking batches off") > seen, 60)

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> int:
        self._process.send_signal(signum)
        return self._process.wait(30)


@pytest.mark.slow
def test_killing_any_of_them_under_load_loses_and_doubles_nothing(tmp_path: Path, server: NatsServer) -> None:
    batches = 90
    with PostgreSQL() as postgresql, NatsServer(TOKEN) as nats_server:
        address = postgresql.new_database()
        database = open_database(address)
        node = register_node(database, ABOUT, NOON)
        workers = [Worker(address, nats_server.url, tmp_path / f"worker-{number}.log") for number in range(2)]
        queue = BatchQueue(JetStream(nats_server.url, TOKEN, timeout_s=5.0))
        given = 0

        def give() -> None:
            nonlocal given
            while given < batches:
                body = body_of(given)
                try:
                    queue.publish(node.node_id, signed(node, given, body), body)
                except DeliveryError:
                    continue
                given += 1

        sensor = threading.Thread(target=give)
        sensor.start()
        try:
            for number, worker in enumerate(workers):
                until(lambda least=15 * (number + 1): given >= least)  # type: ignore[misc]
                worker.kill()
                worker.start()
            until(lambda: given >= 45)
            nats_server.stop(signal.SIGKILL)
            nats_server.start()
            until(lambda: given >= 70)
            postgresql.stop(signal.SIGQUIT)
            postgresql.start()
            sensor.join(60)
            given, again = 0, threading.Thread(target=give)  # a sensor that died before it noted what was taken
            again.start()
            again.join(60)
            until(lambda: unsettled(nats_server) == 0, 60)
            assert [worker.kill(signal.SIGTERM) for worker in workers] == [0, 0]
        finally:
            for worker in workers:
                worker.kill()
        assert counted(database) == (batches * SIZE,) * 3
        database.close()
