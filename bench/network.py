"""Network namespaces, the cables between them and the processes inside; nothing outlives its `with` block.

Everything is made by the `ip` and `tc` commands of iproute2, as an operator would. Names carry the pid of their maker, so
that a later run can tell whose maker died (SIGKILL leaves no time to clean up) and remove what it left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

NAME: Final = re.compile(r"tm(\d+)-")
STOP_S: Final = 10.0  # for a process to end after SIGTERM; then SIGKILL
NEEDED: Final = ("ip", "tc", "ethtool", "setpriv", "nginx", "tcpdump", "curl")
OFFLOADS: Final = ("gro", "gso", "tso", "rx", "tx")

_serial = itertools.count()


def missing() -> str:
    """Return why namespaces cannot be made here, or an empty string."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def run(*command: str, timeout_s: float = 20.0, check: bool = True) -> str:
    """Return the standard output of *command*; CalledProcessError, with its standard error as a note, if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if check and done.returncode:
        error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        error.add_note(done.stdout[-2000:] + done.stderr[-2000:])
        raise error
    return done.stdout


def wait_until(claim: Callable[[], object], what: str, deadline_s: float = 10.0, every_s: float = 0.02) -> None:
    """Return once *claim* holds; TimeoutError naming *what* after *deadline_s*."""
    end = time.monotonic() + deadline_s
    while not claim():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline_s:g} s: {what}")
        time.sleep(every_s)


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace: a machine with its own interfaces, addresses and ports."""

    name: str

    def command(self, *command: str) -> list[str]:
        """Return *command* as one to be run inside; it is sent SIGTERM when the process that started it dies."""
        return ["setpriv", "--pdeathsig", "TERM", "ip", "netns", "exec", self.name, *command]

    def run(self, *command: str, timeout_s: float = 20.0, check: bool = True) -> str:
        return run(*self.command(*command), timeout_s=timeout_s, check=check)

    @contextlib.contextmanager
    def process(
        self,
        command: Sequence[str],
        log: Path,
        stop: signal.Signals = signal.SIGTERM,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run *command* inside, its output in *log*, until the block ends."""
        with log.open("ab") as output, self._spawn(command, output, environment) as process:
            try:
                yield process
            finally:
                end(process, stop)

    def _spawn(
        self, command: Sequence[str], output: IO[bytes], environment: Mapping[str, str] | None
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(*command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let the calling thread work inside: sockets it opens in the block stay in the namespace."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _setns(there)
            try:
                yield
            finally:
                _setns(here)
        finally:
            os.close(there)
            os.close(here)


def _setns(descriptor: int) -> None:
    """`os.setns` is of Python 3.12; this is the same call of the C library (CLONE_NEWNET)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


def end(process: subprocess.Popen[bytes], stop: signal.Signals = signal.SIGTERM, deadline_s: float = STOP_S) -> int:
    """Ask *process* to end, kill it after *deadline_s*, and return its exit code."""
    if process.poll() is None:
        process.send_signal(stop)
        try:
            process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(deadline_s)
    return process.returncode


@dataclass(slots=True)
class Network:
    """The namespaces of one run; `network()` makes it and takes it down."""

    prefix: str
    namespaces: list[Namespace] = field(default_factory=list)

    def namespace(self, role: str) -> Namespace:
        """Return a new namespace with its loopback up."""
        made = Namespace(f"{self.prefix}{role}")
        run("ip", "netns", "add", made.name)
        self.namespaces.append(made)
        run("ip", "-n", made.name, "link", "set", "lo", "up")
        return made

    def cable(self, left: tuple[Namespace, str], right: tuple[Namespace, str], mtu: int = 1500) -> None:
        """Join interface names in two namespaces by a veth pair, offloads off, both ends up."""
        run(
            *("ip", "link", "add", left[1], "netns", left[0].name, "mtu", str(mtu), "type", "veth"),
            *("peer", "name", right[1], "netns", right[0].name, "mtu", str(mtu)),
        )
        for namespace, interface in (left, right):
            namespace.run("ethtool", "-K", interface, *(word for name in OFFLOADS for word in (name, "off")))
            run("ip", "-n", namespace.name, "link", "set", interface, "up")

    def address(self, namespace: Namespace, interface: str, address: str) -> None:
        nodad = ("nodad",) if ":" in address else ()
        run("ip", "-n", namespace.name, "address", "add", address, "dev", interface, *nodad)

    def close(self) -> None:
        """Remove every namespace; its interfaces go with it."""
        while self.namespaces:
            run("ip", "netns", "delete", self.namespaces.pop().name, check=False)


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Yield an empty network; what is put into it is gone when the block ends."""
    remove_stale()
    made = Network(f"tm{os.getpid()}-{next(_serial)}")
    try:
        yield made
    finally:
        made.close()


def remove_stale() -> None:
    """Remove namespaces whose maker is dead."""
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        found = NAME.match(name)
        if found and not Path(f"/proc/{found[1]}").exists():
            run("ip", "netns", "delete", name, check=False)
