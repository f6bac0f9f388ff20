"""sd_notify as a service manager hears it, on a real datagram socket."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpmirror.supervisor.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@tcpmirror-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.settimeout(5)
        yield listening, name


def test_messages_arrive_as_the_manager_reads_them(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name})
    notifier.ready("5 processes")
    notifier.stopping("asked\nREADY=1")
    notifier.status("fine")
    assert [listening.recv(4096).decode() for _ in range(3)] == [
        "READY=1\nSTATUS=5 processes",
        "STOPPING=1\nSTATUS=asked READY=1",
        "STATUS=fine",
    ]


def test_reloading_carries_the_monotonic_clock(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    before = time.monotonic_ns() // 1000
    Notifier(name).reloading()
    first, second = listening.recv(4096).decode().split("\n")
    key, microseconds = second.split("=")
    assert (first, key) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before <= int(microseconds) <= time.monotonic_ns() // 1000


def test_the_watchdog_hears_at_half_its_time(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"})
    for now_ns in (10, 20, 1_000_000_009, 1_000_000_010, 1_900_000_000):
        notifier.alive(now_ns)
    notifier.status("end")
    heard = [listening.recv(4096).decode() for _ in range(3)]
    assert heard == ["WATCHDOG=1", "WATCHDOG=1", "STATUS=end"]


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": str(os.getpid() + 1)}, {"WATCHDOG_USEC": "soon"}],
    ids=["not asked for", "meant for another process", "not a number"],
)
def test_no_watchdog_is_served_that_was_not_asked_for(manager: tuple[socket.socket, str], environ: dict[str, str]) -> None:
    listening, name = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name, **environ})
    notifier.alive(10**12)
    notifier.status("end")
    assert listening.recv(4096) == b"STATUS=end"


@pytest.mark.parametrize("address", ["", "/nonexistent/socket"], ids=["no manager", "manager gone"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    Notifier(address, 1000).alive(10**9)
    Notifier(address).ready("x")


def test_a_manager_that_does_not_read_does_not_block(manager: tuple[socket.socket, str]) -> None:
    _, name = manager
    for _ in range(2000):
        Notifier(name).status("x" * 1000)
