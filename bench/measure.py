"""What `tcpmirror analyze` costs on a capture whose contents are known: first whether it is right, then how fast.

CPU is what the kernel accounts to the command and to every process it started and waited for (getrusage(2),
RUSAGE_CHILDREN), user and system together. Start-up (imports, rules loaded) is what a capture of next to nothing costs.
It is measured before each run, not once: processors are not as fast now as a minute ago. All figures are medians of several.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.traffic import Capture

# Of `analyze --until`, in the order of the road.
STAGES: Final = ("capture", "reassembly", "http", "detect", "apis", "sessions", "behavior")
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
    start_wall_s: float


def analyze(capture: Path, workers: int, until: str = "") -> Run:
    """Return the cost and the summary of `tcpmirror analyze` over *capture*, up to the stage *until* if one is named."""
    command = [sys.executable, "-m", "tcpmirror.cli", "analyze", "--workers", str(workers)]
    command += ["--until", until] if until else ["--findings", os.devnull, "--apis", os.devnull, "--weaknesses", os.devnull]
    before, started = children_cpu_s(), time.monotonic()
    # An installed program has its modules compiled; where this variable is set, each run would compile them anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([*command, str(capture)], capture_output=True, timeout=RUN_S, check=False, env=environment)
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


@dataclass(frozen=True, slots=True)
class Turn:
    """A run over next to nothing and one over a capture, one after the other: the processor is as fast for both."""

    start: Run
    whole: Run

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the capture, start-up left out."""
        return max(self.whole.cpu_s - self.start.cpu_s, 1e-3)


def turns(capture: Capture, small: Capture, workers: int, times: int, until: str = "") -> list[Turn]:
    """Return *times* turns up to the stage *until*; WrongResultError if one of the whole road is not exact."""
    taken = []
    for _ in range(times):
        taken.append(Turn(*(analyze(Path(each.path), workers, until) for each in (small, capture))))
        if not until:
            prove(taken[-1].start, small)
            prove(taken[-1].whole, capture)
    return taken


def measure(capture: Capture, title: str, small: Capture, workers: int, times: int) -> Figures:
    """Return the figures of *capture*; *small* tells what start-up costs. WrongResultError if any run is not exact."""
    analyze(Path(small.path), workers)  # leaves the compiled rules where the others find them
    taken = turns(capture, small, workers, times)
    cpu_s = statistics.median(turn.whole.cpu_s for turn in taken)
    without_start_s = statistics.median(turn.cpu_s for turn in taken)
    return Figures(
        kind=capture.kind,
        title=title,
        exchanges=capture.exchanges,
        packets=capture.packets,
        bytes=capture.bytes,
        exchanges_per_cpu_s=round(capture.exchanges / cpu_s),
        exchanges_per_cpu_s_without_start=round(capture.exchanges / without_start_s),
        cpu_s=round(cpu_s, 3),
        wall_s=round(statistics.median(turn.whole.wall_s for turn in taken), 3),
        peak_rss=max(turn.whole.summary["peak_rss"] for turn in taken),
        tier2=taken[0].whole.summary["tier2"],
        stage_us=stage_us(capture, small, workers, times, without_start_s),
        start_wall_s=round(statistics.median(turn.start.wall_s for turn in taken), 2),
    )


def stage_us(capture: Capture, small: Capture, workers: int, times: int, whole_s: float) -> dict[str, float]:
    """Return CPU microseconds an exchange for each stage, start-up left out, and for what follows the last (``rest``).

    They are differences between runs that end after one stage and after the next, so a stage carries what it makes the ones
    before it do. What follows is weaknesses, which are looked for, and findings, which are written.
    *whole_s*: CPU seconds of the whole road.
    """
    costs: dict[str, float] = {}
    reached = 0.0
    for stage in STAGES:
        taken = turns(capture, small, workers, times, stage)
        sofar = 1e6 * statistics.median(turn.cpu_s for turn in taken) / capture.exchanges
        costs[stage] = round(sofar - reached, 2)
        reached = sofar
    return {**costs, "rest": round(1e6 * whole_s / capture.exchanges - reached, 2)}
