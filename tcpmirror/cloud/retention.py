"""Takes away what is too old, and the oldest where the store is too large: a little at a time, so that batches go between.

An attack goes when its last hit does. One that goes on loses its old hits and keeps its counts, which are of all that came.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection, delete, exists, select, text

from tcpmirror.cloud.attack_sums import take_away
from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.bulk import chunks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.facts import fact, keep_fact
from tcpmirror.cloud.schema import addresses, attacks, facets, hits, reports, vulnerabilities
from tcpmirror.cloud.vulnerabilities import expire_vulnerabilities

_FACT: Final = "retention"
LONGEST_DAYS: Final = 36_500
_log = logging.getLogger(__name__)
DAY_NS: Final = 86_400 * 10**9
_CHUNK: Final = 500  # rows in one transaction: some ten milliseconds, in which a batch waits
_PAUSE_S: Final = 0.02  # between two of them: a waiting writer gets the lock
_CHUNKS_A_TURN: Final = 400
_LOW_WATER: Final = 0.95  # of the size that is allowed: else every turn would have a little to do


@dataclass(frozen=True, slots=True)
class Retention:
    """``age_ns``: reports and attacks older than this go; ``size_bytes``: so large may the store be. 0: no limit."""

    age_ns: int = 180 * DAY_NS
    size_bytes: int = 0


def retention_in_force(database: Database, given: Retention) -> tuple[Retention, bool]:
    """Return what people here have set, and that they have; else *given*, and that they have not."""
    with database.reading() as connection:
        stored = fact(connection, _FACT)
    if not stored:
        return given, False
    set_here = orjson.loads(stored)
    return Retention(set_here["days"] * DAY_NS, set_here["size_bytes"]), True


def change_retention(database: Database, days: int | None, size_bytes: int | None, actor: Actor, now_ns: int) -> None:
    """Keep things for *days* and in *size_bytes* from now on (0: no limit); both None: as the settings say."""
    wanted = None if days is None and size_bytes is None else {"days": days or 0, "size_bytes": size_bytes or 0}
    with database.writing() as connection:
        before = fact(connection, _FACT)
        keep_fact(connection, _FACT, orjson.dumps(wanted) if wanted else b"")
        told = {"before": orjson.loads(before) if before else None, "after": wanted}
        record(connection, actor, "retention.change", "retention", told, now_ns)


def expire(database: Database, kept: Retention, now_ns: int, stop: threading.Event) -> int:
    """Take away what *kept* does not allow, up to 200,000 reports or until *stop*; return how many reports went."""
    gone = 0
    for _ in range(_CHUNKS_A_TURN):
        removed, others = _expire_chunk(database, _cutoff_ns(database, kept, now_ns))
        gone += removed
        if (not removed and not others) or stop.wait(_PAUSE_S):
            break
    if gone:
        _log.info("retention: %d reports went", gone)
    return gone


def used_bytes(database: Database) -> int:
    """Return how large the store is, without what is free inside it."""
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            return int(connection.execute(text(_LIVE_BYTES)).scalar_one())
        pages, free, size = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


# PostgreSQL gives space back to the system only when it rewrites a table; the share of dead rows is free to be used again.
_LIVE_BYTES: Final = """
    SELECT COALESCE(SUM(pg_total_relation_size(relid) * (n_live_tup + 1.0) / (n_live_tup + n_dead_tup + 1.0)), 0)
    FROM pg_stat_user_tables
"""


def _cutoff_ns(database: Database, kept: Retention, now_ns: int) -> int:
    """Return the time before which things go now: one of a chunk of the oldest reports where the store is too large."""
    by_age = now_ns - kept.age_ns if kept.age_ns else 0
    if not kept.size_bytes or used_bytes(database) <= kept.size_bytes * _LOW_WATER:
        return by_age
    times = select(reports.c.time_ns).order_by(reports.c.time_ns, reports.c.id).offset(_CHUNK - 1).limit(1)
    with database.reading() as connection:
        newest_of_oldest = connection.execute(times).scalar()
    return max(by_age, newest_of_oldest + 1) if newest_of_oldest is not None else by_age


def _expire_chunk(database: Database, cutoff_ns: int) -> tuple[int, int]:
    """Take away a chunk of what is older than *cutoff_ns*; return how many reports and other rows went."""
    with database.reading() as connection:
        if not _anything(connection, cutoff_ns):
            return 0, 0
    with database.writing() as connection:
        oldest = select(reports.c.id).where(reports.c.time_ns < cutoff_ns).order_by(reports.c.time_ns, reports.c.id)
        ids = list(connection.execute(oldest.limit(_CHUNK)).scalars())
        connection.execute(delete(hits).where(hits.c.report_id.in_(ids)))
        connection.execute(delete(reports).where(reports.c.id.in_(ids)))
        finished = select(attacks.c.id).where(attacks.c.last_ns < cutoff_ns).order_by(attacks.c.last_ns).limit(_CHUNK)
        numbers = list(connection.execute(finished).scalars())
        connection.execute(delete(hits).where(hits.c.attack_id.in_(numbers)))
        of_source = select(facets.c.value).where(facets.c.attack_id.in_(numbers), facets.c.kind == "source")
        sources = list(connection.execute(of_source.distinct()).scalars())
        take_away(connection, numbers)
        connection.execute(delete(attacks).where(attacks.c.id.in_(numbers)))  # its facets and comments go with it
        _forget_sources(connection, sources)
        others = expire_vulnerabilities(connection, cutoff_ns, _CHUNK)
    return len(ids), len(numbers) + others


def _forget_sources(connection: Connection, sources: list[str]) -> None:
    """Take away the addresses among *sources* that no attack has any more."""
    of_attack = exists().where(facets.c.kind == "source", facets.c.value == addresses.c.address)
    for some in chunks(sources):
        connection.execute(delete(addresses).where(addresses.c.address.in_(some), ~of_attack))


def _anything(connection: Connection, cutoff_ns: int) -> bool:
    return (
        connection.execute(select(reports.c.id).where(reports.c.time_ns < cutoff_ns).limit(1)).first() is not None
        or connection.execute(select(attacks.c.id).where(attacks.c.last_ns < cutoff_ns).limit(1)).first() is not None
        or connection.execute(select(vulnerabilities.c.id).where(vulnerabilities.c.last_ns < cutoff_ns).limit(1)).first()
        is not None
    )
