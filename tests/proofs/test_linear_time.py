"""Eight times the input takes no more than 20 times the CPU, for the input that each stage likes least."""

from __future__ import annotations

import gc
import gzip
import time
from collections.abc import Callable, Iterator

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.decap.fragments import FragmentJoiner
from tcpmirror.decode.points import request_points
from tcpmirror.decode.text import fold, markup, percent
from tcpmirror.model.exchange import Request
from tcpmirror.protocols.codings import ContentDecoder
from tcpmirror.protocols.hpack import HeaderDecoder
from tcpmirror.settings.tree import Limits
from tests.protocols.http2_peers import frame
from tests.protocols.transcript import Flow, byte_by_byte
from tests.reassembly.test_flow_table import Wire

RATIO = 20.0  # of eight times the input: 8 is linear, caches and the allocator cost steps, 64 is quadratic
ENOUGH_S = 0.02  # CPU of one measurement: below that the clock's grain and the machine's caches decide
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)


def in_segments(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 1400):
        yield data[at : at + 1400]


def connection(data: bytes, *, by_byte: bool = False) -> None:
    Flow(chooses=True, cut=byte_by_byte if by_byte else in_segments).client(data).end()


def holes(count: int) -> None:
    """Every other byte, backwards: each segment is ahead of a hole."""
    wire = Wire(reorder_segments=64, reorder_bytes=1 << 20)
    wire.open()
    for at in range(count, 0, -1):
        wire.send(0, 2 * at, b"x", ack=0)
    wire.finish()


def overlaps(count: int) -> None:
    wire = Wire(reorder_segments=4096)
    wire.open()
    for at in range(count):
        wire.send(0, 10 + at, b"xy" * 20, ack=0)
    wire.finish()


def half_open(count: int) -> None:
    wire = Wire(flow_limit=200)
    for number in range(count):
        wire.table.feed(
            number.to_bytes(4, "big"), 4000, b"\x0a\0\0\2", 80, 1, 0, 2, b"", number, flow_hash=number * 2654435761
        )
    wire.finish()


def fragments(count: int) -> None:
    joiner = FragmentJoiner()
    piece = bytes(IP(src="10.0.0.1", dst="10.0.0.2", flags="MF", frag=1, id=7) / (b"x" * 8))
    for number in range(count):
        joiner.add(piece[:4] + (number & 0xFFFF).to_bytes(2, "big") + piece[6:], number)


def frames(count: int) -> None:
    decapsulator = Decapsulator(1, depth_limit=100)
    plain = bytes(Ether() / (b"\x81\0\0\5" * 0) / IP() / TCP())
    nested = plain[:12] + b"\x81\0\0\5" * 80 + plain[12:]
    for _ in range(count):
        decapsulator.reason(nested)


def header_blocks(count: int) -> None:
    """Each block adds an entry that evicts others and then names the oldest ones."""
    decoder = HeaderDecoder(False)
    for number in range(count):
        decoder.read(b"\x40\x01n" + bytes([100]) + number.to_bytes(4, "big") * 25 + b"\xbe\xbf\xc0")


def streams(count: int) -> None:
    connection(GREETING + b"".join(frame(1, 5, 2 * number + 1, b"\x82\x84\x86\x41\x01h") for number in range(count)))


def packed(count: int) -> None:
    decoder = ContentDecoder([b"gzip"], 4, 1 << 30, 1 << 20)
    data = gzip.compress(b"", mtime=0) * (count // 20)
    for at in range(0, len(data), 7):
        decoder.feed(data[at : at + 7])
    decoder.finish()


def points(body: bytes, kind: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Type: " + kind + b"\r\n\r\n"
    request_points(Request(head, body, method=b"POST", target=b"/"), Limits(decode_points=1 << 30, decode_bytes=1 << 30))


# claim -> (how many to begin with, what costs)
WORST: dict[str, tuple[int, Callable[[int], object]]] = {
    "tags in tags": (3000, frames),
    "fragments of datagrams that never end": (3000, fragments),
    "holes, backwards": (2000, holes),
    "overlaps of one byte": (3000, overlaps),
    "half-open flows": (6000, half_open),
    "a target that never ends, byte by byte": (20_000, lambda n: connection(b"GET /" + b"a" * n, by_byte=True)),
    "many headers": (10_000, lambda n: connection(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * n)),
    "folded lines": (10_000, lambda n: connection(b"GET / HTTP/1.1\r\nX: y\r\n" + b" z\r\n" * n + b"\r\n")),
    "chunks of one byte": (8000, lambda n: connection(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * n, by_byte=True)),
    "pipelined requests": (20_000, lambda n: connection(b"GET / HTTP/1.1\r\n\r\n" * n)),
    "empty lines": (60_000, lambda n: connection(b"\r\n" * n, by_byte=True)),
    "start lines that are none": (20_000, lambda n: connection(b"GET / HTTP/1.1\r\n\r\n" + b"GET / HTTP/" * n)),
    "http/2 streams": (3000, streams),
    "http/2 data frames of one byte": (8000, lambda n: connection(GREETING + frame(1, 4, 1, b"\x83\x84\x86") + frame(0, 0, 1, b"x") * n)),
    "continuations": (8000, lambda n: connection(GREETING + frame(1, 0, 1, b"\x82") + frame(9, 0, 1, b"\x84") * n)),
    "hpack evictions": (4000, header_blocks),
    "gzip members": (20_000, packed),
    "percent signs": (20_000, lambda n: percent(b"%25" * n)),
    "entities": (20_000, lambda n: markup(b"&#x3c" * n)),
    "characters to fold": (10_000, lambda n: fold(b"\xef\xbc\x87/*" * n)),
    "json in json": (20_000, lambda n: points(b"[" * n, b"application/json")),
    "json keys": (4000, lambda n: points(b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(n)) + b"}", b"application/json")),
    "xml elements": (4000, lambda n: points(b"<a>" * n, b"text/xml")),
    "form fields": (4000, lambda n: points(b"a=1&" * n, b"application/x-www-form-urlencoded")),
    "parts": (2000, lambda n: points(b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n" * n, b"multipart/form-data; boundary=b")),
}  # fmt: skip


def cpu_of(run: Callable[[int], object], count: int, repeats: int) -> float:
    """Return the least CPU seconds of three times *repeats* runs, without the collector, whose work grows with what tests hold."""
    least = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            start = time.process_time()
            for _ in range(repeats):
                run(count)
            least = min(least, time.process_time() - start)
    finally:
        gc.enable()
    return least


@pytest.mark.slow
@pytest.mark.parametrize("claim", WORST)
def test_eight_times_the_input_takes_about_eight_times_the_time(claim: str) -> None:
    count, run = WORST[claim]
    repeats = max(1, round(ENOUGH_S / max(1e-5, cpu_of(run, count, 1))))
    ratios = []
    for _ in range(3):  # another process on the core costs caches: only what shows each time is ours
        ratios.append(cpu_of(run, 2 * count, repeats) / cpu_of(run, count // 4, repeats))
        if ratios[-1] < RATIO:
            return
    raise AssertionError(f"{claim}: {count // 4} to {2 * count} costs {ratios} times as much")
