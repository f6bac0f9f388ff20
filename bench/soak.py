"""`python -m bench.soak`: how long a finding takes to the cloud under steady load, and whether anything grows meanwhile.

A whole sensor at the end of a cable, on disk as it would be installed, reads real HTTP exchanges, one in a thousand an
attack (`bench.live.TRAFFIC`), at a share of the highest rate at which it just analysed everything. The latency of a
finding is the time from the last packet of its exchange, as the kernel stamped it, until a reader of the cloud's store
finds it there. Each row is a stretch of the run: latencies, memory (PSS) and open files of all processes, packets skipped.

Exit code 1: a packet was skipped at that load, memory or files grew, or findings took longer than they may; 4: it cannot
be run here.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.live import HERE, TRAFFIC, Sensor
from bench.network import missing, network, wait_until
from bench.replay import Replay
from bench.traffic import capture_of

CLIMB_KPPS: Final = (2, 5, *range(10, 160, 10))
CLIMB_S: Final = 4.0
BEHIND_S: Final = 0.1  # of packets may lie on the rings at the end of a step
POLL_S: Final = 0.01
MEDIAN_S: Final = 0.150
P99_S: Final = 1.0
GROWTH: Final = 1.05  # of memory from the second row to the last
FINDINGS: Final = """
    SELECT hits.id, reports.time_ns + coalesce(reports.duration_ns, 0)
    FROM hits JOIN reports ON reports.id = hits.report_id WHERE hits.id > ? AND hits.type = 'ptrav' ORDER BY hits.id
"""  # what this traffic's attacks are; what is counted over time is told when enough of it was counted


@dataclass(frozen=True, slots=True)
class Row:
    """A stretch of the run: latencies in seconds, bytes and open files of all processes, packets sent and skipped."""

    latencies: Sequence[float]
    memory: int
    files: int
    sent: int
    skipped: int

    @property
    def median(self) -> float:
        return statistics.median(self.latencies) if self.latencies else 0.0

    @property
    def p99(self) -> float:
        return sorted(self.latencies)[len(self.latencies) * 99 // 100] if self.latencies else 0.0


class Watch:
    """A process of its own that looks into the cloud's store and notes how old each finding is when it is there."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._read = 0

    @classmethod
    @contextlib.contextmanager
    def running(cls, database: Path, notes: Path) -> Iterator[Watch]:
        notes.touch()
        process = subprocess.Popen([sys.executable, "-m", "bench.soak", "--watch", str(database), str(notes)])
        try:
            yield cls(notes)
        finally:
            process.kill()
            process.wait()

    def taken(self) -> list[float]:
        """Return the latencies since the last call."""
        lines = self._notes.read_text().splitlines()[self._read :]
        self._read += len(lines)
        return [float(line) for line in lines]


def watch(database: Path, notes: Path) -> None:
    """Write the age in seconds of each finding to *notes* when it is in the store, until killed."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store, notes.open("a") as file:
        last = store.execute("SELECT coalesce(max(id), 0) FROM hits").fetchone()[0]
        while True:
            for number, told_ns in store.execute(FINDINGS, (last,)).fetchall():
                last = number
                file.write(f"{(time.time_ns() - told_ns) / 1e9}\n")
            file.flush()
            time.sleep(POLL_S)


def capacity(sensor: Sensor, replay: Replay) -> float:
    """Return the highest rate, in packets a second, at which nothing is skipped and workers do not fall behind."""
    best = 0.0
    for kpps in CLIMB_KPPS:
        before = sensor.read()
        sent, took_s = replay.send(kpps * 1000, CLIMB_S)
        behind = sensor.behind()
        with contextlib.suppress(TimeoutError):
            wait_until(sensor.is_settled, "all packets taken", 20.0, 0.2)
        after = sensor.read()
        if after.received - before.received < sent or after.shed > before.shed or behind > BEHIND_S * kpps * 1000:
            break
        best = sent / took_s
    return best


def rows(sensor: Sensor, replay: Replay, watching: Watch, rate: float, seconds: float, row_s: float) -> Iterator[Row]:
    """Send at *rate* for *seconds*, and yield what every *row_s* was like."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before = sensor.read()
        watching.taken()
        sent, _ = replay.send(rate, min(row_s, max(1.0, until - time.monotonic())))
        after = sensor.read()
        pids = sensor.pids()
        skipped = sum(getattr(after, name) - getattr(before, name) for name in ("shed", "ring_full", "dropped"))
        yield Row(watching.taken(), sum(map(proportional, pids)), sum(map(open_files, pids)), sent, skipped)


def proportional(pid: int) -> int:
    """Return the proportional set size of a process in bytes (proc(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def written(row: Row) -> str:
    latency = f"| {len(row.latencies):,} | {1000 * row.median:.0f} | {1000 * row.p99:.0f} |"
    return f"{latency} {row.memory / (1 << 20):.0f} | {row.files} | {row.sent:,} | {row.skipped:,} |"


def problems(seen: Sequence[Row]) -> Iterator[str]:
    """Yield what is not as it should be."""
    together = Row([each for row in seen for each in row.latencies], 0, 0, 0, sum(row.skipped for row in seen))
    if not together.latencies:
        yield "no finding came to the cloud"
    if together.median > MEDIAN_S or together.p99 > P99_S:
        yield f"latency: median {together.median:.3f} s of {MEDIAN_S}, p99 {together.p99:.3f} s of {P99_S}"
    if together.skipped:
        yield f"{together.skipped} packets skipped"
    settled = seen[1:]  # the first row still fills caches
    if len(settled) > 1 and settled[-1].memory > GROWTH * settled[0].memory:
        yield f"memory grew from {settled[0].memory} to {settled[-1].memory} bytes"
    if len(settled) > 1 and settled[-1].files > max(row.files for row in settled[: len(settled) // 2 + 1]):
        yield f"open files grew from {settled[0].files} to {settled[-1].files}"


def main() -> int:
    options = arguments().parse_args()
    if options.watch:
        watch(*options.watch)
    reason = missing()
    if reason:
        print(f"bench.soak: {reason}", file=sys.stderr)
        return 4
    capture = capture_of(options.data, TRAFFIC, TRAFFIC.exchanges)
    with network() as net, tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        source, receiver = net.namespace("source"), net.namespace("sensor")
        net.cable((source, "out"), (receiver, "mon0"))
        replay = Replay(Path(capture.path), source, "out")
        with contextlib.closing(replay), Sensor.running(receiver, Path(scratch), options.engine, options.workers) as sensor:
            rate = options.kpps * 1000 or capacity(sensor, replay) * options.load
            print(f"{rate:,.0f} packets/s, load average {os.getloadavg()[0]:.1f}", flush=True)
            print("| findings | median ms | p99 ms | MiB | open files | packets | skipped |\n" + "| --- " * 7 + "|")
            seen = []
            with Watch.running(Path(scratch) / "state" / "cloud.db", Path(scratch) / "latencies") as watching:
                for row in rows(sensor, replay, watching, rate, options.seconds, options.row):
                    seen.append(row)
                    print(written(row), flush=True)
    found = list(problems(seen))
    print("\n".join(f"bench.soak: {problem}" for problem in found), file=sys.stderr)
    return int(bool(found))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Latency of findings, and growth, under load.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--row", type=float, default=60.0, help="seconds of each row")
    parser.add_argument("--load", type=float, default=0.7, help="share of the highest rate at which all is analysed")
    parser.add_argument("--kpps", type=float, default=0.0, help="thousands of packets a second, instead of --load")
    parser.add_argument("--engine", default="af_packet")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--watch", type=Path, nargs=2, help=argparse.SUPPRESS)  # what a process of its own does
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where the capture is kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
