"""What the growth bench sends holds the exchanges it says, and its tables hold what it measured."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from bench.growth import RULES, curve_of, tables
from bench.road import Road
from bench.workloads import SMALL, Frame


@pytest.mark.parametrize("name", ["flows", "crowd"])
def test_open_connections_say_what_is_promised(name: str, tmp_path: Path) -> None:
    work = curve_of(name).workload(50, tmp_path)
    road = Road(RULES, work.settings)
    road.send(work.before)
    assert (road.judged, road.table.flows) == (50, 50)
    asked = 100
    road.send(work.measured[: asked * len(work.measured) // SMALL])
    assert road.judged == 50 + asked
    assert road.table.flows == (50 if name == "flows" else 50 + asked)


@pytest.mark.parametrize("name", ["hosts", "endpoints"])
def test_many_of_a_kind_are_as_many(name: str, tmp_path: Path) -> None:
    work = curve_of(name).workload(7, tmp_path)
    assert len(ends(work.measured, name)) == 7
    assert work.exchanges == SMALL


def ends(frames: list[Frame], name: str) -> set[bytes]:
    """Return the different hosts or paths in *frames*."""
    begin, end = (b"Host: ", b"\r\n") if name == "hosts" else (b"GET ", b"?")
    texts = (frame for _, frame in itertools.islice(frames, 2000) if b"HTTP/1.1\r\n" in frame and begin in frame)
    return {text.partition(begin)[2].partition(end)[0] for text in texts}


def test_a_table_tells_bodies_by_the_kibibyte_and_connections_let_go() -> None:
    point = {"value": 1000, "exchange_us": 20.0, "kib": 0.0, "memory": 3 << 20, "held": 1 << 20, "room": 2 << 20}
    figures = {"crowd": [point | {"lost_flows": 5}], "uploads": [point | {"lost_flows": 0, "kib": 10.0}]}
    lines = list(tables(figures))
    assert "| 1,000 | 20.0 | 3 | 1 of 2 (5 let go) |" in lines
    assert "| 1,000 | 20.0 | 2.00 | 3 | 1 of 2 |" in lines
