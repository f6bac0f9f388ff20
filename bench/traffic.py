"""The bench's traffic: a client and an nginx in two namespaces, small JSON on keep-alive connections, tcpdump beside them.

What it sends follows from the number asked for alone, so two captures of one size hold the same requests. One request in a
thousand is an attack: that detection was on can be seen in the result, and its cost is in the figures.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.client import Request, exchange_all
from bench.network import Namespace, network, wait_until
from bench.nginx import nginx

FORMAT: Final = 1  # of the traffic below; a cached capture of another format is made anew
CONNECTION_REQUESTS: Final = 1000  # what nginx allows a connection by default
AT_ONCE: Final = 16
ATTACK_EVERY: Final = 1000
POST_EVERY: Final = 10
CLIENT: Final = "10.91.0.1"
SERVER: Final = "10.91.0.2"
BLOCK_S: Final = 1.0  # tcpdump's read time-out

HEADERS: Final = (
    b"Host: shop.example\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: application/json\r\n"
    b"Accept-Language: en-GB,en;q=0.7\r\n"
    b"Cookie: session=6f1d2b7c9a0e4f3d8b5a1c2e7d9f0a3b\r\n"
)


@dataclass(frozen=True, slots=True)
class Capture:
    """What a capture file holds, as its maker counted; kept as JSON beside the file."""

    path: str
    format: int
    exchanges: int
    attacks: int
    connections: int
    packets: int
    bytes: int


def request(number: int) -> Request:
    """Return the request *number* of the run."""
    if number % ATTACK_EVERY == ATTACK_EVERY - 1:
        return Request(b"GET /api/files?name=../../../../etc/passwd HTTP/1.1\r\n" + HEADERS + b"\r\n", 200)
    if number % POST_EVERY == POST_EVERY - 1:
        body = b'{"item":%d,"quantity":%d,"note":"leave it at the door","gift":false}' % (number, number % 7 + 1)
        head = b"POST /api/v1/orders HTTP/1.1\r\n" + HEADERS
        return Request(head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body, 200)
    target = b"/api/v1/items/%d?fields=name,price&page=%d" % (number % 5000, number % 40)
    return Request(b"GET " + target + b" HTTP/1.1\r\n" + HEADERS + b"\r\n", 200)


def batches(exchanges: int, each: int = CONNECTION_REQUESTS) -> list[list[Request]]:
    """Return *exchanges* requests cut into connections of *each*."""
    return [
        [request(number) for number in range(start, min(start + each, exchanges))] for start in range(0, exchanges, each)
    ]


def capture_of(path: Path, exchanges: int, each: int = CONNECTION_REQUESTS) -> Capture:
    """Return the capture at *path*, made now unless there already is one of *exchanges* exchanges, *each* a connection."""
    note = path.with_suffix(".json")
    if path.exists() and note.exists():
        known = Capture(**json.loads(note.read_text()))
        if (known.format, known.exchanges) == (FORMAT, exchanges) and path.stat().st_size == known.bytes:
            return known
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = make(path, exchanges, each)
    note.write_text(json.dumps(asdict(fresh), indent=2) + "\n")
    return fresh


def make(path: Path, exchanges: int, each: int = CONNECTION_REQUESTS) -> Capture:
    """Make the traffic and write it to *path*; RuntimeError if tcpdump lost a packet, ValueError on a wrong answer."""
    work = batches(exchanges, each)
    with network() as net, tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        client, server = net.namespace("client"), net.namespace("server")
        net.cable((client, "wire"), (server, "wire"))
        net.address(client, "wire", f"{CLIENT}/24")
        net.address(server, "wire", f"{SERVER}/24")
        with (
            nginx(server, Path(scratch) / "nginx", access_log=False),
            dumped(server, "wire", path, Path(scratch) / "tcpdump.log") as counts,
        ):
            answered = exchange_all(client, (SERVER, 80), work, AT_ONCE)
    if answered != exchanges:
        raise RuntimeError(f"{answered} answers for {exchanges} requests")
    if counts[0] < 2 * exchanges:
        raise RuntimeError(f"{counts[0]} packets cannot hold {exchanges} requests and their responses")
    attacks = sum(b"/etc/passwd" in sent.data for batch in work for sent in batch)
    return Capture(str(path), FORMAT, exchanges, attacks, len(work), counts[0], path.stat().st_size)


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
