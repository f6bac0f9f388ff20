from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from tcpmirror.cloud.database import open_database
from tcpmirror.cloud.schema import attacks
from tcpmirror.console.command import main
from tests.cloud.running import report
from tests.console.conftest import RunningConsole


@pytest.mark.slow
def test_password_and_token_are_shown_once(tmp_path: Path) -> None:
    with RunningConsole(tmp_path) as first:
        assert first.printed(r"password: \S{15,}") and first.printed(r"deploy token: \S{30,}")
        password = first.password
    assert first.process.returncode == 0
    with RunningConsole(tmp_path) as second:
        assert not second.printed("password|token")
        signed_in = httpx.post(second.url + "/api/v1/session", json={"user": "admin", "password": password})
        assert signed_in.status_code == 200
        assert not (tmp_path / ".nicegui").exists()


@pytest.mark.slow
def test_killed_in_the_middle_it_keeps_what_it_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    batches = [
        {"batch_id": f"b{at}", "reports": [report(number) for number in range(at, at + 40)]} for at in range(0, 800, 40)
    ]
    running = RunningConsole(tmp_path)
    node = running.node()
    acknowledged = 0
    for number, batch in enumerate(batches):
        if number == 8:
            running.process.kill()
        try:
            acknowledged += node.post("/api/v1/batches", json=batch).status_code == 200
        except httpx.TransportError:
            break
    assert 8 <= acknowledged < len(batches)
    running.kill()
    credential = node.headers["authorization"]
    with RunningConsole(tmp_path) as again:
        answers = [
            httpx.post(again.url + "/api/v1/batches", json=batch, headers={"Authorization": credential}).json()
            for batch in batches
        ]
        assert all(answer["duplicate"] for answer in answers[:acknowledged])
        assert [answer["accepted"] for answer in answers] == [40] * len(batches)
        assert not again.printed("Traceback")
    database = open_database(tmp_path / "cloud.db")
    with database.reading() as connection:
        assert connection.execute(select(func.sum(attacks.c.hits))).scalar_one() == 800
    database.close()


@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"])
def test_beyond_loopback_is_refused_unless_told_so(tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--database", str(tmp_path / "c.db"), "--listen", address]) == 2
    assert "--allow-remote" in capsys.readouterr().err


def test_taken_address_is_an_environment_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["run", "--database", str(tmp_path / "c.db"), "--listen", address]) == 4
    assert address in capsys.readouterr().err
