"""`tcpmirror top`: what each process does now, refreshed until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tcpmirror.errors import EnvironmentFault
from tcpmirror.supervisor.control import ask

Status = Mapping[str, Any]
NS: Final = 1e-9
SLOW_RULES: Final = 5  # shown
RING_HIGH: Final = 0.5  # from half full on, no new flow is admitted
# Rates shown for each kind of process: the counter, and what one of it is.
RATES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "capture": (("packets", "packets/s"), ("bytes", "bytes/s")),
    "worker": (("segments", "segments/s"), ("exchanges", "exchanges/s"), ("findings", "findings/s")),
    "exporter": (("reports", "reports/s"), ("reports_sent", "sent/s")),
    "cloud": (("reports", "reports/s"),),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """The status at one moment, in seconds of the monotonic clock."""

    at_s: float
    status: Status


def top(run_dir: Path, interval_s: float, rounds: int = 0, console: Console | None = None) -> None:
    """Show the sensor of *run_dir* every *interval_s* seconds, *rounds* times (0: until Ctrl-C).

    EnvironmentFault: none answers there.
    """
    show = console or Console()
    before = sample(run_dir)
    with Live(console=show, screen=show.is_terminal, auto_refresh=False) as live:
        shown = 0
        while not rounds or shown < rounds:
            time.sleep(interval_s)
            now = sample(run_dir)
            live.update(screen_of(before, now), refresh=True)
            before, shown = now, shown + 1


def sample(run_dir: Path, asks: Callable[[Path, dict[str, Any]], dict[str, Any]] = ask) -> Sample:
    answer = asks(run_dir, {"command": "status"})
    if "processes" not in answer:
        raise EnvironmentFault(str(answer.get("error", "the sensor is starting")))
    return Sample(time.monotonic(), answer)


def screen_of(before: Sample, now: Sample) -> RenderableType:
    """Return a head, a row for each process, what is lost, and the slowest rules."""
    return Group(_head(now.status), processes_table(before, now), _losses(before, now), _slow_rules(before, now))


def processes_table(before: Sample, now: Sample) -> Table:
    earlier = {process["name"]: process for process in before.status["processes"]}
    table = Table(expand=True)
    for heading in (
        "process",
        "state",
        "restarts",
        "cpu",
        "memory",
        "rings",
        "rates",
        "judging",
        "drops/s",
        "coverage",
        "flows",
        "backlog",
    ):
        table.add_column(heading, justify="left" if heading in ("process", "state", "rates") else "right")
    for process in now.status["processes"]:
        table.add_row(*_row(earlier.get(process["name"]), process, now.at_s - before.at_s))
    return table


def _head(status: Status) -> Text:
    totals = status["totals"]
    sums = "  ".join(f"{name} {totals[name]:,}" for name in ("packets", "exchanges", "attacks", "backlog", "drops"))
    colour = {"running": "green", "degraded": "red"}.get(status["state"], "yellow")
    return Text.assemble(f"tcpmirror {status['version']}: ", (status["state"], colour), f"   {sums}")


def _row(before: Status | None, process: Status, seconds: float) -> tuple[str | Text, ...]:
    counters = process["counters"]
    earlier = before["counters"] if before else counters

    def rate(name: str) -> float:
        return max(0.0, (counters[name] - earlier[name]) / seconds) if name in counters else 0.0

    drops = max(0.0, (process["drops"] - (before or process)["drops"]) / seconds)
    rates = "  ".join(f"{_short(rate(name))} {unit}" for name, unit in RATES[process["kind"]] if name in counters)
    return (
        process["name"],
        Text(process["state"], "" if process["state"] in ("running", "finished") else "red"),
        str(process["restarts"]),
        f"{100 * rate('cpu_ns') * NS:.0f} %",
        f"{counters['rss_bytes'] / (1 << 20):.0f} M",
        _fill(process["rings"]),
        rates,
        _judging(rate("detect_ns"), rate("inspected"), rate("tier2")),
        Text(_short(drops), "red" if drops else ""),
        f"{counters['coverage_permille'] / 10:.1f} %" if "coverage_permille" in counters else "",
        f"{counters['flows']:,}" if "flows" in counters else "",
        f"{counters['backlog']:,}" if "backlog" in counters else "",
    )


def _fill(rings: Mapping[str, float]) -> Text:
    """How full the rings into and out of a worker are; above the shedding's high water in red."""
    fills = [rings[name] for name in ("segments", "reports") if name in rings]
    words = " / ".join(f"{100 * fill:.0f} %" for fill in fills)
    return Text(words, "red" if any(fill > RING_HIGH for fill in fills) else "")


def _judging(detect_ns: float, inspected: float, in_full: float) -> str:
    """What an exchange costs to judge, and the share that needed every rule: which is where slow rules show."""
    return f"{detect_ns / inspected / 1000:.1f} us, {100 * in_full / inspected:.0f} % in full" if inspected else ""


def _losses(before: Sample, now: Sample) -> Text:
    lost = {name: count - before.status["losses"].get(name, 0) for name, count in now.status["losses"].items()}
    seconds = now.at_s - before.at_s
    words = "  ".join(f"{name} {_short(count / seconds)}/s" for name, count in lost.items() if count > 0)
    return Text(f"not analysed: {words}" if words else "", "yellow")


def _slow_rules(before: Sample, now: Sample) -> Text:
    """The rules that most time went to between the two samples: what their signs had judged in full, and what each took."""
    earlier = {row["rule"]: row for row in before.status["slow_rules"]}
    seconds = now.at_s - before.at_s
    costs = []
    for row in now.status["slow_rules"]:
        old = earlier.get(row["rule"], {"cost_ns": 0, "requests": 0})
        if row["requests"] > old["requests"]:  # less: a worker began anew
            costs.append((row["cost_ns"] - old["cost_ns"], row["requests"] - old["requests"], row["rule"]))
    words = [
        f"{rule} {100 * cost_ns * NS / seconds:.1f} % of a core, "
        f"{_short(requests / seconds)}/s of {cost_ns / requests / 1000:.0f} us"
        for cost_ns, requests, rule in sorted(costs, reverse=True)[:SLOW_RULES]
    ]
    return Text("\n".join(("slowest rules", *(f"  {line}" for line in words))) if words else "")


def _short(number: float) -> str:
    """`950`, `12.3k`, `4.5M`: three figures are enough for a rate."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"
