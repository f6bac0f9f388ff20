"""Nothing that was acknowledged is missing, and nothing is there twice: killed clouds, full disks, lost databases."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from bench.postgresql import PostgreSQL
from tcpmirror.cloud.database import open_database
from tcpmirror.cloud.schema import attacks, hits, reports
from tests.cloud.running import finding, report, until
from tests.console.conftest import RunningConsole

BATCHES, SIZE = 24, 40


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


@contextmanager
def interrupted(act, after_s: float) -> Iterator[None]:
    timer = threading.Timer(after_s, act)
    timer.start()
    yield
    timer.join()


@pytest.mark.slow
def test_killed_cloud_keeps_what_it_acknowledged_and_doubles_nothing(tmp_path: Path, address: str) -> None:
    first = RunningConsole(tmp_path, "--database", address)
    node = first.node()
    answers: list[int] = []
    with interrupted(first.kill, 0.3):
        for number in range(BATCHES):
            answers.append(send(node, number))
            if not answers[-1]:
                break
    first.kill()
    acknowledged = answers.count(200)
    assert stored(address)[0] >= acknowledged * SIZE
    with RunningConsole(tmp_path, "--database", address) as second:
        credential = {"Authorization": node.headers["authorization"]}
        with httpx.Client(base_url=second.url, headers=credential, timeout=20) as again:
            assert [send(again, number) for number in range(BATCHES)] == [200] * BATCHES
            taken = again.post("/api/v1/batches", json=batch(0)).json()
        assert taken["duplicate"] and "Traceback" not in second.output
    assert stored(address) == (BATCHES * SIZE,) * 3


@pytest.mark.slow
def test_database_lost_in_the_middle_costs_time_only(tmp_path: Path) -> None:
    with PostgreSQL() as server:
        address = server.new_database()
        with RunningConsole(tmp_path, "--database", address) as cloud, cloud.node() as node:
            answers: list[int] = []
            with interrupted(lambda: server.stop(signal.SIGQUIT), 0.2):
                for number in range(BATCHES):
                    answers.append(send(node, number))
                    if answers[-1] != 200:
                        break
            until(lambda: send(node, BATCHES) == 503)
            server.start()
            assert [send(node, number) for number in range(BATCHES)] == [200] * BATCHES
        assert set(answers) <= {200, 503}
        assert stored(address) == (BATCHES * SIZE,) * 3


@pytest.mark.slow
def test_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with RunningConsole(tmp_path) as cloud, cloud.node() as node:
        room = (tmp_path / "cloud.db-wal").stat().st_size + 2_000_000
        resource.prlimit(cloud.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        answers = [send(node, number, padding=4_000) for number in range(BATCHES)]
        assert answers[0] == 200 and 503 in answers and set(answers) == {200, 503}
        resource.prlimit(cloud.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert [send(node, number, padding=4_000) for number in range(BATCHES)] == [200] * BATCHES
        assert "Traceback" not in cloud.output
    assert stored(str(tmp_path / "cloud.db")) == (BATCHES * SIZE,) * 3
