"""Attacks and hits of each source, target and country, by attack type: what the lists of all of them read.

Kept up with every batch and every attack that goes, so that a list of sources need not walk all attacks there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from tcpmirror.cloud.bulk import chunks, insert_values
from tcpmirror.cloud.schema import addresses, attack_sums, attacks, facets
from tcpmirror.cloud.traits import countries_of

SOURCE: Final = "source"
TARGET: Final = "target"
COUNTRY: Final = "country"  # attacks alone: as their traits say; its hits are those of its sources
_NAMES: Final = ("kind", "value", "type", "attacks", "hits", "last_ns")
_ADD: Final = """(kind, value, type) DO UPDATE SET
    attacks = attack_sums.attacks + excluded.attacks,
    hits = attack_sums.hits + excluded.hits,
    last_ns = CASE WHEN excluded.last_ns > attack_sums.last_ns THEN excluded.last_ns ELSE attack_sums.last_ns END"""


@dataclass(slots=True)
class Sum:
    """What is added: ``attacks`` that are new to the source, target or country, hits, and the time of the last."""

    attacks: int = 0
    hits: int = 0
    last_ns: int = 0

    def add(self, attacks: int, hits: int, last_ns: int) -> None:
        self.attacks += attacks
        self.hits += hits
        self.last_ns = max(self.last_ns, last_ns)


Largest = tuple[str, int, int, int]  # a value, its attacks, its hits, when the last was
Sums = dict[tuple[str, str, str], Sum]  # by (SOURCE, TARGET or COUNTRY, value, attack type)


def add_sums(connection: Connection, sums: Mapping[tuple[str, str, str], Sum]) -> None:
    """Add *sums* to those that are stored; PostgreSQL locks rows in this order, whoever adds."""
    rows = [(*key, one.attacks, one.hits, one.last_ns) for key, one in sorted(sums.items())]
    insert_values(connection, attack_sums, _NAMES, rows, _ADD)


def take_away(connection: Connection, attack_ids: Sequence[int]) -> None:
    """Take attacks that are about to go out of the sums."""
    sums: Sums = {}
    of_targets = select(attacks.c.host, attacks.c.type, attacks.c.hits, attacks.c.traits)
    for host, kind, number, traits in connection.execute(of_targets.where(attacks.c.id.in_(attack_ids))):
        sums.setdefault((TARGET, host, kind), Sum()).add(-1, -number, 0)
        for country in countries_of(traits):
            sums.setdefault((COUNTRY, country, kind), Sum()).add(-1, 0, 0)
    joined = facets.join(attacks, attacks.c.id == facets.c.attack_id)
    of_sources = select(facets.c.value, attacks.c.type, facets.c.hits).select_from(joined)
    wanted = and_(facets.c.attack_id.in_(attack_ids), facets.c.kind == "source")
    for source, kind, number in connection.execute(of_sources.where(wanted)):
        sums.setdefault((SOURCE, source, kind), Sum()).add(-1, -number, 0)
    add_sums(connection, sums)
    for kind in (SOURCE, TARGET, COUNTRY):
        for values in chunks(value for of_kind, value, _ in sums if of_kind == kind):
            some = and_(attack_sums.c.kind == kind, attack_sums.c.value.in_(values))
            connection.execute(delete(attack_sums).where(some, attack_sums.c.attacks <= 0))


def largest(connection: Connection, by: str, of_type: ColumnElement[bool], limit: int) -> list[Largest]:
    """Return the *limit* sources, targets, countries of sources or types with the most hits of the types asked for."""
    if by == COUNTRY:
        return _largest_countries(connection, of_type, limit)
    column = attack_sums.c.type if by == "type" else attack_sums.c.value
    hits = func.sum(attack_sums.c.hits)
    columns = select(column, func.sum(attack_sums.c.attacks), hits, func.max(attack_sums.c.last_ns))
    wanted = columns.where(attack_sums.c.kind == (TARGET if by == "type" else by), of_type)  # an attack has one target
    rows = connection.execute(wanted.group_by(column).order_by(hits.desc(), column).limit(limit))
    return [(value, int(number), int(total), int(last)) for value, number, total, last in rows]


def _largest_countries(connection: Connection, of_type: ColumnElement[bool], limit: int) -> list[Largest]:
    """Return countries of sources; an attack with sources in several counts in each.

    Hits go by where their source is now, attacks by where their sources were when they were looked up, as in a search.
    """
    hits = func.sum(attack_sums.c.hits)
    of_sources = attack_sums.join(addresses, addresses.c.address == attack_sums.c.value)
    columns = select(addresses.c.country, hits, func.max(attack_sums.c.last_ns)).select_from(of_sources)
    wanted = columns.where(attack_sums.c.kind == SOURCE, of_type).group_by(addresses.c.country)
    rows = connection.execute(wanted.order_by(hits.desc(), addresses.c.country).limit(limit)).all()
    counted = select(attack_sums.c.value, func.sum(attack_sums.c.attacks)).where(attack_sums.c.kind == COUNTRY, of_type)
    numbers: dict[str, int] = dict(connection.execute(counted.group_by(attack_sums.c.value)).tuples().all())
    return [(country, int(numbers.get(country, 0)), int(total), int(last)) for country, total, last in rows]
