"""What was found, as the query API and the console read it: attacks, their hits, and sums over them."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import attacks, facets, hits, quarantine, reports

PAGE_LIMIT: Final = 500
_CURSOR: Final = struct.Struct(">qq")
_TOP: Final = 10


@dataclass(frozen=True, slots=True)
class AttackFilter:
    """Which attacks to show; empty means any. All conditions hold together.

    ``source``: an address or the start of one. ``host``, ``path``: a part of the text, letter case ignored. ``status``: a
    code (`404`) or a class (`4xx`). ``since_ns``/``until_ns``: the attack was going on in between.
    """

    type: str = ""
    source: str = ""
    host: str = ""
    path: str = ""
    status: str = ""
    since_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and the cursor of the next (older) page: None on the last one."""

    rows: tuple[Row[Any], ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Facet:
    value: str
    hits: int


@dataclass(frozen=True, slots=True)
class AttackDetail:
    """An attack with the sources, payloads and response codes that most of its hits had."""

    row: Row[Any]
    sources: tuple[Facet, ...]
    payloads: tuple[Facet, ...]
    statuses: tuple[Facet, ...]


class BadCursor(Exception):
    """A cursor that this service did not make."""


def list_attacks(database: Database, wanted: AttackFilter, limit: int, cursor: str | None = None) -> Page:
    """Return up to *limit* attacks, the one with the newest hit first; BadCursor if *cursor* is not one of ours."""
    statement = select(attacks).where(*_conditions(wanted))
    with database.reading() as connection:
        return _page(connection, statement, (attacks.c.last_ns, attacks.c.id), limit, cursor)


def count_attacks(database: Database, wanted: AttackFilter, ceiling: int = 10_000) -> int:
    """Return how many attacks match, counting no further than *ceiling*."""
    matching = select(attacks.c.id).where(*_conditions(wanted)).limit(ceiling).subquery()
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(matching)).scalar_one()


def attack_detail(database: Database, attack_id: int) -> AttackDetail | None:
    """Return attack *attack_id*, or None if there is none."""
    with database.reading() as connection:
        row = connection.execute(select(attacks).where(attacks.c.id == attack_id)).first()
        if row is None:
            return None
        return AttackDetail(
            row,
            _top_facets(connection, attack_id, "source"),
            _top_facets(connection, attack_id, "payload"),
            _top_facets(connection, attack_id, "status"),
        )


def list_hits(database: Database, attack_id: int, limit: int, cursor: str | None = None) -> Page:
    """Return up to *limit* hits of an attack with what the lists show of their reports, newest first; BadCursor."""
    statement = _hit_columns().where(hits.c.attack_id == attack_id)
    with database.reading() as connection:
        return _page(connection, statement, (hits.c.time_ns, hits.c.id), limit, cursor)


def hit_detail(database: Database, hit_id: int) -> Row[Any] | None:
    """Return hit *hit_id* with the whole of its report, or None if there is none."""
    statement = _hit_columns(
        reports.c.duration_ns,
        reports.c.encapsulation,
        reports.c.protocol,
        reports.c.request_bytes,
        reports.c.response_bytes,
        reports.c.application,
        reports.c.anomalies,
        reports.c.findings,
        reports.c.request,
        reports.c.response,
    )
    with database.reading() as connection:
        return connection.execute(statement.where(hits.c.id == hit_id)).first()


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over the attacks with a hit since ``since_ns``."""

    since_ns: int
    attacks: int
    hits: int
    by_type: tuple[Facet, ...]
    top_hosts: tuple[Facet, ...]
    top_sources: tuple[Facet, ...]
    quarantined: int


def summary(database: Database, since_ns: int) -> Summary:
    """Return the sums over attacks with a hit at or after *since_ns*; ``quarantined`` is over all kept records."""
    recent = attacks.c.last_ns >= since_ns
    total = func.sum(attacks.c.hits)
    with database.reading() as connection:
        count, hit_count = connection.execute(select(func.count(), total).where(recent)).one()
        return Summary(
            since_ns,
            count,
            int(hit_count or 0),
            _sums(connection, attacks.c.type, recent, limit=100),
            _sums(connection, attacks.c.host, recent, limit=_TOP),
            _sums(connection, attacks.c.last_source, recent, limit=_TOP),
            connection.execute(select(func.count()).select_from(quarantine)).scalar_one(),
        )


def attack_types(database: Database) -> list[str]:
    """Return the attack types that were ever found, in order."""
    with database.reading() as connection:
        return list(connection.execute(select(attacks.c.type).distinct().order_by(attacks.c.type)).scalars())


def _sums(connection: Connection, column: ColumnElement[str], where: ColumnElement[bool], limit: int) -> tuple[Facet, ...]:
    total = func.sum(attacks.c.hits)
    statement = select(column, total).where(where).group_by(column).order_by(total.desc(), column).limit(limit)
    return tuple(Facet(value, int(count)) for value, count in connection.execute(statement))


def _hit_columns(*more: ColumnElement[Any]) -> Select[Any]:
    return select(
        hits,
        reports.c.node_id,
        reports.c.client,
        reports.c.server,
        reports.c.real_ip,
        reports.c.method,
        reports.c.host,
        reports.c.uri,
        reports.c.status,
        *more,
    ).join(reports, reports.c.id == hits.c.report_id)


def _conditions(wanted: AttackFilter) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.type:
        conditions.append(attacks.c.type == wanted.type)
    if wanted.host:
        conditions.append(attacks.c.host.icontains(wanted.host, autoescape=True))
    if wanted.path:
        conditions.append(attacks.c.path.icontains(wanted.path, autoescape=True))
    if wanted.source:
        conditions.append(_with_facet("source", _begins_with(facets.c.value, wanted.source)))
    if wanted.status:
        conditions.append(_with_facet("status", _status_condition(wanted.status)))
    if wanted.since_ns is not None:
        conditions.append(attacks.c.last_ns >= wanted.since_ns)
    if wanted.until_ns is not None:
        conditions.append(attacks.c.first_ns <= wanted.until_ns)
    return conditions


def _begins_with(column: ColumnElement[str], start: str) -> ColumnElement[bool]:
    # A range, not LIKE: SQLite's LIKE ignores letter case and therefore cannot use the index.
    return and_(column >= start, column < start + "\U0010ffff")


def _with_facet(kind: str, value: ColumnElement[bool]) -> ColumnElement[bool]:
    return attacks.c.id.in_(select(facets.c.attack_id).where(facets.c.kind == kind, value))


def _status_condition(status: str) -> ColumnElement[bool]:
    if status.lower().endswith("xx"):
        return and_(_begins_with(facets.c.value, status[:1]), func.length(facets.c.value) == 3)
    return facets.c.value == status


def _top_facets(connection: Connection, attack_id: int, kind: str) -> tuple[Facet, ...]:
    of_kind = select(facets.c.value, facets.c.hits).where(facets.c.attack_id == attack_id, facets.c.kind == kind)
    rows = connection.execute(of_kind.order_by(facets.c.hits.desc(), facets.c.value).limit(_TOP))
    return tuple(Facet(row.value, row.hits) for row in rows)


def _page(
    connection: Connection,
    statement: Select[Any],
    order: tuple[ColumnElement[int], ColumnElement[int]],
    limit: int,
    cursor: str | None,
) -> Page:
    time_ns, row_id = order
    if cursor is not None:
        at, after = _read_cursor(cursor)
        statement = statement.where(or_(time_ns < at, and_(time_ns == at, row_id < after)))
    rows = connection.execute(statement.order_by(time_ns.desc(), row_id.desc()).limit(limit + 1)).all()
    if len(rows) <= limit:
        return Page(tuple(rows), None)
    last = rows[limit - 1]
    at = last.last_ns if hasattr(last, "last_ns") else last.time_ns
    return Page(tuple(rows[:limit]), _write_cursor(at, last.id))


def _write_cursor(time_ns: int, row_id: int) -> str:
    return base64.urlsafe_b64encode(_CURSOR.pack(time_ns, row_id)).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, int]:
    try:
        time_ns, row_id = _CURSOR.unpack(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, struct.error, ValueError) as error:
        raise BadCursor(cursor) from error
    return int(time_ns), int(row_id)
