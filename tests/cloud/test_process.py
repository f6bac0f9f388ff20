"""The cloud process as the supervisor starts it: forked, with shared counters, told to stop by a signal."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes.cloud import database_address
from tcpmirror.processes.context import Context
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.tree import Cloud, Console, Limits, Settings, Supervisor
from tests.cloud.running import PASSWORD, report, until

TOKEN = "deploy-token-of-the-sensor"


def context_for(directory: Path, port: int, *, pages: bool) -> Context:
    settings = Settings(
        cloud=Cloud(listen_address=f"127.0.0.1:{port}"),
        supervisor=Supervisor(state_dir=str(directory)),
        console=Console(enabled=pages),
    )
    layout = SharedLayout(1, 1, Limits(segment_ring_bytes=65536, report_ring_bytes=65536))
    return Context(ProcessName("cloud", 0), settings, layout, bytes(16), deploy_token=TOKEN, admin_password=PASSWORD)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def forked(context: Context) -> Iterator[int]:
    from tcpmirror.processes import cloud

    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = cloud.run(context)
        except EnvironmentFault as fault:
            code = fault.exit_code
        finally:
            os._exit(code)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def exit_code(pid: int) -> int | None:
    """Return how *pid* ended, None while it runs; it stays to be reaped."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return None if found is None else found.si_status


@pytest.mark.parametrize("pages", [False, True], ids=["API alone", "with console"])
def test_process_serves_beats_counts_and_stops(tmp_path: Path, pages: bool) -> None:
    port = free_port()
    context = context_for(tmp_path, port, pages=pages)
    url = f"http://127.0.0.1:{port}"
    with forked(context) as pid, httpx.Client(base_url=url) as client:
        until(lambda: answers(client))
        made = client.post("/api/v1/nodes/register", json={"name": "a"}, headers={"Authorization": f"Bearer {TOKEN}"}).json()
        node = {"Authorization": f"Bearer {made['node_id']}.{made['secret']}"}
        batch = {"batch_id": "a", "reports": [report(1), 5]}
        assert client.post("/api/v1/batches", json=batch, headers=node).json()["accepted"] == 1
        assert client.post("/api/v1/session", json={"user": "admin", "password": PASSWORD}).status_code == 200
        assert client.get("/attacks").status_code == (200 if pages else 404)
        beat = context.counters.get("heartbeat_ns")
        until(lambda: context.counters.get("heartbeat_ns") > beat)
        assert time.monotonic_ns() - context.counters.get("heartbeat_ns") < 5 * 10**9
        assert (context.counters.get("reports"), context.counters.get("quarantined")) == (1, 1)
        os.kill(pid, signal.SIGTERM)
        assert until(lambda: exit_code(pid) is not None) and exit_code(pid) == 0
    assert Path(database_address(context.settings)).stat().st_mode & 0o777 == 0o600


def test_taken_address_ends_the_process_with_the_environment_code(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        context = context_for(tmp_path, taken.getsockname()[1], pages=False)
        with forked(context) as pid:
            assert until(lambda: exit_code(pid) is not None) and exit_code(pid) == 4


def test_database_is_where_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(supervisor=Supervisor(state_dir="/s"))
    assert database_address(settings) == "/s/cloud.db"
    assert database_address(replace(settings, cloud=Cloud(database="/d/x.db"))) == "/d/x.db"


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/openapi.json").status_code == 200
    except httpx.TransportError:
        return False
