"""`python -m bench.growth`: what an exchange costs as work grows, one thing at a time.

Each point runs in a process of its own: frames of `bench.workloads` go down the road of one worker (capture, ring,
reassembly, HTTP, detection, inventory). CPU time an exchange is that of the cheapest of PARTS parts, as noise only adds;
memory is what the process has beside what it had before the first frame, frames not counted. Every exchange has to be
judged, or there is no figure. ``--page`` writes the tables into docs/performance.md.

Exit code 1: an exchange is missing, or more is held than the limit of memory allows.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.page import BEGIN_GROWTH, END_GROWTH, ROOT, put_between
from bench.road import Road
from bench.workloads import Workload, bodies, crowded, endpoints, hosts, open_flows, own_rules
from tcpmirror.settings.memory import memory_shares

FIGURES: Final = ROOT / "docs" / "growth_figures.json"
RULES: Final = ROOT / "build" / "rules"
PARTS: Final = 5
FRAMES_AT_ONCE: Final = 10_000
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class MissingExchangesError(Exception):
    """Not every exchange was judged; the cost of the others means nothing."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One thing that grows: its name, its values, and the workload at a value."""

    name: str
    title: str
    values: tuple[int, ...]
    workload: Callable[[int, Path], Workload]


@dataclass(frozen=True, slots=True)
class Point:
    """``exchange_us``: CPU; ``start_s``: CPU until the road stands; ``held``, ``room``: bytes of streams and their limit."""

    value: int
    exchange_us: float
    kib: float
    start_s: float
    memory: int
    held: int
    room: int
    lost_flows: int


SIZES: Final = tuple(10**power for power in range(3, 8))
CURVES: Final = (
    Curve("flows", "open connections", tuple(10**power for power in range(1, 7)), lambda n, _: open_flows(n)),
    Curve(
        "crowd",
        "open connections before one new for each exchange",
        (10, 10_000, 100_000, 1_000_000),
        lambda n, _: crowded(n),
    ),
    Curve("hosts", "hosts", (1, 10, 100, 1_000, 10_000), lambda n, _: hosts(n)),
    Curve("endpoints", "endpoints", (10, 100, 1_000, 10_000, 100_000), lambda n, _: endpoints(n)),
    Curve("rules", "own rules beside the built-in ones", (10, 100, 1_000, 5_000), own_rules),
    Curve("uploads", "bytes of JSON in a request", SIZES, lambda n, _: bodies(n, are_sent=True)),
    Curve("downloads", "bytes of JSON in a response", SIZES, lambda n, _: bodies(n, are_sent=False)),
)


def main() -> int:
    options = arguments().parse_args()
    if options.point:
        print(json.dumps(dataclasses.asdict(point(options.curves[0], int(options.point)))))
        return 0
    figures: dict[str, list[dict[str, Any]]] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for curve in options.curves or CURVES:
        figures[curve.name] = []
        for value in curve.values:
            command = [sys.executable, "-m", "bench.growth", curve.name, "--point", str(value)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"bench: {curve.name} at {value}: {done.stderr[-2000:]}", file=sys.stderr)
                return 1
            figures[curve.name].append(json.loads(done.stdout))
            print(curve.name, done.stdout.strip(), flush=True)
    if options.page:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        put_between(BEGIN_GROWTH, END_GROWTH, list(tables(figures)))
    return int(any(each["held"] > each["room"] for points in figures.values() for each in points))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="What an exchange costs as work grows.")
    parser.add_argument("curves", nargs="*", type=curve_of, help=f"out of {', '.join(names())}; all by default")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--point", metavar="VALUE", help=argparse.SUPPRESS)  # what a process of its own measures
    return parser


def names() -> list[str]:
    return [curve.name for curve in CURVES]


def curve_of(name: str) -> Curve:
    for curve in CURVES:
        if curve.name == name:
            return curve
    raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names())}")


def point(curve: Curve, value: int) -> Point:
    """Measure *curve* at *value*, in this process; MissingExchangesError."""
    with tempfile.TemporaryDirectory() as directory:
        work = curve.workload(value, Path(directory) / "rules")
        started = time.process_time()
        road = Road(RULES, work.settings)
        start_s = time.process_time() - started
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as a worker has it
    before = resident()
    for some in batches(work.before):
        road.send(some)
    if road.judged != work.exchanges_before:
        raise MissingExchangesError(f"{road.judged} of {work.exchanges_before} before")
    cost = least_us(road, work)
    if road.judged != work.exchanges_before + work.exchanges:
        raise MissingExchangesError(f"{road.judged} of {work.exchanges_before} and {work.exchanges}")
    room = memory_shares(work.settings, 1).streams
    return Point(
        value, round(cost, 2), work.kib, start_s, resident() - before, road.table.held_bytes, room, road.table.flows_evicted
    )


def batches(frames: Any) -> Iterator[list[tuple[int, bytes]]]:
    """Yield what *frames* makes in lists that do not make a lot of memory."""
    some: list[tuple[int, bytes]] = []
    for each in frames:
        some.append(each)
        if len(some) == FRAMES_AT_ONCE:
            yield some
            some = []
    yield some


def least_us(road: Road, work: Workload) -> float:
    """Return CPU microseconds an exchange of the cheapest part of the measured frames."""
    size = -(-len(work.measured) // PARTS)
    found = []
    for at in range(0, len(work.measured), size):
        some, judged, started = work.measured[at : at + size], road.judged, time.process_time()
        road.send(some)
        cost_s, judged = time.process_time() - started, road.judged - judged
        if judged:
            found.append(1e6 * cost_s / judged)
    return min(found)


def resident() -> int:
    """Return the bytes of memory that this process has (proc(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def tables(figures: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield the lines of the tables."""
    for curve in CURVES:
        points = figures.get(curve.name)
        if not points:
            continue
        has_bodies = bool(points[0]["kib"])
        yield f"| {curve.title} | us an exchange | {'us a KiB | ' if has_bodies else ''}MiB more | MiB of streams, of |"
        yield "| --- " * (5 if has_bodies else 4) + "|"
        for each in points:
            per_kib = f"{each['exchange_us'] / each['kib']:.2f} | " if has_bodies else ""
            evicted = f" ({each['lost_flows']:,} let go)" if each["lost_flows"] else ""
            yield (
                f"| {each['value']:,} | {each['exchange_us']:,.1f} | {per_kib}{each['memory'] / (1 << 20):.0f} "
                f"| {each['held'] / (1 << 20):.0f} of {each['room'] >> 20}{evicted} |"
            )
        yield ""


if __name__ == "__main__":
    sys.exit(main())
