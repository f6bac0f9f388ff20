"""Allow, deny and gray lists of sources, as people keep them here: addresses and networks, countries, kinds, with an expiry.

A mirror cannot block. A list marks what comes from its sources, so that it can be found or left out. Where a source is on
several, allow goes before deny and deny before gray.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from tcpmirror.cloud.audit import SYSTEM, Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.reputation import Networks, range_of
from tcpmirror.cloud.enrichment.source import KINDS, Source
from tcpmirror.cloud.facts import fact, keep_fact
from tcpmirror.cloud.schema import source_entries

LISTS: Final = ("allow", "deny", "gray")  # in the order in which they count
ENTRY_KINDS: Final = ("network", "country", "source")
ENTRIES: Final = 5_000
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
_CHANGES: Final = "source_lists_serial"


class BadEntry(Exception):
    """An entry that cannot be; its text names the field, the value and what is accepted."""


@dataclass(frozen=True, slots=True)
class EntryWish:
    """``kind``: network (an address, a network or a range), country (ISO 3166-1) or source (one of KINDS)."""

    list: str
    kind: str
    value: str
    reason: str = ""
    expires_ns: int | None = None


@dataclass(frozen=True, slots=True)
class SourceLists:
    """All entries that hold, for asking: by list the networks, countries and kinds on it; ``serial`` of what was read."""

    serial: int = 0
    networks: tuple[Networks, ...] = (Networks(),) * len(LISTS)
    others: tuple[frozenset[tuple[str, str]], ...] = (frozenset(),) * len(LISTS)

    def mark(self, number: int, about: Source) -> str:
        """Return which list the address *number* is on, about which *about* is known; empty: none."""
        words = {("country", about.country), *(("source", kind) for kind in about.kinds)}
        for name, networks, others in zip(LISTS, self.networks, self.others, strict=True):
            if number in networks or not others.isdisjoint(words):
                return name
        return ""


def add_entry(database: Database, wish: EntryWish, actor: Actor, now_ns: int) -> int:
    """Put *wish* on its list and return the entry's number; BadEntry."""
    value, low, high = _checked(wish, now_ns)
    row = {
        "list": wish.list,
        "kind": wish.kind,
        "value": value,
        "low": low,
        "high": high,
        "reason": wish.reason,
        "expires_ns": wish.expires_ns,
        "created_ns": now_ns,
        "created_by": actor.name,
    }
    try:
        with database.writing() as connection:
            if connection.execute(select(func.count()).select_from(source_entries)).scalar_one() >= ENTRIES:
                raise BadEntry(f"there are {ENTRIES} entries already; accepted: a reputation list, for more than that")
            number: int = connection.execute(insert(source_entries).returning(source_entries.c.id), row).scalar_one()
            _were_changed(connection)
            record(connection, actor, "source_list.add", f"{wish.list} {value}", _told(row), now_ns)
    except IntegrityError as error:
        raise BadEntry(f"value: {value} is on a list already; accepted: one that is on none") from error
    return number


def remove_entry(database: Database, number: int, actor: Actor, now_ns: int) -> bool:
    """Take an entry off its list; return whether there was one."""
    with database.writing() as connection:
        row = connection.execute(select(source_entries).where(source_entries.c.id == number)).first()
        if row is None:
            return False
        _remove(connection, row, actor, now_ns)
    return True


def expire_entries(database: Database, now_ns: int) -> int:
    """Take off what has expired; return how many that were."""
    expired = select(source_entries).where(source_entries.c.expires_ns <= now_ns).limit(500)
    with database.reading() as connection:
        if connection.execute(expired.limit(1)).first() is None:
            return 0
    with database.writing() as connection:
        rows = connection.execute(expired).all()
        for row in rows:
            _remove(connection, row, SYSTEM, now_ns)
    return len(rows)


def list_entries(database: Database, now_ns: int) -> list[Row[Any]]:
    """Return the entries that hold, the newest first."""
    holds = or_(source_entries.c.expires_ns.is_(None), source_entries.c.expires_ns > now_ns)
    with database.reading() as connection:
        return list(connection.execute(select(source_entries).where(holds).order_by(source_entries.c.id.desc())).all())


def lists_serial(connection: Connection) -> int:
    """Return a number that grows with each change of the lists."""
    return int(fact(connection, _CHANGES) or b"0")


def read_lists(connection: Connection, known: SourceLists | None = None) -> SourceLists:
    """Return the lists as they stand; *known* where it is still them."""
    serial = lists_serial(connection)
    if known is not None and known.serial == serial:
        return known
    rows = connection.execute(select(source_entries)).all()
    networks = []
    others = []
    for name in LISTS:
        ranges = sorted((int(row.low, 16), int(row.high, 16)) for row in rows if row.list == name and row.kind == "network")
        networks.append(Networks.of(ranges))
        others.append(frozenset((row.kind, row.value) for row in rows if row.list == name and row.kind != "network"))
    return SourceLists(serial, tuple(networks), tuple(others))


def _checked(wish: EntryWish, now_ns: int) -> tuple[str, str, str]:
    """Return the value as it is stored, with the first and last number of a network."""
    if wish.list not in LISTS:
        raise BadEntry(f"list: {wish.list!r}; accepted: {', '.join(LISTS)}")
    if wish.expires_ns is not None and wish.expires_ns <= now_ns:
        raise BadEntry("expiry: it is past; accepted: a time to come, or none")
    text = wish.value.strip()
    match wish.kind:
        case "network":
            return _network(text)
        case "country" if _COUNTRY.fullmatch(text) and text.isascii():
            return text.upper(), "", ""
        case "country":
            raise BadEntry(f"value: {text[:80]!r} is no country; accepted: its two letters, as NL")
        case "source" if text.lower() in KINDS:
            return text.lower(), "", ""
        case "source":
            raise BadEntry(f"value: {text[:80]!r} is no kind of source; accepted: {', '.join(KINDS)}")
    raise BadEntry(f"kind: {wish.kind!r}; accepted: {', '.join(ENTRY_KINDS)}")


def _network(text: str) -> tuple[str, str, str]:
    try:
        low, high = range_of(text)
        value = text if "-" in text else str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        accepted = "an address, a network (192.0.2.0/24) or a range (192.0.2.1-192.0.2.9)"
        raise BadEntry(f"value: {text[:80]!r} is no address; accepted: {accepted}") from error
    for single in ("/32", "/128"):
        if low == high:
            value = value.removesuffix(single)
    return value, f"{low:032x}", f"{high:032x}"


def _remove(connection: Connection, row: Row[Any], actor: Actor, now_ns: int) -> None:
    connection.execute(delete(source_entries).where(source_entries.c.id == row.id))
    _were_changed(connection)
    action = "source_list.expire" if actor is SYSTEM else "source_list.remove"
    record(connection, actor, action, f"{row.list} {row.value}", _told(dict(row._mapping)), now_ns)


def _were_changed(connection: Connection) -> None:
    keep_fact(connection, _CHANGES, str(lists_serial(connection) + 1).encode())


def _told(row: dict[str, Any]) -> dict[str, object]:
    return {name: row[name] for name in ("list", "kind", "value", "reason", "expires_ns")}
