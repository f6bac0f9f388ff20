"""What is known of sources, written beside their addresses and on their attacks: when they come, and again after changes.

A search for a country or a kind is a search in an attack's traits: they say what its sources were when they were looked up,
and are added to, never taken away. The mark of a list stands beside the address and follows the list at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, select, update

from tcpmirror.cloud.audit import Actor
from tcpmirror.cloud.bulk import chunks, insert_rows
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.enrichment.entries import EntryWish, SourceLists, add_entry, read_lists, remove_entry
from tcpmirror.cloud.enrichment.source import Source, kinds_of
from tcpmirror.cloud.schema import addresses, attacks, facets, source_entries
from tcpmirror.cloud.search.keys import number_of_address
from tcpmirror.cloud.traits import joined

_CHUNK: Final = 250  # addresses looked at in one go; a change of all of them is a transaction of some ten milliseconds
_PAUSE_S: Final = 0.01
_CHUNKS_A_TURN: Final = 400


def traits_of_source(about: Source) -> tuple[str, ...]:
    """Return the traits that an attack has of a source about which *about* is known."""
    found = [f"source:{kind}" for kind in about.kinds]
    if about.country:
        found.append(f"country:{about.country.lower()}")
    if about.network:
        found.append(f"network:as{about.network}")
    return tuple(found)


def note_addresses(connection: Connection, sources: Iterable[str], book: SourceBook) -> None:
    """Store which of *sources* are addresses, with what *book* knows of them and the list they are on."""
    book.lists = read_lists(connection, book.lists)
    rows = [row for source in sources if (row := _row(source, book, book.lists)) is not None]
    insert_rows(connection, addresses, rows, "DO NOTHING")


def _row(source: str, book: SourceBook, lists: SourceLists) -> dict[str, Any] | None:
    try:
        number = number_of_address(source)
    except ValueError:  # what a client claimed in a header
        return None
    about = book.source(source)
    return {
        "address": source,
        "number": f"{number:032x}",
        "country": about.country,
        "network": about.network,
        "network_name": about.network_name,
        "kinds": about.stored_kinds,
        "mark": lists.mark(number, about),
    }


class Marking:
    """Goes over all stored addresses after a change of what is known or of the lists, a part of them at each turn."""

    def __init__(self) -> None:
        self._done: tuple[int, int] | None = None  # edition of the book and serial of the lists, when the last round began
        self._round: tuple[int, int] | None = None
        self._after = ""

    def turn(self, database: Database, book: SourceBook, stop: threading.Event) -> int:
        """Go on with the round, or begin one if there is a reason; return how many addresses were changed."""
        changed = 0
        for _ in range(_CHUNKS_A_TURN):
            with database.reading() as connection:
                lists = read_lists(connection)
                wanted = (book.edition, lists.serial)
                if self._round is None and wanted == self._done:
                    return changed
                if self._round != wanted:
                    self._round, self._after = wanted, ""
                following = select(addresses).where(addresses.c.address > self._after).order_by(addresses.c.address)
                rows = connection.execute(following.limit(_CHUNK)).all()
            changed += _mark(database, rows, book, lists)
            if len(rows) < _CHUNK:
                self._done, self._round, self._after = self._round, None, ""
                return changed
            self._after = rows[-1].address
            if stop.wait(_PAUSE_S):
                break
        return changed


def put_on_list(database: Database, book: SourceBook, wish: EntryWish, actor: Actor, now_ns: int) -> int:
    """Put *wish* on its list, mark the addresses that it is about, and return the entry's number; BadEntry."""
    number = add_entry(database, wish, actor, now_ns)
    _mark_all(database, book, _of_entry(database, number))
    return number


def take_off_list(database: Database, book: SourceBook, number: int, actor: Actor, now_ns: int) -> bool:
    """Take an entry off its list and its mark off the addresses; return whether there was one."""
    concerned = _of_entry(database, number)
    if not remove_entry(database, number, actor, now_ns):
        return False
    _mark_all(database, book, concerned)
    return True


def _of_entry(database: Database, number: int) -> Sequence[Row[Any]]:
    """Return stored addresses that entry *number* is about, a chunk at most: the others come with the next round."""
    with database.reading() as connection:
        entry = connection.execute(select(source_entries).where(source_entries.c.id == number)).first()
        if entry is None:
            return ()
        match entry.kind:
            case "network":
                concerned = and_(addresses.c.number >= entry.low, addresses.c.number <= entry.high)
            case "country":
                concerned = addresses.c.country == entry.value
            case _:
                concerned = addresses.c.kinds.contains(f" {entry.value} ", autoescape=True)
        return connection.execute(select(addresses).where(concerned).limit(_CHUNK)).all()


def _mark_all(database: Database, book: SourceBook, rows: Sequence[Row[Any]]) -> None:
    with database.reading() as connection:
        lists = read_lists(connection)
    _mark(database, rows, book, lists)


def _mark(database: Database, rows: Sequence[Row[Any]], book: SourceBook, lists: SourceLists) -> int:
    changes = []
    gained: dict[str, tuple[str, ...]] = {}
    for row in rows:
        fresh = _row(row.address, book, lists)
        if fresh is None or all(row._mapping[name] == value for name, value in fresh.items()):
            continue
        changes.append({f"b_{name}": value for name, value in fresh.items() if name != "number"})
        about = Source(fresh["country"], fresh["network"], "", kinds_of(fresh["kinds"]))
        if traits := traits_of_source(about):
            gained[row.address] = traits
    if not changes:
        return 0
    names = ("country", "network", "network_name", "kinds", "mark")
    change = update(addresses).where(addresses.c.address == bindparam("b_address"))
    with database.writing() as connection:
        connection.execute(change.values({name: bindparam(f"b_{name}") for name in names}), changes)
        _add_traits(connection, gained)
    return len(changes)


def _add_traits(connection: Connection, gained: Mapping[str, tuple[str, ...]]) -> None:
    """Give the attacks of each address in *gained* its traits."""
    if not gained:
        return
    of_source = select(facets.c.value, attacks.c.id, attacks.c.traits).join(attacks, attacks.c.id == facets.c.attack_id)
    of_source = of_source.where(facets.c.kind == "source", facets.c.value.in_(list(gained)))
    texts: dict[int, str] = {}
    before: dict[int, str] = {}
    for source, attack_id, traits in connection.execute(of_source):
        before[attack_id] = traits
        texts[attack_id] = joined(texts.get(attack_id, traits), gained[source])
    rows = [{"b_id": each, "b_traits": text} for each, text in texts.items() if text != before[each]]
    if rows:
        this = attacks.c.id == bindparam("b_id")
        connection.execute(update(attacks).where(this).values(traits=bindparam("b_traits")), rows)


def known_sources(database: Database, wanted: Iterable[str]) -> dict[str, Row[Any]]:
    """Return what is stored of those of *wanted* that are known, by address."""
    asked = list(dict.fromkeys(wanted))
    if not asked:
        return {}
    with database.reading() as connection:
        return {
            row.address: row
            for chunk in chunks(asked)
            for row in connection.execute(select(addresses).where(addresses.c.address.in_(chunk)))
        }
