"""How many hits of an attack had each source, payload and response code: counted up as batches come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, Protocol

from sqlalchemy import Connection, select

from tcpmirror.cloud.bulk import chunks, insert_values
from tcpmirror.cloud.schema import facets

FACETS: Final = 20_000  # different values of a kind that an attack keeps; hits with others are counted under OTHERS
OTHERS: Final = "\u2026"
_NAMES: Final = ("attack_id", "kind", "value", "hits")
Facet = tuple[int, str, str]  # attack, kind, value


class Seen(Protocol):
    """What is asked of an attack here: ``seen`` are hits of the batch by (kind, value)."""

    id: int | None
    payloads: int
    sources: int
    seen: dict[tuple[str, str], int]


def fold_facets(connection: Connection, attack: Seen) -> None:
    """Put together under OTHERS what the batch saw where the attack has as many different values as it may keep."""
    for kind, known in (("payload", attack.payloads), ("source", attack.sources)):
        if known + len(attack.seen) <= FACETS:
            continue
        seen = [value for of_kind, value in attack.seen if of_kind == kind]
        stored = _stored(connection, attack.id, kind, seen) if known else set()
        fresh = [value for value in seen if value not in stored]
        for value in fresh[max(FACETS - known, 0) :]:
            attack.seen[kind, OTHERS] = attack.seen.get((kind, OTHERS), 0) + attack.seen.pop((kind, value))


def _stored(connection: Connection, attack_id: int | None, kind: str, values: Sequence[str]) -> set[str]:
    of_attack = select(facets.c.value).where(facets.c.attack_id == attack_id, facets.c.kind == kind)
    found: set[str] = set()
    for some in chunks(values):
        found.update(connection.execute(of_attack.where(facets.c.value.in_(some))).scalars())
    return found


def begin_facets(connection: Connection, begun: Sequence[Seen]) -> set[Facet]:
    """Store the counts of attacks that are new; return them."""
    rows = [(attack.id or 0, kind, value, count) for attack in begun for (kind, value), count in attack.seen.items()]
    insert_values(connection, facets, _NAMES, rows)
    return {row[:3] for row in rows}


def count_facets(connection: Connection, grown: Sequence[Seen]) -> set[Facet]:
    """Add what the batch saw to the stored counts of *grown*; return those that were not there before."""
    added = {(attack.id or 0, kind, value): count for attack in grown for (kind, value), count in attack.seen.items()}
    # A count that is no more than what this batch brought belongs to a value that was not there before.
    return {facet for facet, now in _counted_up(connection, added) if now == added[facet]}


def fresh_values(fresh: set[Facet]) -> Counter[tuple[int | None, str]]:
    """Return how many of *fresh* are of each attack and kind, without OTHERS."""
    return Counter((attack_id, kind) for attack_id, kind, value in fresh if value != OTHERS)


def _counted_up(connection: Connection, added: Mapping[Facet, int]) -> Iterator[tuple[Facet, int]]:
    """Add *added* to the stored counts; give each of them with what its count is now.

    Many rows in one statement of the driver's: SQLAlchemy's road for each of them costs more than the database does.
    """
    mark = "(%s, %s, %s, %s)" if connection.dialect.name == "postgresql" else "(?, ?, ?, ?)"
    for chunk in chunks(added.items()):
        statement = f"""
            INSERT INTO facets (attack_id, kind, value, hits) VALUES {", ".join([mark] * len(chunk))}
            ON CONFLICT (attack_id, kind, value) DO UPDATE SET hits = facets.hits + excluded.hits
            RETURNING attack_id, kind, value, hits
        """
        values = tuple(chain.from_iterable((*key, number) for key, number in chunk))
        for attack_id, kind, value, now in connection.exec_driver_sql(statement, values).all():
            yield (attack_id, kind, value), now
