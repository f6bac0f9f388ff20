"""Traffic made to cost: time grows with the input and no faster, memory stays within its figure."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tcpmirror.model.stream import SilentFactory, SinkFactory
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.reassembly.flow_table import FlowTable
from tcpmirror.settings.tree import Limits
from tests.reassembly.test_flow_table import ACK, CLIENT, MS, SECOND, SERVER, SYN

MEMORY = 32 << 20
US = 1000
HASH = 0x9E3779B97F4A7C15
BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"a" * 1300


def open_table(factory: SinkFactory, **more: str | int) -> FlowTable:
    return FlowTable(
        factory,
        memory_limit=MEMORY,
        flow_limit=1 << 20,
        idle_ns=300 * SECOND,
        half_open_ns=30 * SECOND,
        closing_ns=2 * SECOND,
        reorder_bytes=1 << 20,
        reorder_segments=4096,
        **more,  # type: ignore[arg-type]
    )


def client(table: FlowTable, at: int, data: bytes, number: int) -> None:
    table.feed(CLIENT, 4000, SERVER, 80, (1001 + at) % 2**32, 5001, ACK, data, SECOND + number * US)


def opened(table: FlowTable) -> None:
    table.feed(CLIENT, 4000, SERVER, 80, 1000, 0, SYN, b"", SECOND)
    table.feed(SERVER, 80, CLIENT, 4000, 5000, 1001, SYN | ACK, b"", SECOND)


def gaps(table: FlowTable, count: int) -> None:
    for number in range(count):
        now = SECOND + number * 200 * MS
        table.feed(SERVER, 80, CLIENT, 4000, 5011 + 1000 * number, 1001, ACK, b"x" * 20, now)
        table.feed(CLIENT, 4000, SERVER, 80, 1001, 5031 + 1000 * number, ACK, b"", now + 1)


def each(place: Callable[[int, int], int], data: bytes) -> Callable[[FlowTable, int], None]:
    """Return what sends *data* at place(number, count), for each number below the count."""

    def send(table: FlowTable, count: int) -> None:
        for number in range(count):
            client(table, place(number, count), data, number)

    return send


def cut_up(table: FlowTable, count: int) -> None:
    client(table, 1, b"x" * 60_000, 0)
    each(lambda number, count: 1 + number * 7919 % 59_000, b"y")(table, count)


CASES: dict[str, Callable[[FlowTable, int], None]] = {
    "one byte a segment": each(lambda number, count: number, b"a"),
    "each overlaps the last by one byte": each(lambda number, count: number, b"ab"),
    "every second byte": each(lambda number, count: 1 + 2 * number, b"a"),
    "in reverse": each(lambda number, count: count - number, b"a"),
    "over and over": each(lambda number, count: 1 + number % 7, b"abcdefgh"),
    "all over a window of 1 GiB": each(lambda number, count: 2 + number * 0x9E3779B1 % (1 << 30), b"abcd"),
    "jumps over the whole number space": each(lambda number, count: number * 0x1234567, b"abcd"),
    "a gap each": gaps,
    "a large piece cut up": cut_up,
}


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["first", "last", "solaris"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_twice_the_input_costs_twice_the_time(case: Callable[[FlowTable, int], None], policy: str) -> None:
    def cost(count: int) -> float:
        table = open_table(SilentFactory(), overlap_policy=policy)
        opened(table)
        started = time.process_time()
        case(table, count)
        assert table.held_bytes < 4 << 20
        return time.process_time() - started

    taken = [(cost(30_000), cost(60_000)) for _ in range(4)]  # the two of a pair by a processor of the same speed
    assert any(large < 3.2 * small + 0.02 for small, large in taken), taken


@pytest.mark.slow
@pytest.mark.parametrize("case", ["one byte a segment", "every second byte", "all over a window of 1 GiB"])
def test_300_000_tiny_segments_cost_what_each_costs(case: str) -> None:
    def cost(count: int) -> float:
        table = open_table(ProtocolFactory(lambda exchange: None, Limits(), response_timeout_ns=5 * SECOND))
        opened(table)
        started = time.process_time()
        CASES[case](table, count)
        assert table.held_bytes < 4 << 20
        return time.process_time() - started

    cost(100_000)
    taken = [(cost(100_000), cost(300_000)) for _ in range(4)]  # the two of a pair by a processor of the same speed
    assert any(large < 4.5 * small + 0.02 for small, large in taken), taken


def half_open(table: FlowTable, number: int) -> None:
    now, flow_hash = SECOND + number * 10 * US, number * HASH % 2**64
    table.feed(number.to_bytes(4, "big"), 4000, SERVER, 80, 1000, 0, SYN, b"", now, flow_hash=flow_hash)
    if number % 512 == 0:
        table.advance(now)


def begun(table: FlowTable, number: int) -> None:
    half_open(table, number)
    now, flow_hash = SECOND + number * 10 * US, number * HASH % 2**64
    table.feed(number.to_bytes(4, "big"), 4000, SERVER, 80, 1001, 1, ACK, BODY, now, flow_hash=flow_hash)


@pytest.mark.slow
@pytest.mark.parametrize(("flow", "count"), [(half_open, 1_000_000), (begun, 100_000)], ids=["half open", "in a body"])
def test_a_flood_of_flows_stays_within_the_memory_figure(flow: Callable[[FlowTable, int], None], count: int) -> None:
    """What is accounted is what the process takes: measured in a child, whose memory holds nothing else that is new."""
    child = os.fork()
    if not child:
        table = open_table(ProtocolFactory(lambda exchange: None, Limits(), response_timeout_ns=5 * SECOND))
        before = resident_bytes()
        for number in range(count):
            flow(table, number)
        fits = table.held_bytes <= MEMORY and table.flows_evicted > count / 2 and resident_bytes() - before < 1.25 * MEMORY
        os._exit(0 if fits else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_heads_outlive_the_flows_that_had_to_go() -> None:
    kept = []
    table = open_table(ProtocolFactory(kept.append, Limits(), response_timeout_ns=5 * SECOND))
    for number in range(20_000):
        begun(table, number)
    table.end_all()
    assert len(kept) == 20_000
    assert all(exchange.request is not None and exchange.request.target == b"/" for exchange in kept)
