"""What a worker that was taken over can do: each try in a forked process that was shut in as the supervisor shuts in workers."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tcpmirror.processes.context import Context
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.tree import MIB, Cloud, Limits, Settings, Supervisor
from tcpmirror.supervisor import confinement
from tcpmirror.supervisor.confinement import confine
from tcpmirror.supervisor.landlock import landlock_version

LOOPBACK = ("127.0.0.1", 9)
LIMITS = Limits(segment_ring_bytes=MIB, report_ring_bytes=MIB)
HAS_LANDLOCK = landlock_version() > 0
needs_landlock = pytest.mark.skipif(not HAS_LANDLOCK, reason="this kernel has no Landlock")
Act = Callable[[SharedLayout], object]


def confined(directory: Path, act: Act, worker: int = 0, kind: str = "worker") -> int:
    """Return how a shut-in process ended that did *act*: 0 done, 13 refused (EPERM, EACCES), negative: the signal."""
    layout = SharedLayout(2, 3, LIMITS)
    cloud = Cloud(embedded=False, url="https://cloud.example", token=token())
    settings = Settings(supervisor=Supervisor(state_dir=str(directory)), cloud=cloud)
    context = Context(ProcessName(kind, worker), settings, layout, bytes(16), deploy_token=token("deploy"))
    pid = os.fork()
    if pid == 0:
        code = 70
        faulthandler.disable()
        try:
            confine(context, str(directory / "log" / "file"))
            act(layout)
            code = 0
        except PermissionError:
            code = 13
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def token(kind: str = "cloud") -> str:
    """Return a credential that stands nowhere whole but where this put it."""
    return "".join(pieces(kind))


def pieces(kind: str) -> list[str]:
    return [f"{kind}{number:03}" for number in range(601, 606)]


def read_memory_of(pid: int) -> None:
    """Read a byte of another process (process_vm_readv(2))."""

    class Piece(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))

    there = ctypes.create_string_buffer(1)
    here = Piece(ctypes.addressof(there), 1)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(here), 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")


def traced(pid: int) -> None:
    """Begin to trace another process (ptrace(2), PTRACE_SEIZE)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, pid, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


CALLS: dict[str, Callable[[SharedLayout], object]] = {
    "TCP socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "UDP socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "packet socket": lambda _: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "netlink socket": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "Unix socket": lambda _: socket.socket(socket.AF_UNIX),
    "memory of its supervisor": lambda _: read_memory_of(os.getppid()),
    "a trace of its supervisor": lambda _: traced(os.getppid()),
    "a process of its own": lambda _: os.fork(),
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


@needs_landlock
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
    (tmp_path / "in-force").mkdir()
    (tmp_path / "in-force" / "rules.json").write_text("{}")
    (tmp_path / "log").mkdir()

    def act(layout: SharedLayout) -> None:
        assert (tmp_path / "in-force" / "rules.json").read_text() == "{}"
        with (tmp_path / "log" / "file").open("a") as log:
            log.write("a line\n")
        Path("/proc/self/statm").read_text()
        Path(confinement.__file__).read_text()
        os.urandom(8)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(sum, (1, 2)).result() == 3
        Context(ProcessName("worker", 0), Settings(), layout, bytes(16)).beat()

    assert confined(tmp_path, act) == 0


KEPT: dict[str, str] = {
    "the sensor's credential": "node.json",
    "the embedded cloud's token": "embedded.json",
    "the store": "cloud.db",
    "the spool": "spool/1.seg",
    "the settings file": "node.yaml",
}


@needs_landlock
@pytest.mark.parametrize("kind", ["worker", "capture"])
@pytest.mark.parametrize("name", KEPT.values(), ids=KEPT.keys())
def test_who_meets_traffic_reads_nothing_that_is_kept(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / name).write_text("secret")
    assert confined(tmp_path, lambda _: (tmp_path / name).read_text(), kind=kind) == 13


def memory_holds(secret: list[str]) -> bool:
    """Search this process's memory, as one who took it over would. *secret* is in pieces, so that the search adds none."""
    first, *rest = (piece.encode() for piece in secret)
    with Path("/proc/self/mem").open("rb", 0) as memory:
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            start, end = (int(one, 16) for one in span.split("-"))
            if rights[:2] != "rw":
                continue
            try:
                memory.seek(start)
                piece = memory.read(end - start)
            except OSError:
                continue
            at = piece.find(first)
            while at >= 0:
                if all(piece.startswith(one, at + (index + 1) * len(first)) for index, one in enumerate(rest)):
                    return True
                at = piece.find(first, at + 1)
    return False


@pytest.mark.parametrize(("kind", "holds"), [("worker", False), ("capture", False), ("exporter", True)])
def test_who_meets_traffic_has_no_credential_in_memory(tmp_path: Path, kind: str, holds: bool) -> None:
    def act(_: SharedLayout) -> None:
        for name in ("cloud", "deploy"):
            if memory_holds(pieces(name)) != holds:
                os._exit(1)

    assert confined(tmp_path, act, kind=kind) == 0


OTHER_KINDS: dict[str, tuple[str, Act]] = {
    "capture: TCP socket": ("capture", lambda _: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
    "capture: Unix socket": ("capture", lambda _: socket.socket(socket.AF_UNIX)),
    "capture: a datagram": ("capture", lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", LOOPBACK)),
    "capture: another program": ("capture", lambda _: os.execv("/bin/true", ["true"])),
    "capture: a process of its own": ("capture", lambda _: os.fork()),
    "capture: memory of its supervisor": ("capture", lambda _: read_memory_of(os.getppid())),
    "exporter: packet socket": ("exporter", lambda _: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "exporter: another program": ("exporter", lambda _: os.execv("/bin/true", ["true"])),
    "exporter: a process of its own": ("exporter", lambda _: os.fork()),
    "exporter: a signal": ("exporter", lambda _: os.kill(os.getppid(), 0)),
    "exporter: a trace of its supervisor": ("exporter", lambda _: traced(os.getppid())),
    "cloud: packet socket": ("cloud", lambda _: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "cloud: memory of its supervisor": ("cloud", lambda _: read_memory_of(os.getppid())),
}


@pytest.mark.parametrize(("kind", "act"), OTHER_KINDS.values(), ids=OTHER_KINDS.keys())
def test_no_other_process_has_such_a_call(tmp_path: Path, kind: str, act: Act) -> None:
    assert confined(tmp_path, act, kind=kind) == 13


OTHER_FILES: dict[str, tuple[str, Act]] = {
    "capture: /etc/passwd": ("capture", lambda _: Path("/etc/passwd").read_bytes()),
    "exporter: a file of root's": ("exporter", lambda _: list(Path("/root").iterdir())),
    "exporter: a file in /etc, to write": ("exporter", lambda _: os.open("/etc/hosts", os.O_WRONLY)),
    "exporter: a variable of its supervisor": ("exporter", lambda _: Path(f"/proc/{os.getppid()}/environ").read_bytes()),
    "cloud: a file of root's": ("cloud", lambda _: list(Path("/root").iterdir())),
    "cloud: a module that it imports, to write": ("cloud", lambda _: os.open(os.__file__, os.O_WRONLY)),
    "cloud: a shell": ("cloud", lambda _: os.execv("/bin/sh", ["sh", "-c", "exit 0"])),
}


@needs_landlock
@pytest.mark.parametrize(("kind", "act"), OTHER_FILES.values(), ids=OTHER_FILES.keys())
def test_no_other_process_reaches_such_a_file(tmp_path: Path, kind: str, act: Act) -> None:
    assert confined(tmp_path, act, kind=kind) == 13


NEEDED: dict[str, tuple[str, Act]] = {
    "capture: a datagram socket for a tunnel": ("capture", lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "capture: an interface's number": ("capture", lambda _: socket.if_nametoindex("lo")),
    "capture: what an interface counted": ("capture", lambda _: Path("/sys/class/net/lo/statistics/rx_packets").read_text()),
    "exporter: a connection": ("exporter", lambda _: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
    "exporter: a name": ("exporter", lambda _: socket.getaddrinfo("localhost", 80)),
    "exporter: the authorities": ("exporter", lambda _: ssl.create_default_context()),
    "cloud: an interpreter of its own": (
        "cloud",
        lambda _: subprocess.run([sys.executable, "-c", "import json"], check=True),
    ),
}


@pytest.mark.parametrize(("kind", "act"), NEEDED.values(), ids=NEEDED.keys())
def test_what_other_processes_need_works(tmp_path: Path, kind: str, act: Act) -> None:
    assert confined(tmp_path, act, kind=kind) == 0


def test_where_nothing_shuts_a_process_in_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "restrict_files", lambda *_: False)
    monkeypatch.setattr(confinement, "libseccomp", lambda: None)

    def act(layout: SharedLayout) -> None:
        page = layout.counters(ProcessName("worker", 0))
        assert (page.get("open_files"), page.get("open_calls")) == (1, 1)

    assert confined(tmp_path, act) == 0
