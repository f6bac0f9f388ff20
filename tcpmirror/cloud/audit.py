"""The log of who changed what, when and from where. A change and its entry are one transaction: there is never one alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import audit

PAGE_LIMIT: Final = 500


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an account's name, `token NAME`, `node NAME` or `system`; and the address the call came from."""

    name: str
    address: str = ""


SYSTEM: Final = Actor("system")


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; empty means any. ``action`` takes a whole one (`account.create`) or the part before the dot."""

    actor: str = ""
    action: str = ""
    object: str = ""
    since_ns: int | None = None
    until_ns: int | None = None


def record(
    connection: Connection, actor: Actor, action: str, target: str, details: Mapping[str, object], now_ns: int
) -> None:
    """Add an entry to the transaction of *connection*; *details* hold no secrets."""
    row = {
        "time_ns": now_ns,
        "actor": actor.name,
        "address": actor.address,
        "action": action,
        "object": target,
        "details": dict(details),
    }
    connection.execute(insert(audit), row)


def list_audit(database: Database, wanted: AuditFilter, limit: int, before: int | None = None) -> list[Row[Any]]:
    """Return up to *limit* entries, newest first, of those with an id below *before*."""
    statement = select(audit)
    if wanted.actor:
        statement = statement.where(audit.c.actor == wanted.actor)
    if wanted.action:
        whole = audit.c.action == wanted.action
        statement = statement.where(whole | audit.c.action.startswith(wanted.action + ".", autoescape=True))
    if wanted.object:
        statement = statement.where(audit.c.object == wanted.object)
    if wanted.since_ns is not None:
        statement = statement.where(audit.c.time_ns >= wanted.since_ns)
    if wanted.until_ns is not None:
        statement = statement.where(audit.c.time_ns <= wanted.until_ns)
    if before is not None:
        statement = statement.where(audit.c.id < before)
    with database.reading() as connection:
        return list(connection.execute(statement.order_by(audit.c.id.desc()).limit(limit)).all())
