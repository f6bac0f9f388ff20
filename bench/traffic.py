"""The bench's traffic: a client and an nginx in two namespaces, and tcpdump beside them.

A capture is kept beside a note of what it holds and made anew when the recipe (FORMAT) or its size changes.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.client import exchange_all
from bench.kinds import Kind, pages
from bench.network import Namespace, network, wait_until
from bench.nginx import nginx

FORMAT: Final = 2  # of the traffic below; a cached capture of another format is made anew
AT_ONCE: Final = 16
CLIENT: Final = "10.91.0.1"
SERVER: Final = "10.91.0.2"
BLOCK_S: Final = 1.0  # tcpdump's read time-out


@dataclass(frozen=True, slots=True)
class Capture:
    """What a capture file holds, as its maker counted; kept as JSON beside the file."""

    path: str
    format: int
    kind: str
    exchanges: int
    findings: dict[str, int]
    packets: int
    bytes: int


def capture_of(directory: Path, kind: Kind, exchanges: int) -> Capture:
    """Return the capture of *exchanges* exchanges of *kind* in *directory*, made now unless it is there."""
    path = directory / f"{kind.name}-{exchanges}.pcap"
    return kept(path, lambda: make(path, kind, exchanges))


def kept(path: Path, maker: Callable[[], Capture]) -> Capture:
    """Return what is noted beside *path*, or what *maker* says after it has written the file."""
    note = path.with_suffix(".json")
    if path.exists() and note.exists():
        known = json.loads(note.read_text())
        if known.get("format") == FORMAT and path.stat().st_size == known["bytes"]:
            return Capture(**known)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = maker()
    note.write_text(json.dumps(asdict(fresh), indent=2) + "\n")
    return fresh


def make(path: Path, kind: Kind, exchanges: int) -> Capture:
    """Make the traffic and write it to *path*; RuntimeError if tcpdump lost a packet, ValueError on a wrong answer."""
    with network() as net, tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        client, server = net.namespace("client"), net.namespace("server")
        net.cable((client, "wire"), (server, "wire"))
        net.address(client, "wire", f"{CLIENT}/24")
        net.address(server, "wire", f"{SERVER}/24")
        with (
            nginx(server, Path(scratch) / "nginx", access_log=False, files=pages()),
            dumped(server, "wire", path, Path(scratch) / "tcpdump.log") as counts,
        ):
            answered = exchange_all(client, (SERVER, 80), kind.batches(exchanges), AT_ONCE)
    if answered != exchanges:
        raise RuntimeError(f"{answered} answers for {exchanges} requests")
    if counts[0] < 2 * exchanges:
        raise RuntimeError(f"{counts[0]} packets cannot hold {exchanges} requests and their responses")
    return Capture(str(path), FORMAT, kind.name, exchanges, kind.findings(exchanges), counts[0], path.stat().st_size)


@contextlib.contextmanager
def dumped(namespace: Namespace, interface: str, path: Path, log: Path, expression: str = "tcp") -> Iterator[Sequence[int]]:
    """Capture what matches *expression* on *interface* into *path* while the block runs.

    After the block the sequence yielded holds the packet count.

    tcpdump starts with a 64 MiB kernel buffer, and the capture is refused if the kernel dropped anything all the same.
    """
    counts: list[int] = []
    options = f"-i {interface} -n -U -s 65535 -B 65536 -Z root -w".split()
    command = ("tcpdump", *options, str(path), *expression.split())
    with namespace.process(command, log, signal.SIGINT) as process:
        wait_until(lambda: b"listening on" in log.read_bytes() or process.poll() is not None, "tcpdump listens")
        yield counts
        _settle(path)
    said = log.read_text()
    captured, dropped = re.search(r"(\d+) packets? captured", said), re.search(r"(\d+) packets? dropped by kernel", said)
    if not captured or not dropped or int(dropped[1]):
        raise RuntimeError(f"tcpdump did not see everything: {said}")
    counts.append(int(captured[1]))


def _settle(path: Path) -> None:
    """Return when the capture file has stopped growing.

    The kernel hands its blocks to tcpdump after a second at the latest, even half full; so twice that without growth.
    """
    seen = [(path.stat().st_size, time.monotonic())]

    def still() -> bool:
        size, now = path.stat().st_size, time.monotonic()
        if size != seen[-1][0]:
            seen.append((size, now))
        return now - seen[-1][1] > 2 * BLOCK_S

    wait_until(still, "the capture file stops growing", deadline_s=60.0, every_s=0.1)
