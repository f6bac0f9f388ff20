"""What was found, as the query API and the console read it: attacks, their hits, and sums over them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, true

from tcpmirror.cloud.attack_sums import SOURCE, TARGET, largest
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import addresses, attack_sums, attacks, facets, hits, quarantine, reports
from tcpmirror.cloud.search.conditions import about_types, condition
from tcpmirror.cloud.search.tree import Query

PAGE_LIMIT: Final = 500
_TOP: Final = 10
_TYPES: Final = 100
_SESSION_NS: Final = 15 * 60 * 1_000_000_000
_LOOKED_AT: Final = 50  # hits of the source before and after one, for those of the same user agent
_USER_AGENT: Final = re.compile(rb"\nuser-agent[ \t]*:([^\r\n]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order asked for, and the cursor of the next page: None on the last one."""

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
    """A cursor that this service did not make, or not for this order."""


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: by ``column`` (never null, of Python's type ``kind``), rows of the same value by ``row_id``."""

    name: str
    column: ColumnElement[Any]
    row_id: ColumnElement[int]
    ascending: bool = False
    kind: type = int


_SORTS: Final[dict[str, ColumnElement[Any]]] = {
    "last": attacks.c.last_ns,
    "first": attacks.c.first_ns,
    "hits": attacks.c.hits,
    "sources": attacks.c.sources,
    "payloads": attacks.c.payloads,
    "confidence": attacks.c.confidence,
    "severity": attacks.c.severity,
    "type": attacks.c.type,
    "source": attacks.c.last_source,
    "target": attacks.c.host,
    "parameter": attacks.c.parameter,
}
_KINDS: Final = {"confidence": float} | dict.fromkeys(("type", "source", "target", "parameter"), str)
# Name of an order, with a minus where it goes down, to the order.
ORDERS: Final = {
    sign + name: Order(sign + name, column, attacks.c.id, not sign, _KINDS.get(name, int))
    for name, column in _SORTS.items()
    for sign in ("", "-")
}
NEWEST_FIRST: Final = ORDERS["-last"]
_HITS_NEWEST_FIRST: Final = Order("-time", hits.c.time_ns, hits.c.id)


def list_attacks(
    database: Database, wanted: Query, limit: int, cursor: str | None = None, order: Order = NEWEST_FIRST
) -> Page:
    """Return up to *limit* attacks that *wanted* asks for; BadCursor if *cursor* is not one of ours for this order."""
    statement = select(attacks).where(condition(wanted))
    with database.reading() as connection:
        return _page(connection, statement, order, limit, cursor)


def count_attacks(database: Database, wanted: Query, ceiling: int = 10_000) -> int:
    """Return how many attacks *wanted* asks for, counting no further than *ceiling*."""
    matching = select(attacks.c.id).where(condition(wanted)).limit(ceiling).subquery()
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(matching)).scalar_one()


@dataclass(frozen=True, slots=True)
class Group:
    """Attacks that have one type, source, country of a source or target in common; ``hits`` are those with it."""

    value: str
    attacks: int
    hits: int
    last_ns: int


GROUPINGS: Final = {
    "type": attacks.c.type,
    "source": facets.c.value,
    "country": addresses.c.country,
    "target": attacks.c.host,
}


def group_attacks(database: Database, wanted: Query, by: str, limit: int) -> tuple[Group, ...]:
    """Return the *limit* groups with the most hits among the attacks that *wanted* asks for; *by* is a key of GROUPINGS."""
    asked = condition(wanted)
    of_type = about_types(asked, attack_sums.c.type)
    if of_type is not None:
        with database.reading() as connection:
            return tuple(Group(*row) for row in largest(connection, by, of_type, limit))
    value = GROUPINGS[by]
    of_sources = by in ("source", "country")
    total = func.sum(facets.c.hits if of_sources else attacks.c.hits)
    number = func.count(attacks.c.id.distinct()) if by == "country" else func.count()
    statement = select(value, number, total, func.max(attacks.c.last_ns)).where(asked)
    if of_sources:
        # The kind as an expression: SQLite would else walk all sources there are by their index, not those of the attacks.
        is_source = facets.c.kind.concat("") == "source"
        sources = attacks.join(facets, and_(facets.c.attack_id == attacks.c.id, is_source))
        known = sources.join(addresses, addresses.c.address == facets.c.value)
        statement = statement.select_from(known if by == "country" else sources)
    statement = statement.group_by(value).order_by(total.desc(), value).limit(limit)
    with database.reading() as connection:
        return tuple(Group(found, number, int(hits_), last) for found, number, hits_, last in connection.execute(statement))


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
        return _page(connection, statement, _HITS_NEWEST_FIRST, limit, cursor)


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


def neighbours(database: Database, hit: Row[Any], limit: int) -> list[Row[Any]]:
    """Return hits near *hit* (see `hit_detail`) in time with the same source and the same user agent, oldest first."""
    near = reports.c.time_ns.between(hit.time_ns - _SESSION_NS, hit.time_ns + _SESSION_NS)
    of_source = _hit_columns(reports.c.request).where(reports.c.real_ip == hit.real_ip, near, hits.c.id != hit.id)
    before = of_source.where(reports.c.time_ns <= hit.time_ns).order_by(reports.c.time_ns.desc()).limit(_LOOKED_AT)
    after = of_source.where(reports.c.time_ns > hit.time_ns).order_by(reports.c.time_ns).limit(_LOOKED_AT)
    with database.reading() as connection:
        rows = [*reversed(connection.execute(before).all()), *connection.execute(after)]
    agent = _user_agent(hit.request)
    same = [row for row in rows if _user_agent(row.request) == agent]
    same.sort(key=lambda row: abs(row.time_ns - hit.time_ns))
    return sorted(same[:limit], key=lambda row: (row.time_ns, row.id))


def hits_at(database: Database, moments: Collection[tuple[int, str]], hit: Row[Any], limit: int) -> list[Row[Any]]:
    """Return the hits at *moments* (time in nanoseconds, source) that are nearest to *hit* in time, oldest first."""
    nearest = sorted(moments, key=lambda moment: abs(moment[0] - hit.time_ns))[:_LOOKED_AT]
    times, sources = [time_ns for time_ns, _ in nearest], {source for _, source in nearest}
    found = _hit_columns().where(reports.c.real_ip.in_(sources), reports.c.time_ns.in_(times), hits.c.id != hit.id)
    with database.reading() as connection:
        rows = [row for row in connection.execute(found) if (row.time_ns, row.real_ip) in moments]
    rows.sort(key=lambda row: abs(row.time_ns - hit.time_ns))
    return sorted(rows[:limit], key=lambda row: (row.time_ns, row.id))


def _user_agent(request: bytes) -> bytes:
    found = _USER_AGENT.search(request.partition(b"\r\n\r\n")[0])
    return found.group(1).strip() if found else b""


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
    """Return the sums over attacks with a hit at or after *since_ns*; ``quarantined`` is over all kept records.

    Over all attacks there are, they are read from the sums that are kept up; else each attack counts for its last source.
    """
    recent = attacks.c.last_ns >= since_ns
    with database.reading() as connection:
        quarantined = connection.execute(select(func.count()).select_from(quarantine)).scalar_one()
        oldest_ns = connection.execute(select(func.min(attacks.c.last_ns))).scalar_one()
        if oldest_ns is None or oldest_ns >= since_ns:
            return _summary_of_all(connection, since_ns, quarantined)
        count, hit_count = connection.execute(select(func.count(), func.sum(attacks.c.hits)).where(recent)).one()
        return Summary(
            since_ns,
            count,
            int(hit_count or 0),
            _sums(connection, attacks.c.type, recent, limit=_TYPES),
            _sums(connection, attacks.c.host, recent, limit=_TOP),
            _sums(connection, attacks.c.last_source, recent, limit=_TOP),
            quarantined,
        )


def _summary_of_all(connection: Connection, since_ns: int, quarantined: int) -> Summary:
    of_all = attack_sums.c.kind == TARGET  # an attack has one
    columns = select(func.sum(attack_sums.c.attacks), func.sum(attack_sums.c.hits)).where(of_all)
    count, hit_count = connection.execute(columns).one()
    by_type, hosts, sources = (
        tuple(Facet(value, hits_) for value, _, hits_, _ in largest(connection, by, true(), limit))
        for by, limit in (("type", _TYPES), (TARGET, _TOP), (SOURCE, _TOP))
    )
    return Summary(since_ns, int(count or 0), int(hit_count or 0), by_type, hosts, sources, quarantined)


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


def _top_facets(connection: Connection, attack_id: int, kind: str) -> tuple[Facet, ...]:
    of_kind = select(facets.c.value, facets.c.hits).where(facets.c.attack_id == attack_id, facets.c.kind == kind)
    rows = connection.execute(of_kind.order_by(facets.c.hits.desc(), facets.c.value).limit(_TOP))
    return tuple(Facet(row.value, row.hits) for row in rows)


def _page(connection: Connection, statement: Select[Any], order: Order, limit: int, cursor: str | None) -> Page:
    column, row_id = order.column, order.row_id
    if cursor is not None:
        value, after = _read_cursor(cursor, order)
        beyond = column > value if order.ascending else column < value
        behind = row_id > after if order.ascending else row_id < after
        # The bound on the column alone is what an index is entered by.
        bound = column >= value if order.ascending else column <= value
        statement = statement.where(bound, or_(beyond, and_(column == value, behind)))
    sorting = (column.asc(), row_id.asc()) if order.ascending else (column.desc(), row_id.desc())
    rows = connection.execute(statement.order_by(*sorting).limit(limit + 1)).all()
    if len(rows) <= limit:
        return Page(tuple(rows), None)
    last = rows[limit - 1]
    return Page(tuple(rows[:limit]), _write_cursor(order, last._mapping[column], last.id))


def _write_cursor(order: Order, value: object, row_id: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([order.name, value, row_id])).decode().rstrip("=")


def _read_cursor(cursor: str, order: Order) -> tuple[Any, int]:
    try:
        name, value, row_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadCursor(cursor) from error
    numbers = [number for number in (row_id, value) if type(number) is int]
    if name != order.name or type(value) is not order.kind or type(row_id) is not int or max(map(abs, numbers)) >= 2**63:
        raise BadCursor(cursor)
    return value, row_id
