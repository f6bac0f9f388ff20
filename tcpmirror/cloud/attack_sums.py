"""Attacks and hits of each source and each target, by attack type: what the lists of all sources and targets read.

Kept up with every batch and every attack that goes, so that a list of sources need not walk all attacks there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, and_, delete, func, select
from sqlalchemy.sql import visitors

from tcpmirror.cloud.bulk import chunks, insert_values
from tcpmirror.cloud.schema import addresses, attack_sums, attacks, facets

SOURCE: Final = "source"
TARGET: Final = "target"
_NAMES: Final = ("kind", "value", "type", "attacks", "hits", "last_ns")
_ADD: Final = """(kind, value, type) DO UPDATE SET
    attacks = attack_sums.attacks + excluded.attacks,
    hits = attack_sums.hits + excluded.hits,
    last_ns = CASE WHEN excluded.last_ns > attack_sums.last_ns THEN excluded.last_ns ELSE attack_sums.last_ns END"""


@dataclass(slots=True)
class Sum:
    """What is added: ``attacks`` that are new to the source or target, hits, and the time of the last."""

    attacks: int = 0
    hits: int = 0
    last_ns: int = 0

    def add(self, attacks: int, hits: int, last_ns: int) -> None:
        self.attacks += attacks
        self.hits += hits
        self.last_ns = max(self.last_ns, last_ns)


Sums = dict[tuple[str, str, str], Sum]  # by (SOURCE or TARGET, value, attack type)


def add_sums(connection: Connection, sums: Mapping[tuple[str, str, str], Sum]) -> None:
    """Add *sums* to those that are stored; PostgreSQL locks rows in this order, whoever adds."""
    rows = [(*key, one.attacks, one.hits, one.last_ns) for key, one in sorted(sums.items())]
    insert_values(connection, attack_sums, _NAMES, rows, _ADD)


def take_away(connection: Connection, attack_ids: Sequence[int]) -> None:
    """Take attacks that are about to go out of the sums."""
    sums: Sums = {}
    of_targets = select(attacks.c.host, attacks.c.type, attacks.c.hits).where(attacks.c.id.in_(attack_ids))
    for host, kind, number in connection.execute(of_targets):
        sums.setdefault((TARGET, host, kind), Sum()).add(-1, -number, 0)
    joined = facets.join(attacks, attacks.c.id == facets.c.attack_id)
    of_sources = select(facets.c.value, attacks.c.type, facets.c.hits).select_from(joined)
    wanted = and_(facets.c.attack_id.in_(attack_ids), facets.c.kind == "source")
    for source, kind, number in connection.execute(of_sources.where(wanted)):
        sums.setdefault((SOURCE, source, kind), Sum()).add(-1, -number, 0)
    add_sums(connection, sums)
    for kind in (SOURCE, TARGET):
        for values in chunks(value for of_kind, value, _ in sums if of_kind == kind):
            some = and_(attack_sums.c.kind == kind, attack_sums.c.value.in_(values))
            connection.execute(delete(attack_sums).where(some, attack_sums.c.attacks <= 0))


def largest(connection: Connection, kind: str, of_type: ColumnElement[bool], limit: int) -> list[tuple[str, int, int, int]]:
    """Return (value, attacks, hits, last_ns) of the *limit* sources or targets with the most hits of the types asked for."""
    hits = func.sum(attack_sums.c.hits)
    columns = select(attack_sums.c.value, func.sum(attack_sums.c.attacks), hits, func.max(attack_sums.c.last_ns))
    wanted = columns.where(attack_sums.c.kind == kind, of_type)
    rows = connection.execute(wanted.group_by(attack_sums.c.value).order_by(hits.desc(), attack_sums.c.value).limit(limit))
    return [(value, int(number), int(total), int(last)) for value, number, total, last in rows]


def largest_countries(
    connection: Connection, of_type: ColumnElement[bool], attack_of_type: ColumnElement[bool], limit: int
) -> list[tuple[str, int, int, int]]:
    """Return what `largest` does of the countries of sources; an attack with sources in several counts in each.

    *attack_of_type*: the same types, as a condition on attacks.
    """
    hits = func.sum(attack_sums.c.hits)
    of_sources = attack_sums.join(addresses, addresses.c.address == attack_sums.c.value)
    columns = select(addresses.c.country, hits, func.max(attack_sums.c.last_ns)).select_from(of_sources)
    wanted = columns.where(attack_sums.c.kind == SOURCE, of_type).group_by(addresses.c.country)
    rows = connection.execute(wanted.order_by(hits.desc(), addresses.c.country).limit(limit)).all()
    # The address as an expression: SQLite would else look one up for each of the attacks' sources, ten times as many.
    each = addresses.join(facets, and_(facets.c.kind == "source", facets.c.value == addresses.c.address.concat("")))
    if any(isinstance(part, Column) for part in visitors.iterate(attack_of_type)):  # else they are all
        each = each.join(attacks, and_(attacks.c.id == facets.c.attack_id, attack_of_type))
    number = func.count(facets.c.attack_id.distinct())
    counted = select(addresses.c.country, number).select_from(each).group_by(addresses.c.country)
    numbers: dict[str, int] = dict(connection.execute(counted).tuples().all())
    return [(country, numbers.get(country, 0), int(total), int(last)) for country, total, last in rows]
