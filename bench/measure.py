"""What `tcpmirror analyze` costs on a capture whose contents are known: first whether it is right, then how fast.

CPU is what the kernel accounts to the command and to every process it started and waited for (getrusage(2),
RUSAGE_CHILDREN), user and system together, start-up included. Totals are medians of several runs, stages the least of them.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.traffic import Capture

STAGES: Final = ("capture", "reassembly", "http", "detect")  # of `analyze --until`, in the order of the road
RUN_S: Final = 600.0


class WrongResultError(Exception):
    """The sensor did not find in the capture what is in it; its speed means nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of `analyze`: its cost as the kernel counted, and its own summary."""

    cpu_s: float
    wall_s: float
    summary: dict[str, Any]


def analyze(capture: Path, workers: int, until: str = "") -> Run:
    """Return the cost and the summary of `tcpmirror analyze` over *capture*, up to the stage *until* if one is named."""
    command = [str(Path(sys.executable).with_name("tcpmirror")), "analyze", "--workers", str(workers)]
    command += ["--until", until] if until else ["--findings", os.devnull]
    before, started = _children_cpu_s(), time.monotonic()
    done = subprocess.run([*command, str(capture)], capture_output=True, timeout=RUN_S, check=False)
    wall_s = time.monotonic() - started
    if done.returncode:
        raise WrongResultError(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
        )
    return Run(_children_cpu_s() - before, wall_s, json.loads(done.stdout))


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def prove(run: Run, capture: Capture) -> None:
    """Raise WrongResultError unless *run* found exactly the packets, exchanges and attacks that *capture* holds."""
    summary = run.summary
    attacks = summary["findings"].get("ptrav", 0)
    wanted = {"packets": capture.packets, "exchanges": capture.exchanges, "ptrav findings": capture.attacks}
    found = {"packets": summary["packets"], "exchanges": summary["exchanges"], "ptrav findings": attacks}
    others = {name: count for name, count in summary["findings"].items() if name != "ptrav" and count}
    if wanted != found or others:
        raise WrongResultError(
            f"in the capture: {wanted}; found: {found}; false findings: {others}; losses: {summary['losses']}"
        )


def measure(capture: Capture, small: Capture, workers: int, times: int) -> dict[str, Any]:
    """Return the figures for *capture*: exchanges per CPU-second, with start-up and without.

    *small* is the same traffic in little: what a run over it costs is start-up (imports, rules loaded). A first run, whose
    cost is told apart, leaves the compiled rules where the others find them.
    """
    first = analyze(Path(small.path), workers)
    prove(first, small)
    whole = [analyze(Path(capture.path), workers) for _ in range(times)]
    for run in whole:
        prove(run, capture)
    started = [analyze(Path(small.path), workers) for _ in range(times)]
    for run in started:
        prove(run, small)
    cpu_s = statistics.median(run.cpu_s for run in whole)
    least_s = min(run.cpu_s for run in whole) - min(run.cpu_s for run in started)
    start_s = statistics.median(run.cpu_s for run in started)
    extra = capture.exchanges - small.exchanges
    return {
        "exchanges": capture.exchanges,
        "packets": capture.packets,
        "workers": workers,
        "runs": times,
        "exchanges_per_cpu_s": round(capture.exchanges / cpu_s),
        "exchanges_per_cpu_s_without_start": round(extra / (cpu_s - start_s)),
        "cpu_s": round(cpu_s, 3),
        "start_cpu_s": round(start_s, 3),
        "first_start_cpu_s": round(first.cpu_s, 3),
        "exchange_us": round(1e6 * least_s / extra, 2),
        "wall_s": round(statistics.median(run.wall_s for run in whole), 3),
        "peak_rss": whole[0].summary["peak_rss"],
        "capture": asdict(capture),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
    }


def stage_us(capture: Capture, small: Capture, workers: int, times: int, whole_us: float) -> dict[str, float]:
    """Return CPU microseconds an exchange for each stage, and for what follows the last (``report``).

    They are differences between runs that end after one stage and after the next, so a stage carries what it makes the ones
    before it do. *whole_us*: an exchange on the whole road.
    """
    costs: dict[str, float] = {}
    reached = 0.0
    for stage in STAGES:
        sofar = _exchange_us(capture, small, workers, times, stage)
        costs[stage] = round(sofar - reached, 2)
        reached = sofar
    return {**costs, "report": round(whole_us - reached, 2)}


def _exchange_us(capture: Capture, small: Capture, workers: int, times: int, until: str) -> float:
    """The least of the runs each: what other work on the machine adds to CPU time is more than some stages cost."""
    large_s, small_s = (
        min(analyze(Path(each.path), workers, until).cpu_s for _ in range(times)) for each in (capture, small)
    )
    return 1e6 * (large_s - small_s) / (capture.exchanges - small.exchanges)
