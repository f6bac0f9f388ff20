"""What is known of sources, written beside their addresses and on their attacks: when they come, and again after changes.

A search for a country or a kind is a search in an attack's traits: they say what its sources were when they were looked up,
and are added to, never taken away, but for `country:none` once the countries of all are known. The mark of a list stands
beside the address and follows the list at once.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, delete, select, update

from tcpmirror.cloud.attack_sums import COUNTRY, Sum, Sums, add_sums
from tcpmirror.cloud.audit import Actor
from tcpmirror.cloud.bulk import chunks, insert_rows
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.enrichment.entries import EntryWish, SourceLists, add_entry, read_lists, remove_entry
from tcpmirror.cloud.enrichment.source import Source, kinds_of
from tcpmirror.cloud.schema import addresses, attack_sums, attacks, facets, source_entries
from tcpmirror.cloud.search.keys import number_of_address
from tcpmirror.cloud.traits import countries_of, joined

_CHUNK: Final = 250  # addresses looked at in one go; a change of all of them is a transaction of some ten milliseconds
_PAUSE_S: Final = 0.01
_CHUNKS_A_TURN: Final = 400
_UNKNOWN: Final = "country:none"


def traits_of_source(about: Source) -> tuple[str, ...]:
    """Return the traits that an attack has of an address about which *about* is known."""
    found = [f"source:{kind}" for kind in about.kinds]
    found.append(f"country:{about.country.lower()}" if about.country else _UNKNOWN)
    if about.network:
        found.append(f"network:as{about.network}")
    return tuple(found)


def traits_of_sources(sources: Iterable[str], book: SourceBook) -> dict[str, tuple[str, ...]]:
    """Return the traits that an attack has of each of *sources*; none of what is no address but a client's claim."""
    return {source: () if _number(source) is None else traits_of_source(book.source(source)) for source in sources}


@functools.lru_cache(maxsize=10_000)
def _number(source: str) -> int | None:
    """Return *source* as a number, None for what a client claimed in a header and is no address."""
    try:
        return number_of_address(source)
    except ValueError:
        return None


def note_addresses(connection: Connection, sources: Iterable[str], book: SourceBook) -> None:
    """Store which of *sources* are addresses, with what *book* knows of them and the list they are on."""
    book.lists = read_lists(connection, book.lists)
    rows = [row for source in sources if (row := _row(source, book, book.lists)) is not None]
    insert_rows(connection, addresses, rows, "DO NOTHING")


def _row(source: str, book: SourceBook, lists: SourceLists) -> dict[str, Any] | None:
    number = _number(source)
    if number is None:
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
        gained[row.address] = traits_of_source(about)
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
    columns = select(facets.c.value, attacks.c.id, attacks.c.type, attacks.c.last_ns, attacks.c.traits)
    of_source = columns.join(attacks, attacks.c.id == facets.c.attack_id)
    of_source = of_source.where(facets.c.kind == "source", facets.c.value.in_(list(gained)))
    texts: dict[int, str] = {}
    before: dict[int, Row[*tuple[Any, ...]]] = {}
    for row in connection.execute(of_source):
        before[row.id] = row
        texts[row.id] = joined(texts.get(row.id, row.traits), gained[row.value])
    for each in texts.keys() - _with_unknown(connection, texts):
        texts[each] = texts[each].replace(f" {_UNKNOWN} ", " ")
    changed = {each: text for each, text in texts.items() if text != before[each].traits}
    if not changed:
        return
    rows = [{"b_id": each, "b_traits": text} for each, text in changed.items()]
    connection.execute(update(attacks).where(attacks.c.id == bindparam("b_id")).values(traits=bindparam("b_traits")), rows)
    sums: Sums = {}
    for each, text in changed.items():
        was = before[each]
        known, now = countries_of(was.traits), countries_of(text)
        for country in known ^ now:
            sums.setdefault((COUNTRY, country, was.type), Sum()).add(1 if country in now else -1, 0, was.last_ns)
    add_sums(connection, sums)
    connection.execute(delete(attack_sums).where(attack_sums.c.kind == COUNTRY, attack_sums.c.attacks <= 0))


def _with_unknown(connection: Connection, attack_ids: Iterable[int]) -> set[int]:
    """Return those of *attack_ids* that have a source whose country is unknown."""
    known = facets.join(addresses, addresses.c.address == facets.c.value)
    some = select(facets.c.attack_id).select_from(known).where(facets.c.kind == "source", addresses.c.country == "")
    found: set[int] = set()
    for chunk in chunks(attack_ids):
        found.update(connection.execute(some.where(facets.c.attack_id.in_(chunk))).scalars())
    return found


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
