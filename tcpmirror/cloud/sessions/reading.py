"""Sessions as the API reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, func, select

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import api_sessions
from tcpmirror.cloud.sessions.intake import unpacked
from tcpmirror.sessions.digest import SessionDigest

PAGE_LIMIT: Final = 200
_LOOKED_AT: Final = 50  # sessions of one source at one time
DAYS: Final = 8  # a session of a week touches so many days
ORDERS: Final = {
    "last": api_sessions.c.last_ns,
    "first": api_sessions.c.first_ns,
    "requests": api_sessions.c.requests,
    "errors": api_sessions.c.errors,
    "attacks": api_sessions.c.attacks,
}
_COLUMNS: Final = [column for column in api_sessions.c if column.name != "digest"]


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Empty conditions hold for every session. ``user``, ``source`` and ``host`` are whole; ``text``: in any of them."""

    session: str = ""
    user: str = ""
    source: str = ""
    host: str = ""
    type: str = ""
    text: str = ""
    attacks_only: bool = False
    from_ns: int = 0
    to_ns: int = 0


@dataclass(frozen=True, slots=True)
class SessionPage:
    rows: tuple[Row[Any], ...]
    total: int


def list_sessions(database: Database, wanted: SessionFilter, order: str, limit: int, offset: int) -> SessionPage:
    """Return a page of sessions, the most of *order* first."""
    conditions = _conditions(wanted)
    column = ORDERS[order]
    rows = (
        select(*_COLUMNS).where(*conditions).order_by(column.desc(), api_sessions.c.key.desc()).limit(limit).offset(offset)
    )
    with database.reading() as connection:
        total = connection.execute(select(func.count()).select_from(api_sessions).where(*conditions)).scalar_one()
        return SessionPage(tuple(connection.execute(rows).all()), total)


def read_session(database: Database, key: str) -> SessionDigest | None:
    """Return the digest of the session and day *key*; None: there is none."""
    with database.reading() as connection:
        raw = connection.execute(select(api_sessions.c.digest).where(api_sessions.c.key == key)).scalar()
    return None if raw is None else unpacked(raw)


def session_of_request(database: Database, source: str, time_ns: int) -> SessionDigest | None:
    """Return the session in which *source* made an attack at *time_ns*; None: none is known to have one.

    Sensors tell of sessions within half a minute; a session keeps its newest attacks.
    """
    at_the_time = (api_sessions.c.first_ns <= time_ns, api_sessions.c.last_ns >= time_ns, api_sessions.c.attacks > 0)
    of_source = api_sessions.c.sources.contains(f"\n{source}\n", autoescape=True)
    found = select(api_sessions.c.digest).where(*at_the_time, of_source).order_by(api_sessions.c.last_ns).limit(_LOOKED_AT)
    with database.reading() as connection:
        for raw in connection.execute(found).scalars():
            digest = unpacked(raw)
            if any((event.time_ns, event.source) == (time_ns, source) for event in digest.attack_events):
                return digest
    return None


def days_of(database: Database, session: str) -> tuple[str, ...]:
    """Return the keys of all days of *session*, the newest first."""
    found = select(api_sessions.c.key).where(api_sessions.c.session == session)
    with database.reading() as connection:
        return tuple(connection.execute(found.order_by(api_sessions.c.last_ns.desc()).limit(DAYS)).scalars())


def _conditions(wanted: SessionFilter) -> list[ColumnElement[bool]]:
    table, found = api_sessions.c, list[ColumnElement[bool]]()
    if wanted.session:
        found.append(table.session == wanted.session)
    for column, value in ((table.users, wanted.user), (table.sources, wanted.source), (table.hosts, wanted.host)):
        if value:
            found.append(column.contains(f"\n{value}\n", autoescape=True))
    if wanted.type:
        found.append(table.types.contains(f"\n{wanted.type}\n", autoescape=True))
    if wanted.text:
        anywhere = table.users + table.sources + table.hosts + table.kind
        found.append(anywhere.contains(wanted.text, autoescape=True))
    if wanted.attacks_only:
        found.append(table.attacks > 0)
    if wanted.from_ns:
        found.append(table.last_ns >= wanted.from_ns)
    if wanted.to_ns:
        found.append(table.first_ns <= wanted.to_ns)
    return found
