"""Vulnerabilities in the store: sensors' weaknesses merged, each record once, and what people say of them.

One that was closed and is seen again after that is open again; what was called a false alarm stays that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import api_digests, vulnerabilities
from tcpmirror.vulns.catalog import KINDS, SEVERITIES
from tcpmirror.vulns.weakness import Weakness, WeaknessKey, add, read_row

ROWS: Final = 50_000  # a scanner makes endpoints of any name it likes
PAGE_LIMIT: Final = 200
COMMENT_LIMIT: Final = 2_000
_SORTS: Final = ("severity", "last", "first", "count")


class VulnerabilityStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, slots=True)
class VulnerabilityFilter:
    """What a list is to hold; empty: any. ``text``: part of the path or the subject."""

    status: str = ""
    type: str = ""
    kind: str = ""
    host: str = ""
    severity: str = ""
    text: str = ""


class VulnerabilityPage(NamedTuple):
    rows: list[Row[Any]]
    total: int


def take_weaknesses(database: Database, node_id: str, record_id: str, rows: Iterable[Weakness], now_ns: int) -> bool:
    """Merge a record of *rows*; False if it was taken before. On return it is committed."""
    found: dict[WeaknessKey, Weakness] = {}
    for weakness in rows:
        add(found, weakness)
    taken_as = {"node_id": node_id, "digest_id": f"w-{record_id}", "received_ns": now_ns}
    with database.writing() as connection:
        known = select(api_digests.c.received_ns).where(
            api_digests.c.node_id == node_id, api_digests.c.digest_id == taken_as["digest_id"]
        )
        if connection.execute(known).first() is not None:
            return False
        for weakness in found.values():
            _store(connection, weakness, now_ns)
        connection.execute(insert(api_digests), taken_as)
    return True


def note_weakness(database: Database, weakness: Weakness, now_ns: int) -> None:
    """Say that what the cloud itself found is there, as often as it is found: its count stays one."""
    with database.writing() as connection:
        row = _stored(connection, weakness)
        if row is None:
            _store(connection, weakness, now_ns)
        elif weakness.last_ns > row.last_ns:
            whole = read_row(row.weakness)
            whole.last_ns = weakness.last_ns
            connection.execute(update(vulnerabilities).where(vulnerabilities.c.id == row.id).values(**_changed(row, whole)))


def _store(connection: Connection, weakness: Weakness, now_ns: int) -> None:
    row = _stored(connection, weakness)
    if row is not None:
        whole = read_row(row.weakness)
        whole.merge(weakness)
        connection.execute(update(vulnerabilities).where(vulnerabilities.c.id == row.id).values(**_changed(row, whole)))
        return
    if connection.execute(select(func.count()).select_from(vulnerabilities)).scalar_one() >= ROWS:
        return
    kind = KINDS[weakness.kind]
    made = {
        "key": _key(weakness),
        "kind": weakness.kind,
        "type": kind.type,
        "severity": SEVERITIES.index(kind.severity),
        "host": weakness.host,
        "method": weakness.method,
        "path": "/" + "/".join(weakness.path),
        "subject": weakness.subject,
        "status": VulnerabilityStatus.OPEN.value,
        "found_ns": now_ns,
        "judged_ns": 0,
        "judged_by": "",
        "comment": "",
    }
    connection.execute(insert(vulnerabilities), made | _sums(weakness))


def _stored(connection: Connection, weakness: Weakness) -> Row[Any] | None:
    return connection.execute(select(vulnerabilities).where(vulnerabilities.c.key == _key(weakness))).first()


def _key(weakness: Weakness) -> bytes:
    return hashlib.blake2b(orjson.dumps(list(weakness.key)), digest_size=16).digest()


def _sums(weakness: Weakness) -> dict[str, Any]:
    return {
        "is_proven": weakness.is_proven,
        "count": weakness.count,
        "first_ns": weakness.first_ns,
        "last_ns": weakness.last_ns,
        "weakness": weakness.row(),
    }


def _changed(row: Row[Any], whole: Weakness) -> dict[str, Any]:
    returned = row.status == VulnerabilityStatus.CLOSED and whole.last_ns > row.judged_ns
    return _sums(whole) | ({"status": VulnerabilityStatus.OPEN.value} if returned else {})


def list_vulnerabilities(
    database: Database, wanted: VulnerabilityFilter, sort: str = "severity", limit: int = 50, offset: int = 0
) -> VulnerabilityPage:
    """Return proven ones, the gravest first or as *sort* says."""
    where = and_(*_conditions(wanted))
    columns = vulnerabilities.c
    orders = {
        "severity": (columns.severity.desc(), columns.last_ns.desc()),
        "last": (columns.last_ns.desc(),),
        "first": (columns.first_ns.desc(),),
        "count": (columns.count.desc(),),
    }
    chosen = select(vulnerabilities).where(where).order_by(*orders[sort], columns.id.desc())
    with database.reading() as connection:
        total = connection.execute(select(func.count()).select_from(vulnerabilities).where(where)).scalar_one()
        return VulnerabilityPage(list(connection.execute(chosen.limit(limit).offset(offset)).all()), int(total))


def _conditions(wanted: VulnerabilityFilter) -> list[ColumnElement[bool]]:
    columns = vulnerabilities.c
    conditions: list[ColumnElement[bool]] = [columns.is_proven.is_(True)]
    for name in ("status", "type", "kind", "host"):
        if value := getattr(wanted, name):
            conditions.append(columns[name] == value)
    if wanted.severity:
        conditions.append(columns.severity == SEVERITIES.index(wanted.severity))
    if wanted.text:
        conditions.append(
            columns.path.contains(wanted.text, autoescape=True) | columns.subject.contains(wanted.text, autoescape=True)
        )
    return conditions


def count_vulnerabilities(database: Database, status: str = "open") -> dict[str, int]:
    """Return how many proven ones of *status* there are, by severity."""
    columns = vulnerabilities.c
    grouped = select(columns.severity, func.count()).where(columns.is_proven.is_(True), columns.status == status)
    with database.reading() as connection:
        found = {int(level): int(count) for level, count in connection.execute(grouped.group_by(columns.severity)).all()}
    return {name: found.get(level, 0) for level, name in enumerate(SEVERITIES)}


def vulnerability(database: Database, row_id: int) -> Row[Any] | None:
    with database.reading() as connection:
        return connection.execute(select(vulnerabilities).where(vulnerabilities.c.id == row_id)).first()


def judge_vulnerability(
    database: Database, row_id: int, status: VulnerabilityStatus, comment: str, actor: Actor, now_ns: int
) -> bool:
    """Change the status of one and say why; False if there is none."""
    change = {"status": status.value, "comment": comment, "judged_ns": now_ns, "judged_by": actor.name}
    with database.writing() as connection:
        if not connection.execute(update(vulnerabilities).where(vulnerabilities.c.id == row_id).values(**change)).rowcount:
            return False
        record(connection, actor, "vulnerability.judge", str(row_id), {"status": status.value, "comment": comment}, now_ns)
    return True


def expire_vulnerabilities(connection: Connection, cutoff_ns: int, limit: int) -> int:
    """Take away up to *limit* that were last seen before *cutoff_ns*; return how many."""
    columns = vulnerabilities.c
    old = select(columns.id).where(columns.last_ns < cutoff_ns).order_by(columns.last_ns).limit(limit)
    return connection.execute(delete(vulnerabilities).where(columns.id.in_(old))).rowcount
