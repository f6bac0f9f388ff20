"""`python -m bench.scaling`: how many exchanges a second so many workers would carry, and what then is in the way.

Two parts. First the merge side for real: the report rings of WORKERS workers are filled as those workers would fill them
in `discovery.interval` at RATE exchanges a second, one in a hundred an attack, and an exporter's rings, spool and outbox
take it all; what counts is the CPU time of that. Then a simulation: captures, workers and the exporter each on a core of
their own, rings of their real size between them, and costs as recorded here from real frames, drawn at random.

Exit code 1: the merge side lost something.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import logging
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.kinds import ATTACKS, get, item
from bench.page import BEGIN_SCALING, END_SCALING, ROOT, put_between
from bench.records import parsed
from bench.road import Road
from bench.workloads import LEARNING, RESPONSE, conversations, endpoint_targets
from tcpmirror.export.spool import Spool
from tcpmirror.export.tallies import Tallies
from tcpmirror.model.report import encode_report
from tcpmirror.processes.api_news import RECORD_BYTES
from tcpmirror.processes.detection import build_detector
from tcpmirror.processes.exporter import ReportRings
from tcpmirror.processes.judging import Judge
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.ring.ring import KIND_APIS, KIND_REPORT, RingWriter
from tcpmirror.settings.tree import SECOND, Settings

RULES: Final = ROOT / "build" / "rules"
RATE: Final = 100_000  # exchanges a second, of all workers together
WORKERS: Final = 64
ATTACKS_IN: Final = 100  # one exchange in so many
ENDPOINTS: Final = 1_000  # all of them seen by each worker
INTERVALS: Final = 8
RECORDED: Final = 200  # connections
CONNECTION_EXCHANGES: Final = 100
PACKETS: Final = 2  # of an exchange on a connection that stays open
SIMULATED: Final = 200_000  # exchanges
CORES: Final = (  # (captures, workers)
    (1, 1),
    (1, 2),
    (1, 4),
    (1, 8),
    (1, 16),
    (2, 16),
    (2, 32),
    (4, 32),
    (4, 64),
    (8, 64),
)


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds: of an exchange of each recorded connection, in capture and in a worker; of a report, of a digest."""

    captured: Sequence[float]
    judged: Sequence[float]
    report: float
    digest: float


@dataclass(frozen=True, slots=True)
class Merged:
    """What the exporter took in: reports, digests of endpoints, the rows that these became, and CPU seconds for each."""

    reports: int
    digests: int
    rows: int
    report_s: float
    digest_s: float
    interval_s: float


@dataclass(frozen=True, slots=True)
class Simulated:
    """Exchanges a second, and which share of the time each kind of process is busy."""

    captures: int
    workers: int
    rate: float
    capture: float
    worker: float
    exporter: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description="Exchanges a second with more workers.")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/performance.md")
    options = parser.parse_args()
    logging.getLogger("tcpmirror").setLevel(logging.CRITICAL)  # the exporter tells of each attack
    captured, judged = recorded()
    learning, known = endpoint_records()
    first, merged = merge(itertools.repeat(learning)), merge(itertools.cycle(known))
    costs = Costs(captured, judged, merged.report_s / merged.reports, merged.digest_s / merged.digests)
    lines = list(described(first, merged, costs, [simulated(costs, *sizes) for sizes in CORES]))
    print("\n".join(lines))
    if options.page:
        put_between(BEGIN_SCALING, END_SCALING, lines)
    wanted = (int(RATE * merged.interval_s) // ATTACKS_IN, WORKERS * ENDPOINTS)
    return int(any((each.reports, each.digests) != wanted for each in (first, merged)))


def recorded() -> tuple[list[float], list[float]]:
    """Return CPU seconds an exchange in capture and in a worker, of each of RECORDED connections of small exchanges."""
    road = Road(RULES)
    captured, judged = [], []
    for number in range(2 * RECORDED):
        first = number * CONNECTION_EXCHANGES
        exchanges = [(item(each).data, RESPONSE) for each in range(first, first + CONNECTION_EXCHANGES)]
        begun, halfway, ended = road.send_in_two(list(conversations(exchanges, number)))
        if number >= RECORDED:  # those before warm up
            captured.append((halfway - begun) / CONNECTION_EXCHANGES / 1e9)
            judged.append((ended - halfway) / CONNECTION_EXCHANGES / 1e9)
    return captured, judged


def merge(news: Iterator[Sequence[bytes]]) -> Merged:
    """Let an exporter take what WORKERS workers have for it in one interval, *news* being what each tells of endpoints."""
    settings = Settings()
    interval_s = settings.discovery.interval_ns / SECOND
    layout = SharedLayout(1, WORKERS, replace(settings.limits, segment_ring_bytes=1 << 12))
    reports, digests = attack_reports(settings), itertools.chain.from_iterable(itertools.islice(news, WORKERS))
    count = int(RATE * interval_s) // ATTACKS_IN
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(
            Path(directory) / "spool", settings.spool.quota_bytes, settings.spool.segment_bytes, settings.spool.fsync
        )
        readers = tuple(layout.report_reader(worker) for worker in range(WORKERS))
        rings = ReportRings(readers, spool, layout.counters(ProcessName("exporter", 0)), Tallies(), False)
        writers = [layout.report_writer(worker) for worker in range(WORKERS)]
        report_s = taken(rings, writers, KIND_REPORT, itertools.islice(itertools.cycle(reports), count))
        digest_s = taken(rings, writers, KIND_APIS, digests)
        begun = time.process_time()
        calls = list(waiting(rings))
        digest_s += time.process_time() - begun
        page = rings.counters
        result = Merged(page.get("spooled"), page.get("api_digests"), sum(calls), report_s, digest_s, interval_s)
        spool.close()
    return result


def taken(rings: ReportRings, writers: Sequence[RingWriter], kind: int, records: Iterator[bytes]) -> float:
    """Write *records* to the rings in turn, empty those whenever one is full, and return the CPU seconds of emptying."""
    total = 0.0
    for writer, record in zip(itertools.cycle(writers), records, strict=False):
        while not writer.write(kind, record):
            total += emptied(rings)
    return total + emptied(rings)


def emptied(rings: ReportRings) -> float:
    begun = time.process_time()
    while rings.turn():
        pass
    return time.process_time() - begun


def waiting(rings: ReportRings) -> Iterator[int]:
    """Yield how many digests each call to the cloud would hold, in the form in which it would go."""
    while (call := rings.apis.next()) is not None:
        yield call[1]
        rings.apis.done()


def attack_reports(settings: Settings) -> list[bytes]:
    """Return the report of each attack of the bench, as a worker writes it."""
    layout = SharedLayout(1, 1, replace(settings.limits, segment_ring_bytes=1 << 12))
    found: list[bytes] = []
    judge = Judge(
        settings,
        build_detector(settings, RULES),
        lambda exchange, findings: found.append(encode_report(judge.report(exchange, findings))),
        layout.counters(ProcessName("worker", 0)),
    )
    for target in ATTACKS.values():
        judge(parsed(get(target).data))
    return found


def endpoint_records() -> tuple[list[bytes], list[list[bytes]]]:
    """Return what a worker tells of ENDPOINTS endpoints that it comes to know, and of the same in INTERVALS afterwards."""
    road = Road(RULES)
    target = endpoint_targets(ENDPOINTS)
    each = max(1, round(RATE * Settings().discovery.interval_ns / SECOND / WORKERS / ENDPOINTS))
    told = []
    for number, times in enumerate((LEARNING, *(each,) * INTERVALS)):
        exchanges = ((get(target(at)).data, RESPONSE) for at in range(times * ENDPOINTS))
        road.send(conversations(exchanges, 10_000 * number))
        told.append(list(road.apis.records(RECORD_BYTES)))
    return told[0], told[1:]


def simulated(costs: Costs, captures: int, workers: int) -> Simulated:
    """Send SIMULATED exchanges through rings as fast as the slowest process lets them."""
    source = random.Random(captures * 1000 + workers)
    ring = Settings().limits.segment_ring_bytes // (PACKETS * 700)  # exchanges: a packet and its record take so many bytes
    free = [0.0] * captures
    done = [0.0] * workers
    rings = [collections.deque([0.0], ring) for _ in range(workers)]  # when each exchange in it is judged
    capture_s = worker_s = report_s = exported = 0.0
    for number in range(SIMULATED):
        at, to = number % captures, source.randrange(workers)
        cost, work = source.choice(costs.captured), source.choice(costs.judged)
        room = rings[to][0] if len(rings[to]) == ring else 0.0
        free[at] = max(free[at], room) + cost
        done[to] = max(done[to], free[at]) + work
        rings[to].append(done[to])
        capture_s, worker_s = capture_s + cost, worker_s + work
        if number % ATTACKS_IN == 0:
            exported = max(exported, done[to]) + costs.report
            report_s += costs.report
    elapsed = max(*done, exported)
    digest_share = workers * ENDPOINTS * costs.digest / (Settings().discovery.interval_ns / SECOND)
    return Simulated(
        captures,
        workers,
        SIMULATED / elapsed,
        capture_s / elapsed / captures,
        worker_s / elapsed / workers,
        report_s / elapsed + digest_share,
    )


def described(first: Merged, merged: Merged, costs: Costs, runs: Sequence[Simulated]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield f"In {merged.interval_s:.0f} s at {RATE:,} exchanges/s, {WORKERS} workers hand on {merged.reports:,} reports and"
    yield f"{merged.digests:,} digests of endpoints, which become {merged.rows:,} rows for the cloud. The exporter needs"
    costs_us = 1e6 * costs.report, 1e6 * costs.digest
    yield f"{share(merged):.0%} of a core for that ({costs_us[0]:.0f} us a report, {costs_us[1]:.0f} us a digest),"
    yield f"and {share(first):.0%} in the one interval in which all endpoints are new."
    yield ""
    capture, worker = statistics.fmean(costs.captured), statistics.fmean(costs.judged)
    yield f"Simulated with {1e6 * capture:.2f} us of capture and {1e6 * worker:.2f} us of worker an exchange (two packets"
    yield "and no attack in it), each process on a core of its own:"
    yield ""
    yield "| captures | workers | exchanges/s | capture busy | workers busy | exporter busy |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for run in runs:
        busy = " | ".join(f"{part:.0%}" for part in (run.capture, run.worker, run.exporter))
        yield f"| {run.captures} | {run.workers} | {run.rate:,.0f} | {busy} |"


def share(merged: Merged) -> float:
    return (merged.report_s + merged.digest_s) / merged.interval_s


if __name__ == "__main__":
    sys.exit(main())
