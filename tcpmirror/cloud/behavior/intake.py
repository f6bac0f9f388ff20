"""Takes sensors' counters: merges them by key, each digest once, and makes attacks of what passes a threshold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson
import zstandard
from sqlalchemy import Connection, Row, delete, insert, select, update

from tcpmirror.behavior.counter import Counter, CounterKey, Excess, Sample, merged, read_row, row_of
from tcpmirror.behavior.history import Find, find_in, needed, split
from tcpmirror.behavior.marks import marks
from tcpmirror.cloud.behavior.attack import Marked, add_marked
from tcpmirror.cloud.bulk import chunks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.digest_ids import remember, was_taken
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.grouping import EXTENDS_NS
from tcpmirror.cloud.schema import attacks, behavior_counters

KEPT_NS: Final = 2 * 86_400 * 10**9  # twice the longest window
_LIMIT: Final = 1 << 20
_NEW: Final = {"base": 0, "marked": 0, "since": 0, "attack_id": None, "attack_ns": 0}


@dataclass(frozen=True, slots=True)
class _Intake:
    """Whose counters are taken, and what is known of addresses."""

    node_id: str
    book: SourceBook


def take_counters(
    database: Database,
    node_id: str,
    digest_id: str,
    counters: Iterable[Counter],
    now_ns: int,
    book: SourceBook | None = None,
) -> bool:
    """Merge *counters* of a digest; False if it was taken before. On return it is committed."""
    rest, histories = split(merged(counter for counter in counters if counter.key.unit != "unchecked").values())
    intake = _Intake(node_id, book or SourceBook())
    with database.writing() as connection:
        if was_taken(connection, node_id, digest_id):
            return False
        for some in (*chunks(histories), *chunks(rest)):  # what is judged by histories comes after them
            _merge(connection, intake, some)
        remember(connection, node_id, digest_id, now_ns)
    return True


def forget_old(database: Database, now_ns: int) -> None:
    """Take away counters that nothing was added to for KEPT_NS."""
    with database.writing() as connection:
        connection.execute(delete(behavior_counters).where(behavior_counters.c.last_ns < now_ns - KEPT_NS))


def _merge(connection: Connection, intake: _Intake, fresh: list[Counter]) -> None:
    names = {counter.key.digest: counter for counter in fresh}
    stored = connection.execute(select(behavior_counters).where(behavior_counters.c.key.in_(list(names))))
    before = {row.key: row for row in stored}
    find = find_in(_histories(connection, fresh))
    for name, counter in names.items():
        row = _merged_row(connection, intake, counter, before.get(name), find)
        if name in before:
            connection.execute(update(behavior_counters).where(behavior_counters.c.key == name).values(**row))
        else:
            connection.execute(insert(behavior_counters), row | {"key": name})


def _histories(connection: Connection, fresh: list[Counter]) -> dict[CounterKey, Counter]:
    """Return the histories by which *fresh* is judged."""
    found = {}
    for some in chunks(sorted({key.digest for counter in fresh for key in needed(counter.key)})):
        stored = select(behavior_counters.c.counter).where(behavior_counters.c.key.in_(some))
        for packed in connection.execute(stored).scalars():
            history = _unpacked(packed)
            found[history.key] = history
    return found


def _merged_row(
    connection: Connection, intake: _Intake, fresh: Counter, before: Row[Any] | None, find: Find
) -> dict[str, Any]:
    """Return the row of *fresh* added to what was there *before*, after its attack was brought up to date."""
    whole = Counter(fresh.key) if before is None else _unpacked(before.counter)
    row: dict[str, Any] = dict(_NEW if before is None else before._mapping) | {"subject": whole.key.subject}
    gone = whole.pushed_out(fresh)
    if gone:
        row["base"] += sum(count for number, count in marks(whole, find).counter.excess().items() if number in gone)
    whole.merge(fresh)
    counted, why, confidence = marks(whole, find)
    found = counted.judged()
    total = row["base"] + (found.marked if found is not None else 0)
    if found is not None and total > row["marked"]:
        is_another = row["attack_id"] is None or (why and _type_of(connection, row["attack_id"]) != counted.key.type)
        if is_another or found.first_ns > row["attack_ns"] + EXTENDS_NS:
            row |= {"attack_id": None, "since": row["marked"]}
        is_news = row["attack_id"] is None or total >= 2 * row["marked"]
        samples = _chosen(whole, found, total - row["marked"]) if is_news else ()
        key = counted.key if why else whole.key
        marked = Marked(key, found, row["marked"] - row["since"], total - row["since"], samples, why, confidence)
        row |= {"attack_id": add_marked(connection, intake.node_id, marked, row["attack_id"], intake.book), "marked": total}
        row["attack_ns"] = found.last_ns
        whole.samples.clear()  # they are stored as hits
    row |= {"last_ns": max(slot.last_ns for slot in whole.slots.values()), "counter": _packed(whole)}
    return {name: value for name, value in row.items() if name != "key"}


def _type_of(connection: Connection, attack_id: int) -> str | None:
    """Return the type of the attack: who was told of as one kind of bot may be another now."""
    return connection.execute(select(attacks.c.type).where(attacks.c.id == attack_id)).scalar()


def _chosen(whole: Counter, found: Excess, most: int) -> tuple[Sample, ...]:
    """Return up to *most* samples that followed the threshold; where there is none, the newest of all."""
    samples = sorted(whole.samples)
    return tuple([sample for sample in samples if sample.time_ns >= found.first_ns][-most:] or samples[-1:])


def _packed(counter: Counter) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(orjson.dumps(row_of(counter)))


def _unpacked(raw: bytes) -> Counter:
    return read_row(orjson.loads(zstandard.ZstdDecompressor().decompress(raw, max_output_size=_LIMIT)))
