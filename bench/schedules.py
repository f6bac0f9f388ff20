"""`python -m bench.schedules [SCHEDULES] [SEED]`: kill and start exporter and cloud at random; is each report stored once?

Both are the real processes, on shared rings, over loopback, with SQLite; a schedule is a list of steps made from its seed.
At its end both are let run until the spool is empty, and the store is compared with what was put on the rings. Exit code 1:
a report is missing, or is there twice.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import random
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report, encode_report
from tcpmirror.processes import exporter
from tcpmirror.processes.context import Context
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.ring.ring import KIND_REPORT
from tcpmirror.settings import tree
from tcpmirror.telemetry.logs import configure_logging

WORKERS: Final = 2
REPORTS: Final = 60  # of one schedule
STEPS: Final = 12
TOKEN: Final = "deploy-token"
ENDS_WITHIN_S: Final = 60.0
POLL_S: Final = 0.005
# What may happen between two handfuls of reports, and how often of all.
EVENTS: Final = {
    "exporter killed": 5,
    "exporter stopped": 1,
    "exporter started": 4,
    "cloud killed": 4,
    "cloud stopped": 1,
    "cloud started": 4,
    "pause": 4,
}


class LostReportsError(Exception):
    """The store is not what was put on the rings."""


@dataclass
class Stage:
    """One sensor's rings and spool, one cloud's store, and the two processes between them, each running or not."""

    directory: Path
    settings: tree.Settings
    pids: dict[str, int] = field(default_factory=dict)
    layout: SharedLayout = field(init=False)

    def __post_init__(self) -> None:
        self.layout = SharedLayout(1, WORKERS, self.settings.limits)
        self._writers = [self.layout.report_writer(worker) for worker in range(WORKERS)]

    def start(self, kind: str) -> None:
        if kind in self.pids:
            return
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                status = self._live(kind)
            finally:
                os._exit(status)
        self.pids[kind] = pid

    def _live(self, kind: str) -> int:
        configure_logging(kind, "warn", True, str(self.directory / f"{kind}.log"))
        context = Context(ProcessName(kind, 0), self.settings, self.layout, bytes(16), deploy_token=TOKEN)
        context.install_signals()
        return int(importlib.import_module(f"tcpmirror.processes.{kind}").run(context))

    def end(self, kind: str, number: signal.Signals) -> None:
        pid = self.pids.pop(kind, 0)
        if pid:
            os.kill(pid, number)
            os.waitpid(pid, 0)

    def report(self, number: int) -> None:
        if not self._writers[number % WORKERS].write(KIND_REPORT, encode_report(numbered(number))):
            raise LostReportsError("the ring is full")
        self.layout.exporter_bell().ring()

    @property
    def is_empty(self) -> bool:
        rings = [self.layout.report_reader(worker) for worker in range(WORKERS)]
        return all(ring.is_empty for ring in rings) and self.layout.counters(ProcessName("exporter", 0)).get("backlog") == 0

    def stored(self) -> tuple[Counter[str], int]:
        """Return how often each report is stored, and how many hits there are."""
        with sqlite3.connect(f"file:{self.directory / 'cloud.db'}?mode=ro", uri=True) as store:
            reports = Counter(row[0] for row in store.execute("SELECT id FROM reports"))
            (hits,) = store.execute("SELECT count(*) FROM hits").fetchone()
        return reports, int(hits)


def numbered(number: int) -> Report:
    """Return an exchange with one attack, whose id says which one it is."""
    uri = f"/items/{number}?id=1%27%20or%201=1--%20{number}"
    return Report(
        id=f"{number:032x}",
        time_ns=1_790_000_000_000_000_000 + number * 1_000_000,
        duration_ns=1_000_000,
        client=f"203.0.113.9:{20_000 + number}",
        server="10.0.0.5:80",
        real_ip="203.0.113.9",
        encapsulation="",
        protocol="HTTP/1.1",
        method="GET",
        host="shop.example",
        uri=uri,
        status=200,
        request_bytes=0,
        response_bytes=2,
        application=-1,
        anomalies=(),
        findings=(Finding("sqli", ("get", "id"), f"1' or 1=1-- {number}", "sqli.tautology", 0.9),),
        request=f"GET {uri} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode(),
        response=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )


def settings_for(directory: Path) -> tree.Settings:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return tree.Settings(
        metrics=tree.Metrics(enabled=False, legacy_status_enabled=False),
        health=tree.Health(enabled=False),
        cloud=tree.Cloud(listen_address=address, batch_reports=15, batch_interval_ns=20_000_000, timeout_s=2.0),
        console=tree.Console(enabled=False),
        spool=tree.Spool(segment_bytes=64 * 1024, fsync=False),
        supervisor=tree.Supervisor(state_dir=str(directory), stop_deadline_s=4.0),
        limits=tree.Limits(report_ring_bytes=tree.MIB),
        discovery=tree.Discovery(enabled=False),
    )


def run_schedule(seed: int) -> Counter[str]:
    """Play the schedule made from *seed*; return what happened how often. LostReportsError keeps its directory."""
    dice, happened = random.Random(seed), Counter[str]()
    directory = Path(tempfile.mkdtemp(prefix=f"schedule-{seed}-"))
    stage = Stage(directory, settings_for(directory))
    try:
        for events, numbers in steps(dice):
            for event in events:
                happened[event] += 1
                play(stage, event, dice)
            for number in numbers:
                stage.report(number)
        settle(stage, directory)
    finally:
        for kind in tuple(stage.pids):
            stage.end(kind, signal.SIGKILL)
    shutil.rmtree(directory)
    return happened


def steps(dice: random.Random) -> Iterator[tuple[list[str], range]]:
    """Yield what happens, and then the reports that come."""
    cuts = sorted(dice.randrange(REPORTS + 1) for _ in range(STEPS - 1))
    for first, last in zip((0, *cuts), (*cuts, REPORTS), strict=True):
        yield dice.choices(tuple(EVENTS), tuple(EVENTS.values()), k=dice.randrange(3)), range(first, last)


def play(stage: Stage, event: str, dice: random.Random) -> None:
    kind, _, what = event.partition(" ")
    match what:
        case "killed":
            stage.end(kind, signal.SIGKILL)
        case "stopped":
            stage.end(kind, signal.SIGTERM)
        case "started":
            stage.start(kind)
        case _:
            time.sleep(dice.uniform(0.0, 0.4))


def settle(stage: Stage, directory: Path) -> None:
    """Let both run until everything is stored; LostReportsError says what is wrong with the store."""
    stage.start("cloud")
    stage.start("exporter")
    wanted = {f"{number:032x}" for number in range(REPORTS)}
    database = directory / "cloud.db"
    await_true(lambda: database.exists() and stage.is_empty and stage.stored()[0].keys() == wanted, str(directory))
    stage.end("exporter", signal.SIGTERM)
    stage.end("cloud", signal.SIGTERM)
    check(*stage.stored(), str(directory))


def check(reports: Counter[str], hits: int, what: str) -> None:
    """Raise LostReportsError unless each report is stored once, with its hit."""
    if reports != Counter(f"{number:032x}" for number in range(REPORTS)) or hits != REPORTS:
        raise LostReportsError(f"{what}: {len(reports)} reports stored {reports.total()} times, {hits} hits, of {REPORTS}")


def await_true(claim: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + ENDS_WITHIN_S
    while True:
        try:
            if claim():
                return
        except sqlite3.OperationalError:  # the cloud is making its tables
            pass
        if time.monotonic() > until_s:
            raise LostReportsError(f"{what}: not everything was stored within {ENDS_WITHIN_S:.0f} s")
        time.sleep(POLL_S)


def main() -> int:
    options = arguments().parse_args()
    exporter.installed_version()
    importlib.import_module("tcpmirror.processes.cloud")  # once, not in each of the clouds
    began_s, happened, done = time.monotonic(), Counter[str](), 0
    seeds = range(options.seed, options.seed + options.schedules)
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        try:
            for counts in pool.imap_unordered(run_schedule, seeds):
                happened, done = happened + counts, done + 1
                if done % 100 == 0:
                    print(f"schedules: {done} done in {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
        except LostReportsError as error:
            print(f"schedules: {error}", file=sys.stderr)
            return 1
    print(f"{done} schedules of {REPORTS} reports: every report and hit stored once ({time.monotonic() - began_s:.0f} s)")
    print(", ".join(f"{what} {count}" for what, count in sorted(happened.items())))
    return 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.schedules", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("schedules", nargs="?", type=int, default=1000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=4, help="schedules at a time; most of each is waiting")
    return parser


if __name__ == "__main__":
    sys.exit(main())
