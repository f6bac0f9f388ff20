"""Traffic of one worker in which one thing at a time grows: open flows, hosts, endpoints, rules, bodies.

Everything is a function of the exchange's number, so two runs hold the same frames. A workload is what comes before (it
warms up, and is not measured) and what is measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.kinds import CATALOGUE, get, item, post, records
from bench.wire import ACK, EPOCH_NS, PSH, SYN, connection, frame, moved
from tcpmirror.settings.tree import MIB, Settings

SMALL: Final = 20_000  # exchanges measured where each is small
CONNECTION_EXCHANGES: Final = 100
LEARNING: Final = 40  # times that an endpoint is seen before: then its parameters are known
KNOWN_ENDPOINTS: Final = 4096  # `discovery.endpoints`
BODY_TOTAL: Final = 24_000_000  # bytes of bodies measured, and three of them at least
FRAME_NS: Final = 2_000
RESPONSE_BODY: Final = b'{"id":4711,"name":"Anvil","price":"19.90","stock":12,"tags":["iron","heavy"]}'
PORTS: Final = (20_000, 80)

Frame = tuple[int, bytes]  # time in ns, bytes


@dataclass(frozen=True, slots=True)
class Workload:
    """``kib``: of bodies in an exchange, 0 where it does not matter; ``settings``: what the sensor runs with."""

    before: Iterable[Frame]
    measured: list[Frame]
    exchanges: int
    exchanges_before: int
    settings: Settings = field(default_factory=Settings)
    kib: float = 0.0


def answer(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )


RESPONSE: Final = answer(RESPONSE_BODY)
Number = Callable[[int], bytes]
Exchanges = Iterable[tuple[bytes, bytes]]  # (request, response)


def conversations(exchanges: Exchanges, first: int, each: int = CONNECTION_EXCHANGES) -> Iterator[Frame]:
    """Yield the frames of *exchanges*, so many on each connection, connections counted from *first*."""
    turns: list[tuple[int, bytes]] = []
    for request, response in exchanges:
        turns += [(0, request), (1, response)]
        if len(turns) == 2 * each:
            yield from connection(turns, first)
            turns, first = [], first + 1
    if turns:
        yield from connection(turns, first)


def by_target(target: Number, host: Number, numbers: Iterable[int]) -> Iterator[tuple[bytes, bytes]]:
    for number in numbers:
        request = get(target(number)).data.replace(b"shop.example", host(number), 1)
        yield request, RESPONSE


def open_flows(count: int) -> Workload:
    """*count* connections, each open after an exchange, with memory for all of them; those measured come on any of them."""
    source = random.Random(count)
    times = iter(range(EPOCH_NS, 1 << 63, FRAME_NS))
    turns = [_turn(number) for number in range(1 + -(-SMALL // count))]

    def measured() -> Iterator[Frame]:
        left = SMALL
        for turn in turns[1:]:
            for flow in source.sample(range(count), min(count, left)):
                for side, packet in turn:
                    yield next(times) + count * 4 * FRAME_NS, moved(packet, side, flow)
            left -= count

    settings = Settings()
    limits = replace(settings.limits, flows=max(count + 1, settings.limits.flows), streams_bytes=FLOW_MEMORY)
    return Workload(_opened(range(count), times), list(measured()), SMALL, count, replace(settings, limits=limits))


def crowded(count: int) -> Workload:
    """An exchange on each of many new connections that stay open, after *count* others did: memory is short."""
    times = iter(range(EPOCH_NS, 1 << 63, FRAME_NS))
    before = _opened(range(count), times)
    later = iter(range(EPOCH_NS + (count + 1) * 4 * FRAME_NS, 1 << 63, FRAME_NS))
    return Workload(before, list(_opened(range(count, count + SMALL), later)), SMALL, count)


def _opened(flows: Iterable[int], times: Iterator[int]) -> Iterator[Frame]:
    """Yield the frames of connections that begin with an exchange, one after the other."""
    handshake = [(0, frame(0, PORTS, 999, 0, SYN, b"")), (1, frame(1, PORTS, 899, 1000, SYN | ACK, b""))]
    opening = [*handshake, *_turn(0)]
    for flow in flows:
        for side, packet in opening:
            yield next(times), moved(packet, side, flow)


def _turn(number: int) -> list[tuple[int, bytes]]:
    """Return (side, frame) of the *number*-th exchange of every flow of `open_flows`: all of them have the same length."""
    request = get(b"/api/v1/items/%d?fields=name,price&page=%d" % (1000 + number % 9000, 10 + number % 30)).data
    asked, told = (1000 + number * len(request)) & 0xFFFFFFFF, (900 + number * len(RESPONSE)) & 0xFFFFFFFF
    return [
        (0, frame(0, PORTS, asked, told, PSH | ACK, request)),
        (1, frame(1, PORTS, told, asked + len(request) & 0xFFFFFFFF, PSH | ACK, RESPONSE)),
    ]


def hosts(count: int) -> Workload:
    """Requests to *count* hosts."""
    return _many(
        count, lambda number: b"/api/v1/items/%d?page=2" % (number % 5000), lambda number: b"h%d.example" % (number % count)
    )


def endpoints(count: int) -> Workload:
    """Requests to *count* paths that no template joins."""
    return _many(count, endpoint_targets(count), lambda number: b"shop.example")


def endpoint_targets(count: int) -> Number:
    """Return number -> one of *count* targets, a million at most, with words in three places."""
    words = [word.encode() for word in CATALOGUE.split()]
    base = len(words)

    def target(number: int) -> bytes:
        place = number % count
        return b"/api/%s/%s/%s?page=2" % (words[place % base], words[place // base % base], words[place // base**2])

    return target


def _many(count: int, target: Number, host: Number) -> Workload:
    source = random.Random(count)
    known = min(count, KNOWN_ENDPOINTS)
    warming = [*range(count), *(number for _ in range(LEARNING) for number in range(known))]
    first = 1 + len(warming) // CONNECTION_EXCHANGES
    measured = conversations(by_target(target, host, (source.randrange(count) for _ in range(SMALL))), first)
    return Workload(conversations(by_target(target, host, warming), 0), list(measured), SMALL, len(warming))


def own_rules(count: int, directory: Path) -> Workload:
    """Small requests, with *count* own rules beside the built-in ones."""
    words = CATALOGUE.split()
    lines = ["type: rce", "why: A made-up rule.", "rules:"]
    for number in range(count):
        first, second = words[number % len(words)], words[number * 7 // len(words) % len(words)]
        lines += [
            f"- id: made-up-{number}",
            "  title: Calls a made-up function",
            "  severity: high",
            "  confidence: 0.9",
            f"  patterns: ['\\b{first}_{second}{number}\\s*\\(']",
            "  examples:",
            f"    match: ['{first}_{second}{number}(1)']",
            "    no_match: ['nothing']",
        ]
    directory.mkdir(parents=True)
    (directory / "made-up.yaml").write_text("\n".join(lines) + "\n")
    settings = Settings()
    settings = replace(settings, inspection=replace(settings.inspection, rules_dir=str(directory)))
    requests = [(item(number).data, RESPONSE) for number in range(SMALL)]
    before = conversations(requests[: SMALL // 10], 10_000)
    return Workload(before, list(conversations(requests, 0)), SMALL, SMALL // 10, settings)


def bodies(size: int, *, are_sent: bool) -> Workload:
    """JSON documents of *size* bytes, sent by the client or by the server; no two are the same."""
    count = max(3, min(SMALL, BODY_TOTAL // size))
    source = random.Random(size)
    documents = [records(source, size) for _ in range(count + 1)]
    pair = _upload if are_sent else _download
    exchanges = [pair(document) for document in documents]
    before = conversations(exchanges[:1], 10_000)
    measured = conversations(exchanges[1:], 0, each=10)
    return Workload(before, list(measured), count, 1, kib=sum(map(len, documents[1:])) / count / 1024)


def _upload(document: bytes) -> tuple[bytes, bytes]:
    return post(b"/store/documents", document).data, RESPONSE


def _download(document: bytes) -> tuple[bytes, bytes]:
    return get(b"/pages/documents").data, answer(document)


FLOW_MEMORY: Final = 8192 * MIB  # of streams, for more flows than the usual share has room for
