"""What `status` tells: gathered in the supervisor, shown by the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from tcpmirror.processes.rule_costs import read_costs
from tcpmirror.settings.memory import memory_shares, written
from tcpmirror.settings.tree import SECOND
from tcpmirror.supervisor.tree import Child, State, Tree
from tcpmirror.telemetry.ledger import LOSSES, Ledger, read_ledgers

SLOW_RULES: Final = 20  # that are told of
# Names of `telemetry.names`; those that a kind of process does not count are not summed.
DROPS: Final = (
    "kernel_dropped",
    "interface_dropped",
    "lost_ring_full",
    "lost_shed",
    "lost_report_ring_full",
    "spool_dropped",
)
# What came to inspection in part only, or never became an exchange; no part of a ledger.
BESIDE: Final = {
    "capture": ("source_errors", "bad_checksum"),
    "worker": (
        "unanswered",
        "response_only",
        "partial_gap",
        "partial_limit",
        "http_errors",
        "tls_flows",
        "flows_evicted",
        "flows_lost",
        "mirror_lost_bytes",
        "lost_report_ring_full",
        "ring_corruptions",
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
    "ring",
    "packets",
    "drops",
    "exchanges",
    "attacks",
    "backlog",
)


def describe_tree(tree: Tree, now_ns: int) -> dict[str, Any]:
    """Return `state`, `totals` and `processes` as JSON values; the state is `degraded` while a process is not running."""
    processes = [_describe(child, now_ns) | {"rings": _ring_fill(tree, child)} for child in tree.children]
    totals = {name: sum(_count(child, names) for child in tree.of_kind(kind)) for name, (kind, names) in TOTALS.items()}
    return {
        "state": "stopping" if tree.stop_began_ns else "running" if tree.is_ready else "degraded",
        "totals": {**totals, "drops": sum(_count(child, DROPS) for child in tree.children)},
        "losses": {name: count for name, count in _losses(tree) if count},
        "ledgers": [ledger.described() for ledger in _ledgers(tree)],
        "beside": {name: count for name, count in _beside(tree) if count},
        "memory": memory_shares(tree.settings, tree.layout.workers).described(tree.layout.workers),
        "slow_rules": read_costs(map(tree.layout.worker_note, range(tree.layout.workers)))[:SLOW_RULES],
        "simulated": tree.settings.simulate.faults,
        "processes": processes,
    }


def _ring_fill(tree: Tree, child: Child) -> dict[str, float]:
    """Return how full a worker's rings are, from 0 to 1: the fullest it reads from, and the one it writes to."""
    if child.name.kind != "worker":
        return {}
    layout, index = tree.layout, child.name.index
    reading = max(layout.segment_reader(source, index).fill for source in range(layout.sources))
    return {"segments": round(reading, 4), "reports": round(layout.report_reader(index).fill, 4)}


def _ledgers(tree: Tree) -> tuple[Ledger, ...]:
    return read_ledgers(*([child.page for child in tree.of_kind(kind)] for kind in ("capture", "worker")))


def _losses(tree: Tree) -> Iterator[tuple[str, int]]:
    for name in ("kernel_dropped", "interface_dropped", *LOSSES):
        yield name, sum(_count(child, (name,)) for child in tree.of_kind("capture"))


def _beside(tree: Tree) -> Iterator[tuple[str, int]]:
    for kind, names in BESIDE.items():
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
    rules = status.get("rules") or {}
    reasons = [f"{process['name']}: {process['last_error']}" for process in status["processes"] if process["last_error"]]
    beside = "  ".join(f"{name} {count:,}" for name, count in status["beside"].items())
    more = [f"beside: {beside}"] if beside else []
    if status["simulated"]:
        more.append(f"FAULTS ON PURPOSE (--simulate): {status['simulated']}")
    if rules.get("problem"):
        more.append(f"rules refused, those before stay in force: {rules['problem']}")
    accounts = _accounts(status["ledgers"])
    return "\n".join(
        (
            head,
            written(status["memory"]),
            "",
            *(line.rstrip() for line in table),
            "",
            f"total: {sums}",
            "",
            *accounts,
            *more,
            *reasons,
        )
    )


def _accounts(ledgers: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each ledger: what came in, what was analysed, and where the rest is, down to a difference of 0."""
    rows = [
        (ledger["unit"], *(f"{ledger[key]:,}" for key in ("in", "analysed", "waiting", "difference"))) for ledger in ledgers
    ]
    rows.insert(0, ("", "in", "analysed", "waiting", "difference"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row, ledger in zip(rows, ({"reasons": {}}, *ledgers), strict=True):
        cells = (row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))
        why = "not analysed" if not row[0] else "  ".join(f"{name} {n:,}" for name, n in ledger["reasons"].items()) or "-"
        yield "  ".join((*cells, why))


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
        f"{100 * max(process['rings'].values()):.0f}%" if process["rings"] else "-",
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
