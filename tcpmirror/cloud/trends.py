"""What came in and what was found over time: sums in buckets of five minutes, small enough to be kept and read at once.

Hits are counted when they are stored, at the time of their packets. Traffic is told by heartbeats as totals since the
sensor's start: the rise since the heartbeat before is what came in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import attacks, hit_counts, traffic

BUCKET_NS: Final = 300 * 1_000_000_000
KEPT_BUCKETS: Final = 32 * 288  # 32 days: the longest period that the pages show, and one more
_COUNTER_LIMIT: Final = 2**50  # of what a counter may have come to: thousands of them add up to a number of 64 bits
_SILENT_NS: Final = 900 * 1_000_000_000  # what came in over a longer silence cannot be told to a bucket


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trend. ``coverage``: the least any sensor told in it, None where none told.

    ``incidents``: those last seen in it.
    """

    start_ns: int
    hits: dict[str, int]
    requests: int = 0
    coverage: float | None = None
    incidents: int = 0


@dataclass(frozen=True, slots=True)
class Trend:
    """Steps of ``step_ns`` each, oldest first, without holes."""

    step_ns: int
    steps: tuple[Step, ...]

    @property
    def by_type(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for step in self.steps:
            total.update(step.hits)
        return total

    @property
    def requests(self) -> int:
        return sum(step.requests for step in self.steps)

    @property
    def coverage(self) -> float | None:
        return min((step.coverage for step in self.steps if step.coverage is not None), default=None)


def trend(database: Database, period_ns: int, steps: int, now_ns: int) -> Trend:
    """Return the *steps* steps that end with the one of *now_ns*; a step is a whole number of buckets, at least one."""
    buckets = max(period_ns // BUCKET_NS // steps, 1)
    last = now_ns // BUCKET_NS // buckets
    first = last - steps + 1
    with database.reading() as connection:
        found = _hits(connection, first, buckets)
        told = _told(connection, first, buckets)
        proven = _incidents(connection, first, buckets * BUCKET_NS)
    step_ns = buckets * BUCKET_NS
    return Trend(
        step_ns,
        tuple(
            Step(at * step_ns, found.get(at, {}), *told.get(at, (0, None)), proven.get(at, 0))
            for at in range(first, last + 1)
        ),
    )


def _incidents(connection: Connection, first: int, step_ns: int) -> dict[int, int]:
    step = attacks.c.last_ns // step_ns
    rows = select(step, func.count()).where(attacks.c.evidence_hits > 0, attacks.c.last_ns >= first * step_ns)
    return {int(at): int(number) for at, number in connection.execute(rows.group_by(step))}


def _hits(connection: Connection, first: int, buckets: int) -> dict[int, dict[str, int]]:
    step = hit_counts.c.bucket // buckets
    rows = select(step, hit_counts.c.type, func.sum(hit_counts.c.hits)).where(hit_counts.c.bucket >= first * buckets)
    found: dict[int, dict[str, int]] = {}
    for at, kind, number in connection.execute(rows.group_by(step, hit_counts.c.type)):
        found.setdefault(int(at), {})[kind] = int(number)
    return found


def _told(connection: Connection, first: int, buckets: int) -> dict[int, tuple[int, float | None]]:
    step = traffic.c.bucket // buckets
    rows = select(step, func.sum(traffic.c.requests), func.min(traffic.c.coverage))
    rows = rows.where(traffic.c.bucket >= first * buckets).group_by(step)
    return {int(at): (int(requests), coverage) for at, requests, coverage in connection.execute(rows)}


def count_hits(connection: Connection, found: Iterable[tuple[int, str]]) -> None:
    """Add hits, given as (time in nanoseconds, type), to their buckets."""
    counts = Counter((time_ns // BUCKET_NS, kind) for time_ns, kind in found)
    rows = [{"bucket": bucket, "type": kind, "hits": number} for (bucket, kind), number in sorted(counts.items())]
    if rows:
        new = _dialect(connection).insert(hit_counts)
        statement = new.on_conflict_do_update(
            index_elements=["bucket", "type"], set_={"hits": hit_counts.c.hits + new.excluded.hits}
        )
        connection.execute(statement, rows)


def count_more(connection: Connection, time_ns: int, kind: str, more: int) -> None:
    """Add *more* hits that are not stored one by one to the bucket of *time_ns*; negative: some were counted before."""
    sum_ = hit_counts.c.hits + more
    row = {"bucket": time_ns // BUCKET_NS, "type": kind, "hits": max(more, 0)}
    new = _dialect(connection).insert(hit_counts).values(row)
    statement = new.on_conflict_do_update(index_elements=["bucket", "type"], set_={"hits": case((sum_ < 0, 0), else_=sum_)})
    connection.execute(statement)


def note_traffic(
    connection: Connection, node_id: str, before: dict[str, Any], stats: dict[str, Any], silent_ns: int, now_ns: int
) -> None:
    """Add what came in between two heartbeats of a node to the bucket of *now_ns*, and forget buckets that are too old."""
    bucket = now_ns // BUCKET_NS
    coverage = stats.get("coverage")
    row = {
        "node_id": node_id,
        "bucket": bucket,
        "requests": _risen(before, stats, "worker_exchanges") if silent_ns <= _SILENT_NS else 0,
        "bytes": _risen(before, stats, "capture_bytes") if silent_ns <= _SILENT_NS else 0,
        "coverage": float(coverage) if isinstance(coverage, int | float) and 0 <= coverage <= 1 else None,
    }
    new = _dialect(connection).insert(traffic)
    lower = case((new.excluded.coverage < traffic.c.coverage, new.excluded.coverage), else_=traffic.c.coverage)
    statement = new.on_conflict_do_update(
        index_elements=["node_id", "bucket"],
        set_={
            "requests": traffic.c.requests + new.excluded.requests,
            "bytes": traffic.c.bytes + new.excluded.bytes,
            "coverage": func.coalesce(lower, new.excluded.coverage),
        },
    )
    connection.execute(statement, [row])
    connection.execute(delete(traffic).where(traffic.c.node_id == node_id, traffic.c.bucket < bucket - KEPT_BUCKETS))
    connection.execute(delete(hit_counts).where(hit_counts.c.bucket < bucket - KEPT_BUCKETS))


def _risen(before: dict[str, Any], stats: dict[str, Any], name: str) -> int:
    """Return the rise of a counter; one that fell began anew with its process. A first one may be of a year: no rise."""
    earlier, now = before.get(name), stats.get(name)
    if type(now) is not int or type(earlier) is not int or not 0 <= now < _COUNTER_LIMIT:
        return 0
    return now - earlier if 0 <= earlier <= now else now


def _dialect(connection: Connection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite
