"""The control socket against callers of every kind."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tcpmirror.errors import EnvironmentFault
from tcpmirror.supervisor.control import CALLER_NS, CALLERS, CONTROL_SOCKET, ControlServer, ask


class Served:
    """A control server in a loop of its own; ``later_ns`` turns its clock on."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.later_ns = 0
        self.ended = False
        self.selector = selectors.DefaultSelector()
        self.server = ControlServer(run_dir, self.selector, self.answer)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"you said": request, "long": "x" * int(request.get("long", 0))}

    def serve(self) -> None:
        while not self.ended:
            for key, _ in self.selector.select(0.01):
                self.server.on_readable(key.fileobj, time.monotonic_ns() + self.later_ns)
            self.server.drop_slow_callers(time.monotonic_ns() + self.later_ns)
        self.server.close()

    def call(self) -> socket.socket:
        caller = socket.socket(socket.AF_UNIX)
        caller.settimeout(5)
        caller.connect(str(self.run_dir / CONTROL_SOCKET))
        return caller


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.ended = True
    made.thread.join()


def test_a_request_is_answered(served: Served) -> None:
    assert ask(served.run_dir, {"command": "status"})["you said"] == {"command": "status"}


def test_the_socket_is_private_from_its_first_moment(served: Served) -> None:
    assert (served.run_dir / CONTROL_SOCKET).stat().st_mode & 0o777 == 0o600


def test_a_long_answer_arrives_whole(served: Served) -> None:
    assert len(ask(served.run_dir, {"long": 150_000})["long"]) == 150_000


NONSENSE = {
    "no JSON": b"status\n",
    "no object": b"[1]\n",
    "not text": b"\xff\xff\n",
    "deeply nested": b"[" * 4000 + b"\n",
    "two requests": b'{}\n{"command": "status"}\n',
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_an_empty_request(served: Served, case: str) -> None:
    with served.call() as caller:
        caller.sendall(NONSENSE[case])
        assert caller.recv(65536) == b'{"you said":{},"long":""}\n'
        assert caller.recv(65536) == b""


def test_a_request_in_pieces_is_one_request(served: Served) -> None:
    with served.call() as caller:
        for byte in b'{"a": 1}\n':
            caller.sendall(bytes([byte]))
        assert b'"a":1' in caller.recv(65536)


def test_a_request_without_end_is_dropped(served: Served) -> None:
    with served.call() as caller, pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(10_000):
            caller.sendall(b"x" * 1024)


def test_a_silent_caller_is_dropped_and_holds_up_nobody(served: Served) -> None:
    with served.call() as silent:
        assert ask(served.run_dir, {"a": 1})["you said"] == {"a": 1}
        served.later_ns = CALLER_NS + 1
        assert silent.recv(1) == b""


def test_too_many_callers_are_turned_away_and_room_comes_back(served: Served) -> None:
    callers = [served.call() for _ in range(CALLERS)]
    with served.call() as one_more:
        assert one_more.recv(1) == b""
    for caller in callers:
        caller.close()
    deadline = time.monotonic() + 30
    while True:
        try:
            assert ask(served.run_dir, {"a": 1})["you said"] == {"a": 1}
            break
        except EnvironmentFault:
            assert time.monotonic() < deadline


def test_a_caller_that_hangs_up_before_the_answer_harms_nobody(served: Served) -> None:
    for _ in range(50):
        with served.call() as caller:
            caller.sendall(b'{"long": 100000}\n')
    assert ask(served.run_dir, {})["long"] == ""


def test_a_socket_left_by_a_killed_supervisor_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / CONTROL_SOCKET))
    with pytest.raises(EnvironmentFault, match="does not answer"):
        ask(tmp_path, {})
    made = Served(tmp_path)
    assert ask(tmp_path, {"a": 1})["you said"] == {"a": 1}
    made.ended = True
    made.thread.join()
    assert not (tmp_path / CONTROL_SOCKET).exists()


def test_a_deep_run_directory_works_though_socket_addresses_are_short(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    made = Served(deep)
    assert ask(deep, {"a": 1})["you said"] == {"a": 1}
    made.ended = True
    made.thread.join()


def test_a_supervisor_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / CONTROL_SOCKET))
        hanging.listen()
        with pytest.raises(EnvironmentFault, match="does not answer"):
            ask(tmp_path, {}, timeout_s=0.1)
