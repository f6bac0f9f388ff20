"""What a worker that was taken over can do: each try in a forked process that was shut in as the supervisor shuts in workers."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tcpmirror.processes.context import Context
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.tree import MIB, Limits, Settings, Supervisor
from tcpmirror.supervisor import confinement
from tcpmirror.supervisor.confinement import confine_worker

LIMITS = Limits(segment_ring_bytes=MIB, report_ring_bytes=MIB)
HAS_LANDLOCK = ctypes.CDLL(None).syscall(confinement.CREATE_RULESET, None, 0, confinement.CREATE_RULESET_VERSION) > 0


def confined(directory: Path, act: Callable[[SharedLayout], object], worker: int = 0) -> int:
    """Return how a shut-in worker ended that did *act*: 0 done, 13 refused (EPERM, EACCES), negative: the signal."""
    layout = SharedLayout(2, 3, LIMITS)
    settings = Settings(supervisor=Supervisor(state_dir=str(directory)))
    context = Context(ProcessName("worker", worker), settings, layout, bytes(16))
    pid = os.fork()
    if pid == 0:
        code = 70
        faulthandler.disable()
        try:
            confine_worker(context, str(directory / "log"))
            act(layout)
            code = 0
        except PermissionError:
            code = 13
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


CALLS: dict[str, Callable[[SharedLayout], object]] = {
    "TCP socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "UDP socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "packet socket": lambda _: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "netlink socket": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "Unix socket": lambda _: socket.socket(socket.AF_UNIX),
    "another program": lambda _: os.execv("/bin/true", ["true"]),
    "a signal to its supervisor": lambda _: os.kill(os.getppid(), 0),
    "another user": lambda _: os.setuid(65534),
    "a memory file": lambda _: os.memfd_create("x"),
}


@pytest.mark.parametrize("act", CALLS.values(), ids=CALLS.keys())
def test_a_worker_has_no_such_call(tmp_path: Path, act: Callable[[SharedLayout], object]) -> None:
    assert confined(tmp_path, act) == 13


FILES: dict[str, Callable[[SharedLayout], object]] = {
    "/etc/passwd": lambda _: Path("/etc/passwd").read_bytes(),
    "/etc": lambda _: list(Path("/etc").iterdir()),
    "the memory of its supervisor": lambda _: Path(f"/proc/{os.getppid()}/mem").read_bytes(),
    "another process's variables": lambda _: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "a new file in /tmp": lambda _: Path("/tmp/tcpmirror-was-here").write_bytes(b""),
    "its own rules": lambda _: os.open(confinement.__file__, os.O_WRONLY),
}


@pytest.mark.skipif(not HAS_LANDLOCK, reason="this kernel has no Landlock")
@pytest.mark.parametrize("act", FILES.values(), ids=FILES.keys())
def test_a_worker_reaches_no_such_file(tmp_path: Path, act: Callable[[SharedLayout], object]) -> None:
    assert confined(tmp_path, act) == 13


def touch_rings(layout: SharedLayout, worker: int) -> None:
    for source in range(layout.sources):
        layout.segment_reader(source, worker).read()
    layout.report_writer(worker).write(1, b"x" * 100_000)


def test_a_worker_has_its_own_rings_bells_and_counters(tmp_path: Path) -> None:
    def act(layout: SharedLayout) -> None:
        touch_rings(layout, 1)
        layout.counters(ProcessName("worker", 1)).add("segments")
        layout.exporter_bell().ring()
        layout.worker_bell(1).ticket()

    assert confined(tmp_path, act, worker=1) == 0


OTHERS: dict[str, Callable[[SharedLayout], object]] = {
    "the worker before it": lambda layout: touch_rings(layout, 0),
    "the worker after it": lambda layout: touch_rings(layout, 2),
    "counters of a worker": lambda layout: layout.counters(ProcessName("worker", 2)).get("segments"),
    "counters of a capture": lambda layout: layout.counters(ProcessName("capture", 0)).get("packets"),
    "counters of the exporter": lambda layout: layout.counters(ProcessName("exporter", 0)).get("reports"),
    "a capture's note": lambda layout: layout.note(1).write(b"x"),
}


@pytest.mark.parametrize("act", OTHERS.values(), ids=OTHERS.keys())
def test_a_worker_has_no_memory_of_others(tmp_path: Path, act: Callable[[SharedLayout], object]) -> None:
    assert confined(tmp_path, act, worker=1) == -signal.SIGSEGV


def test_others_keep_what_a_worker_gave_up(tmp_path: Path) -> None:
    layout = SharedLayout(1, 2, LIMITS)
    layout.counters(ProcessName("worker", 1)).set("segments", 7)
    pid = os.fork()
    if pid == 0:
        layout.keep_only(ProcessName("worker", 0))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert layout.counters(ProcessName("worker", 1)).get("segments") == 7
    touch_rings(layout, 1)


def test_what_a_worker_needs_works(tmp_path: Path) -> None:
    (tmp_path / "rules-in-force.json").write_text("{}")
    (tmp_path / "log").touch()

    def act(layout: SharedLayout) -> None:
        assert (tmp_path / "rules-in-force.json").read_text() == "{}"
        with (tmp_path / "log").open("a") as log:
            log.write("a line\n")
        Path("/proc/self/statm").read_text()
        Path(confinement.__file__).read_text()
        os.urandom(8)
        Context(ProcessName("worker", 0), Settings(), layout, bytes(16)).beat()

    assert confined(tmp_path, act) == 0
