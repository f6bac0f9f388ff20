"""The inventory as the query API and the console read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, func, select

from tcpmirror.cloud.apis.building import UNUSED_NS, build_stale
from tcpmirror.cloud.apis.packing import unpacked
from tcpmirror.cloud.apis.specifications import specifications_of
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import api_changes, api_endpoints, api_hosts
from tcpmirror.discovery.inventory import Endpoint, described
from tcpmirror.discovery.openapi import openapi
from tcpmirror.discovery.specification import Rogue, compare

PAGE_LIMIT: Final = 500
EXPORT_LIMIT: Final = 5_000  # endpoints in one document
SORTS: Final = ("last", "risk", "requests", "path", "errors")
STATES: Final = ("new", "changed", "unused", "shadow", "zombie")


@dataclass(frozen=True, slots=True)
class EndpointFilter:
    """Which endpoints; empty means any. ``host`` is whole, ``path`` a part; ``min_risk`` 8 is high, 4 medium."""

    host: str = ""
    path: str = ""
    method: str = ""
    kind: str = ""
    state: str = ""
    sensitive: str = ""
    min_risk: int = 0


@dataclass(frozen=True, slots=True)
class EndpointPage:
    """Rows of `api_endpoints`, and how many there are in all."""

    rows: list[Row[Any]]
    total: int


def list_endpoints(
    database: Database, wanted: EndpointFilter, now_ns: int, sort: str = "last", limit: int = 50, offset: int = 0
) -> EndpointPage:
    """Return a page of the endpoints that match, after building what there is news of."""
    build_stale(database, now_ns)
    table = api_endpoints
    columns = [column for column in table.c if column.name not in ("digest", "key")]
    conditions = _conditions(wanted, now_ns)
    order: dict[str, tuple[ColumnElement[Any], ...]] = {
        "last": (table.c.last_ns.desc(), table.c.id.desc()),
        "risk": (table.c.risk.desc(), table.c.requests.desc(), table.c.id.desc()),
        "requests": (table.c.requests.desc(), table.c.id.desc()),
        "errors": (table.c.errors.desc(), table.c.id.desc()),
        "path": (table.c.host, table.c.path, table.c.method, table.c.id),
    }
    with database.reading() as connection:
        total = connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
        page = select(*columns).where(*conditions).order_by(*order[sort]).limit(limit).offset(offset)
        return EndpointPage(list(connection.execute(page)), total)


def _conditions(wanted: EndpointFilter, now_ns: int) -> list[ColumnElement[bool]]:
    table = api_endpoints
    found: list[ColumnElement[bool]] = []
    for name in ("host", "method", "kind"):
        value = getattr(wanted, name)
        if value:
            found.append(table.c[name] == value)
    if wanted.path:
        part = wanted.path.lower()
        found.append(func.lower(table.c.path + " " + table.c.operation).contains(part, autoescape=True))
    if wanted.sensitive:
        found.append(table.c.sensitive.contains(f" {wanted.sensitive} ", autoescape=True))
    if wanted.min_risk:
        found.append(table.c.risk >= wanted.min_risk)
    recently = now_ns - UNUSED_NS
    states: dict[str, ColumnElement[bool]] = {
        "new": table.c.found_ns >= recently,
        "changed": table.c.changed_ns >= recently,
        "unused": table.c.last_ns < recently,
        "shadow": table.c.rogue == "shadow",
        "zombie": table.c.rogue == "zombie",
    }
    if wanted.state in states:
        found.append(states[wanted.state])
    return found


def states_of(row: Row[Any], now_ns: int) -> list[str]:
    """Return what is to be said of an endpoint's row: words of STATES."""
    recently = now_ns - UNUSED_NS
    said = {"new": row.found_ns >= recently, "changed": row.changed_ns >= recently, "unused": row.last_ns < recently}
    return [name for name, holds in said.items() if holds] + ([row.rogue] if row.rogue else [])


def endpoint_detail(database: Database, endpoint_id: int) -> tuple[Row[Any], Endpoint] | None:
    """Return the row of an endpoint and all that is known of it; None if there is none."""
    with database.reading() as connection:
        row = connection.execute(select(api_endpoints).where(api_endpoints.c.id == endpoint_id)).first()
    return None if row is None else (row, described(unpacked(row.digest)))


def list_hosts(database: Database, now_ns: int) -> list[Row[Any]]:
    """Return (host, endpoints, requests, risk, last_ns) of each host that has endpoints, the most called first."""
    build_stale(database, now_ns)
    table = api_endpoints
    sums = select(
        table.c.host,
        func.count().label("endpoints"),
        func.sum(table.c.requests).label("requests"),
        func.max(table.c.risk).label("risk"),
        func.max(table.c.last_ns).label("last_ns"),
    )
    with database.reading() as connection:
        return list(connection.execute(sums.group_by(table.c.host).order_by(func.sum(table.c.requests).desc()).limit(2000)))


def list_changes(database: Database, host: str = "", limit: int = 50, before: int | None = None) -> list[Row[Any]]:
    """Return changes, newest first, of those with an id below *before*."""
    wanted = select(api_changes).order_by(api_changes.c.id.desc()).limit(limit)
    if host:
        wanted = wanted.where(api_changes.c.host == host)
    if before is not None:
        wanted = wanted.where(api_changes.c.id < before)
    with database.reading() as connection:
        return list(connection.execute(wanted))


def exported(database: Database, host: str, now_ns: int) -> dict[str, Any] | None:
    """Return the OpenAPI document of *host*; None if nothing is known of it."""
    build_stale(database, now_ns)
    with database.reading() as connection:
        if connection.execute(select(api_hosts.c.host).where(api_hosts.c.host == host)).first() is None:
            return None
        found = select(api_endpoints.c.digest).where(api_endpoints.c.host == host).limit(EXPORT_LIMIT)
        digests = [unpacked(raw) for raw in connection.execute(found).scalars()]
    return openapi(host, digests)


def rogue_of(database: Database, host: str, now_ns: int) -> Rogue | None:
    """Return how the traffic of *host* differs from its specifications; None without one."""
    build_stale(database, now_ns)
    with database.reading() as connection:
        given = specifications_of(connection, host)
        columns = select(api_endpoints.c.method, api_endpoints.c.template).where(api_endpoints.c.host == host)
        traffic = {(row.method, tuple(row.template)) for row in connection.execute(columns)}
    return compare(traffic, given.current, given.former) if given.current else None
