"""What `tcpmirror analyze` costs on a capture whose contents are known: first whether it is right, then how fast.

CPU is what the kernel accounts to the command and to every process it started and waited for (getrusage(2),
RUSAGE_CHILDREN), user and system together. Start-up (imports, rules loaded) is what a capture of next to nothing costs.
Totals are medians of several runs, stages the least of them: noise only adds.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.traffic import Capture

STAGES: Final = ("capture", "reassembly", "http", "detect", "apis")  # of `analyze --until`, in the order of the road
RUN_S: Final = 600.0


class WrongResultError(Exception):
    """The sensor did not find in the capture what is in it; its speed means nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of `analyze`: its cost as the kernel counted, and its own summary."""

    cpu_s: float
    wall_s: float
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one capture; ``stage_us``: CPU microseconds an exchange by stage, and for what follows the last."""

    kind: str
    title: str
    exchanges: int
    packets: int
    bytes: int
    exchanges_per_cpu_s: int
    exchanges_per_cpu_s_without_start: int
    cpu_s: float
    wall_s: float
    peak_rss: int
    tier2: int
    stage_us: dict[str, float]


def analyze(capture: Path, workers: int, until: str = "") -> Run:
    """Return the cost and the summary of `tcpmirror analyze` over *capture*, up to the stage *until* if one is named."""
    command = [sys.executable, "-m", "tcpmirror.cli", "analyze", "--workers", str(workers)]
    command += ["--until", until] if until else ["--findings", os.devnull]
    before, started = children_cpu_s(), time.monotonic()
    done = subprocess.run([*command, str(capture)], capture_output=True, timeout=RUN_S, check=False)
    wall_s = time.monotonic() - started
    if done.returncode:
        raise WrongResultError(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
        )
    return Run(children_cpu_s() - before, wall_s, json.loads(done.stdout))


def children_cpu_s() -> float:
    """Return the CPU seconds, user and system, of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def prove(run: Run, capture: Capture) -> None:
    """Raise WrongResultError unless *run* found exactly the packets, exchanges and attacks that *capture* holds."""
    summary = run.summary
    attacks = {name: count for name, count in summary["findings"].items() if count}
    wanted = {"packets": capture.packets, "exchanges": capture.exchanges, "findings": capture.findings}
    found = {"packets": summary["packets"], "exchanges": summary["exchanges"], "findings": attacks}
    if wanted != found:
        raise WrongResultError(f"in {capture.path}: {wanted}; found: {found}; losses: {summary['losses']}")


class Start:
    """What start-up costs, by the stage that a run ends after."""

    def __init__(self, small: Capture, workers: int, times: int) -> None:
        self._small = small
        self._workers = workers
        self._times = times
        prove(analyze(Path(small.path), workers), small)  # leaves the compiled rules where the others find them
        self._known: dict[str, list[float]] = {}

    def costs(self, until: str = "") -> Sequence[float]:
        """Return CPU seconds of each run."""
        if until not in self._known:
            runs = [analyze(Path(self._small.path), self._workers, until) for _ in range(self._times)]
            self._known[until] = [run.cpu_s for run in runs]
        return self._known[until]

    def least(self, until: str = "") -> float:
        return min(self.costs(until))

    def median(self, until: str = "") -> float:
        return statistics.median(self.costs(until))


def measure(capture: Capture, title: str, start: Start, workers: int, times: int) -> Figures:
    """Return the figures of *capture*; WrongResultError if any run's result is not exact."""
    runs = [analyze(Path(capture.path), workers) for _ in range(times)]
    for run in runs:
        prove(run, capture)
    cpu_s = statistics.median(run.cpu_s for run in runs)
    return Figures(
        kind=capture.kind,
        title=title,
        exchanges=capture.exchanges,
        packets=capture.packets,
        bytes=capture.bytes,
        exchanges_per_cpu_s=round(capture.exchanges / cpu_s),
        exchanges_per_cpu_s_without_start=round(capture.exchanges / max(cpu_s - start.median(), 1e-3)),
        cpu_s=round(cpu_s, 3),
        wall_s=round(statistics.median(run.wall_s for run in runs), 3),
        peak_rss=max(run.summary["peak_rss"] for run in runs),
        tier2=runs[0].summary["tier2"],
        stage_us=stage_us(capture, start, workers, times, min(run.cpu_s for run in runs) - start.least()),
    )


def stage_us(capture: Capture, start: Start, workers: int, times: int, whole_s: float) -> dict[str, float]:
    """Return CPU microseconds an exchange for each stage, start-up left out, and for what follows the last (``report``).

    They are differences between runs that end after one stage and after the next, so a stage carries what it makes the ones
    before it do. *whole_s*: CPU seconds of the whole road.
    """
    costs: dict[str, float] = {}
    reached = 0.0
    for stage in STAGES:
        least = min(analyze(Path(capture.path), workers, stage).cpu_s for _ in range(times))
        sofar = 1e6 * (least - start.least(stage)) / capture.exchanges
        costs[stage] = round(sofar - reached, 2)
        reached = sofar
    return {**costs, "report": round(1e6 * whole_s / capture.exchanges - reached, 2)}
