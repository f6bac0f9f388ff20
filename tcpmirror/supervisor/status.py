"""What `status` tells: gathered in the supervisor, shown by the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from tcpmirror.settings.tree import SECOND
from tcpmirror.supervisor.tree import Child, State, Tree
from tcpmirror.telemetry.names import KINDS

# Names of `telemetry.names`; those that a kind of process does not count are not summed.
DROPS: Final = (
    "kernel_dropped",
    "interface_dropped",
    "lost_ring_full",
    "lost_shed",
    "lost_report_ring_full",
    "spool_dropped",
)
# Other ends of a packet, a byte or an exchange that is not analysed; by kind of process.
LOSSES: Final = {
    "capture": tuple(name for name in KINDS["capture"] if name.startswith("lost_") or name.endswith("_dropped")),
    "worker": (
        "gap_bytes",
        "mirror_lost_bytes",
        "flows_evicted",
        "http_errors",
        "lost_report_ring_full",
        "skipped_records",
        "bugs",
    ),
    "exporter": ("bad_reports", "spool_dropped", "batch_rejected"),
}
# What an operator asks for first: the sum of a counter over all processes of a kind.
TOTALS: Final = {
    "packets": ("capture", ("packets",)),
    "exchanges": ("worker", ("exchanges",)),
    "attacks": ("worker", ("attacks",)),
    "backlog": ("exporter", ("backlog",)),
}
COLUMNS: Final = (
    "process",
    "pid",
    "state",
    "uptime",
    "restarts",
    "cpu",
    "memory",
    "packets",
    "drops",
    "exchanges",
    "attacks",
    "backlog",
)


def describe_tree(tree: Tree, now_ns: int) -> dict[str, Any]:
    """Return `state`, `totals` and `processes` as JSON values; the state is `degraded` while a process is not running."""
    processes = [_describe(child, now_ns) for child in tree.children]
    totals = {name: sum(_count(child, names) for child in tree.of_kind(kind)) for name, (kind, names) in TOTALS.items()}
    return {
        "state": "stopping" if tree.stop_began_ns else "running" if tree.is_ready else "degraded",
        "totals": {**totals, "drops": sum(_count(child, DROPS) for child in tree.children)},
        "losses": {name: count for name, count in _losses(tree) if count},
        "processes": processes,
    }


def _losses(tree: Tree) -> Iterator[tuple[str, int]]:
    for kind, names in LOSSES.items():
        for name in names:
            yield name, sum(_count(child, (name,)) for child in tree.of_kind(kind))


def render_status(status: dict[str, Any]) -> str:
    """Return *status* (see `describe_tree` and `Supervisor.describe`) as lines for a terminal."""
    console = f", console {status['console_url']}" if status["console_url"] else ""
    head = f"tcpmirror {status['version']}: {status['state']}, pid {status['pid']}, up {_span(status['uptime_s'])}{console}"
    rows = [COLUMNS, *(_row(process) for process in status["processes"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    table = [
        "  ".join(_aligned(cell, width, number) for number, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    totals = status["totals"]
    sums = "  ".join(f"{name} {totals[name]:,}" for name in ("packets", "drops", "exchanges", "attacks", "backlog"))
    reasons = [f"{process['name']}: {process['last_error']}" for process in status["processes"] if process["last_error"]]
    lost = "  ".join(f"{name.removeprefix('lost_')} {count:,}" for name, count in status["losses"].items())
    losses = (f"not analysed: {lost}",) if lost else ()
    return "\n".join((head, "", *(line.rstrip() for line in table), "", f"total: {sums}", *losses, *reasons))


def _describe(child: Child, now_ns: int) -> dict[str, Any]:
    counters = child.page.snapshot()
    return {
        "name": str(child.name),
        "kind": child.name.kind,
        "index": child.name.index,
        "pid": child.pid,
        "state": child.state.value,
        "uptime_s": round((now_ns - child.started_ns) / SECOND, 3) if child.is_alive else 0,
        "restarts": child.restarts,
        "silent_s": round(max(0, now_ns - counters["heartbeat_ns"]) / SECOND, 3) if counters["heartbeat_ns"] else None,
        "retry_in_s": round(max(0, child.due_ns - now_ns) / SECOND, 3) if child.state is State.BACKOFF else None,
        "last_exit": child.last_exit,
        "last_error": child.last_error,
        "drops": _count(child, DROPS),
        "counters": counters,
    }


def _count(child: Child, names: tuple[str, ...]) -> int:
    return sum(child.page.get(name) for name in names if name in child.page.names)


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    counters = process["counters"]

    def counted(name: str) -> str:
        return f"{counters[name]:,}" if name in counters else "-"

    return (
        process["name"],
        str(process["pid"] or "-"),
        process["state"],
        _span(process["uptime_s"]) if process["pid"] else "-",
        str(process["restarts"]),
        f"{counters['cpu_ns'] / SECOND:.1f}s",
        f"{counters['rss_bytes'] / (1 << 20):.0f}M",
        counted("packets"),
        "-" if process["kind"] == "cloud" else f"{process['drops']:,}",
        counted("exchanges"),
        counted("attacks"),
        counted("backlog"),
    )


def _aligned(cell: str, width: int, column: int) -> str:
    justify: Callable[[int], str] = cell.ljust if COLUMNS[column] in ("process", "state") else cell.rjust
    return justify(width)


def _span(seconds: float) -> str:
    """`59s`, `12m05s`, `3h07m`, `4d02h`: two units are enough to tell a restart from a long life."""
    whole = int(seconds)
    for size, unit, smaller, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // smaller:02d}{small_unit}"
    return f"{whole}s"
