"""Nothing that was acknowledged is missing, and nothing is there twice: killed clouds, full disks, lost databases."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest
from sqlalchemy import func, select

from bench.postgresql import PostgreSQL
from tcpmirror.cloud.database import Database, open_database
from tcpmirror.cloud.schema import attacks, batches, hits, reports
from tests.cloud.running import finding, report, until
from tests.console.conftest import RunningConsole

BATCHES, SIZE, SENDERS = 24, 40, 4


def batch(number: int, padding: int = 0) -> dict[str, object]:
    first = number * SIZE
    sent = [
        report(each, request_b64="QUFB" * padding, findings=[finding(payload=f"{each}' or 1=1")])
        for each in range(first, first + SIZE)
    ]
    return {"batch_id": f"b{number}", "reports": sent}


def stored(address: str) -> tuple[int, int, int]:
    """Return how many reports and hits the store has, and how many hits its attacks count."""
    database = open_database(address)
    with database.reading() as connection:
        found = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (reports, hits)]
        counted = connection.execute(select(func.sum(attacks.c.hits))).scalar()
    database.close()
    return found[0], found[1], int(counted or 0)


def send(client: httpx.Client, number: int, padding: int = 0) -> int:
    """Return the status of the answer, 0 if there was none."""
    try:
        return client.post("/api/v1/batches", json=batch(number, padding)).status_code
    except httpx.TransportError:
        return 0


def send_all(client: httpx.Client, is_over: Callable[[int], bool]) -> list[int]:
    """Send all batches, some at the same time, each until *is_over* says so of its answer; return all answers."""

    def until_over(number: int) -> list[int]:
        answers: list[int] = []
        until(lambda: answers.append(send(client, number)) or is_over(answers[-1]), 60)
        return answers

    with ThreadPoolExecutor(SENDERS) as senders:
        return [answer for answers in senders.map(until_over, range(BATCHES)) for answer in answers]


def is_taken(answer: int) -> bool:
    return answer == 200


def was_asked(answer: int) -> bool:
    return True


@contextmanager
def interrupted(act: Callable[[], object], after_s: float) -> Iterator[None]:
    timer = threading.Timer(after_s, act)
    timer.start()
    yield
    timer.join()


def again(cloud: RunningConsole, node: httpx.Client) -> httpx.Client:
    """Return a client of the same *node* for a *cloud* that was started anew."""
    return httpx.Client(base_url=cloud.url, headers={"Authorization": node.headers["authorization"]}, timeout=20)


@pytest.mark.slow
def test_killed_cloud_keeps_what_it_acknowledged_and_doubles_nothing(tmp_path: Path, address: str) -> None:
    first = RunningConsole(tmp_path, "--database", address, "--sampling", "off")
    node = first.node()
    with interrupted(first.kill, 0.3):
        answers = send_all(node, was_asked)
    first.kill()
    acknowledged = answers.count(200)
    assert stored(address)[0] >= acknowledged * SIZE
    with RunningConsole(tmp_path, "--database", address, "--sampling", "off") as second, again(second, node) as client:
        assert set(send_all(client, is_taken)) <= {200, 429}
        assert client.post("/api/v1/batches", json=batch(0)).json()["duplicate"] and "Traceback" not in second.output
    assert stored(address) == (BATCHES * SIZE,) * 3


@pytest.mark.slow
def test_batch_whose_acknowledgement_was_lost_with_the_cloud_is_known_when_it_comes_again(
    tmp_path: Path, address: str
) -> None:
    first = RunningConsole(tmp_path, "--database", address, "--sampling", "off")
    node, database = first.node(), open_database(address)
    body = orjson.dumps(batch(0))
    head = f"POST /api/v1/batches HTTP/1.1\r\nHost: c\r\nAuthorization: {node.headers['authorization']}\r\n"
    with _connected(first.url) as unread:
        unread.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        until(lambda: _receipts(database))  # it is committed; what the cloud answers is never read
        first.kill()
    database.close()
    with RunningConsole(tmp_path, "--database", address, "--sampling", "off") as second, again(second, node) as client:
        taken = client.post("/api/v1/batches", json=batch(0)).json()
    assert (taken["duplicate"], taken["accepted"]) == (True, SIZE)
    assert stored(address) == (SIZE,) * 3


@pytest.mark.slow
def test_database_that_restarts_under_load_costs_time_only(tmp_path: Path) -> None:
    with PostgreSQL() as server:
        address = server.new_database()
        with RunningConsole(tmp_path, "--database", address, "--sampling", "off") as cloud, cloud.node() as node:
            with cloud.reader() as reader, ThreadPoolExecutor(1) as beside:
                sending = beside.submit(send_all, node, is_taken)
                until(lambda: reader.get("/api/v1/attacks").json()["attacks"])
                server.stop(signal.SIGQUIT)
                until(lambda: reader.get("/api/v1/attacks").status_code == 503)
                server.start()  # by this thread: the server ends with the one that starts it
                answers = sending.result()
                server.stop(signal.SIGQUIT)
                until(lambda: send(node, BATCHES) == 503)
                server.start()
                assert reader.get("/api/v1/attacks").json()["attacks"][0]["hits"] == BATCHES * SIZE
            assert set(send_all(node, is_taken)) <= {200, 429}
            assert "Traceback" not in cloud.output
        assert set(answers) <= {200, 429, 503}
        assert stored(address) == (BATCHES * SIZE,) * 3


@pytest.mark.slow
def test_file_that_may_not_grow_refuses_and_goes_on_when_it_may(tmp_path: Path) -> None:
    with RunningConsole(tmp_path, "--sampling", "off") as cloud, cloud.node() as node:
        room = (tmp_path / "cloud.db-wal").stat().st_size + 2_000_000
        resource.prlimit(cloud.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        answers = [send(node, number, padding=4_000) for number in range(BATCHES)]
        assert answers[0] == 200 and 503 in answers and set(answers) == {200, 503}
        resource.prlimit(cloud.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert [send(node, number, padding=4_000) for number in range(BATCHES)] == [200] * BATCHES
        assert "Traceback" not in cloud.output
    assert stored(str(tmp_path / "cloud.db")) == (BATCHES * SIZE,) * 3


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
    try:
        address = str(disk / "cloud.db")
        with RunningConsole(tmp_path, "--database", address, "--sampling", "off") as cloud, cloud.node() as node:
            answers = [send(node, number, padding=4_000) for number in range(BATCHES)]
            assert answers[0] == 200 and set(answers) == {200, 503}
            assert stored(address)[0] == answers.count(200) * SIZE
            subprocess.run(["mount", "-o", "remount,size=256m", disk], check=True)
            assert [send(node, number, padding=4_000) for number in range(BATCHES)] == [200] * BATCHES
            assert "Traceback" not in cloud.output
        assert stored(address) == (BATCHES * SIZE,) * 3
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _receipts(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(batches)).scalar_one()


def _connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)
