from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tcpmirror.cloud.attacks import group_attacks, list_attacks
from tcpmirror.cloud.audit import Actor, AuditFilter, list_audit
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.enrichment.entries import BadEntry, EntryWish, expire_entries, list_entries
from tcpmirror.cloud.enrichment.marking import Marking, known_sources, put_on_list, take_off_list
from tcpmirror.cloud.ingest import store_batch
from tcpmirror.cloud.retention import Retention, expire
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.search.tree import All
from tcpmirror.settings.tree import SourceList
from tests.cloud.enrichment.mmdb import write_mmdb
from tests.cloud.running import MINUTE, NOON, report
from tests.cloud.test_ingest import batch

MARIA = Actor("maria", "192.0.2.250")
GO_ON = threading.Event()
RECORDS: dict[str, dict[str, Any]] = {
    "198.51.100.0/24": {"country": {"iso_code": "NL"}, "autonomous_system_number": 64500},
    "203.0.113.0/24": {"country": {"iso_code": "SE"}, "autonomous_system_number": 14061, "as_name": "DIGITALOCEAN-ASN"},
}


@pytest.fixture
def book(tmp_path: Path) -> SourceBook:
    database = write_mmdb(tmp_path / "sources.mmdb", RECORDS)
    (tmp_path / "tor.txt").write_text("198.51.100.7\n")
    return SourceBook([str(database)], [SourceList("tor", str(tmp_path / "tor.txt"))])


def fill(database: Database, book: SourceBook | None) -> None:
    sources = ("198.51.100.7", "198.51.100.8", "203.0.113.5", "10.0.0.1", "no address")
    sent = [report(n, real_ip=source, host=f"h{n}.example") for n, source in enumerate(sources)]
    store_batch(database, "n1", batch("a", *sent), NOON, book)


def found(database: Database, search: str) -> list[str]:
    rows = list_attacks(database, parse(search, NOON), 50).rows
    return sorted(row.last_source for row in rows)


SEARCHES = {
    "country": ("country:nl", ["198.51.100.7", "198.51.100.8"]),
    "countries": ("country:NL,SE !source:tor", ["198.51.100.8", "203.0.113.5"]),
    "kind": ("source:tor", ["198.51.100.7"]),
    "provider": ("source:digitalocean", ["203.0.113.5"]),
    "data centres": ("source:datacenter", ["203.0.113.5"]),
    "network by number": ("network:AS64500", ["198.51.100.7", "198.51.100.8"]),
    "network by its bare number": ("asn:14061", ["203.0.113.5"]),
    "network by name": ("network:digital*", ["203.0.113.5"]),
}


@pytest.mark.parametrize(("search", "expected"), SEARCHES.values(), ids=SEARCHES.keys())
def test_attacks_are_found_by_what_is_known_of_their_sources(
    database: Database, book: SourceBook, search: str, expected: list[str]
) -> None:
    fill(database, book)
    assert found(database, search) == expected


def test_what_is_known_stands_beside_the_address(database: Database, book: SourceBook) -> None:
    fill(database, book)
    known = known_sources(database, ["198.51.100.7", "203.0.113.5", "10.0.0.1", "no address", "192.0.2.1"])
    assert {address: (row.country, row.network, row.network_name, row.kinds) for address, row in known.items()} == {
        "198.51.100.7": ("NL", 64500, "", " tor "),
        "203.0.113.5": ("SE", 14061, "DIGITALOCEAN-ASN", " datacenter digitalocean "),
        "10.0.0.1": ("", 0, "", ""),
    }
    groups = {group.value: (group.attacks, group.hits) for group in group_attacks(database, All(), "country", 9)}
    assert groups == {"NL": (2, 2), "SE": (1, 1), "": (1, 1)}


def test_attacks_from_before_a_database_get_what_it_knows(database: Database, book: SourceBook) -> None:
    fill(database, None)
    assert found(database, "country:nl") == []
    marking = Marking()
    assert marking.turn(database, book, GO_ON) == 3
    assert found(database, "country:nl") == ["198.51.100.7", "198.51.100.8"]
    assert marking.turn(database, book, GO_ON) == 0


def test_replaced_database_is_taken(database: Database, book: SourceBook, tmp_path: Path) -> None:
    fill(database, book)
    write_mmdb(tmp_path / "new.mmdb", {"10.0.0.0/8": {"country": "NO"}})
    (tmp_path / "new.mmdb").replace(tmp_path / "sources.mmdb")
    book.look(NOON)
    assert Marking().turn(database, book, GO_ON) == 4
    assert found(database, "country:no") == ["10.0.0.1"]
    (tmp_path / "sources.mmdb").unlink()
    book.look(NOON)
    assert [bool(shelf.problem) for shelf in book.shelves()] == [True, False]
    assert book.source("10.0.0.1").country == "NO"


LISTED = {
    "address": (EntryWish("deny", "network", "198.51.100.7"), ["198.51.100.7"]),
    "network": (EntryWish("deny", "network", "198.51.100.9/24"), ["198.51.100.7", "198.51.100.8"]),
    "range": (EntryWish("deny", "network", "198.51.100.8-203.0.113.5"), ["198.51.100.8", "203.0.113.5"]),
    "country": (EntryWish("deny", "country", "se"), ["203.0.113.5"]),
    "kind": (EntryWish("deny", "source", "tor"), ["198.51.100.7"]),
}


@pytest.mark.parametrize(("wish", "expected"), LISTED.values(), ids=LISTED.keys())
def test_entry_marks_what_came_and_what_comes_until_it_is_taken_off(
    database: Database, book: SourceBook, wish: EntryWish, expected: list[str]
) -> None:
    fill(database, book)
    number = put_on_list(database, book, wish, MARIA, NOON)
    assert found(database, "list:deny") == found(database, "list:any") == expected
    assert found(database, "list:allow") == []
    store_batch(database, "n1", batch("b", report(9, real_ip="198.51.100.99", host="late.example")), NOON, book)
    is_meant = wish.value.endswith("/24") or "-" in wish.value
    assert ("198.51.100.99" in found(database, "list:deny")) == is_meant
    assert take_off_list(database, book, number, MARIA, NOON) and found(database, "list:any") == []
    assert not take_off_list(database, book, number, MARIA, NOON)
    told = [(row.actor, row.action) for row in list_audit(database, AuditFilter(action="source_list"), 9)]
    assert told == [("maria", "source_list.remove"), ("maria", "source_list.add")]


def test_allow_goes_before_deny_and_deny_before_gray(database: Database, book: SourceBook) -> None:
    fill(database, book)
    put_on_list(database, book, EntryWish("gray", "network", "0.0.0.0/0"), MARIA, NOON)
    put_on_list(database, book, EntryWish("deny", "country", "NL"), MARIA, NOON)
    put_on_list(database, book, EntryWish("allow", "network", "198.51.100.8"), MARIA, NOON)
    assert {name: found(database, f"list:{name}") for name in ("allow", "deny", "gray")} == {
        "allow": ["198.51.100.8"],
        "deny": ["198.51.100.7"],
        "gray": ["10.0.0.1", "203.0.113.5"],
    }


def test_entry_that_expired_marks_no_more(database: Database, book: SourceBook) -> None:
    fill(database, book)
    put_on_list(database, book, EntryWish("deny", "network", "10.0.0.1", "a week", NOON + MINUTE), MARIA, NOON)
    marking = Marking()
    marking.turn(database, book, GO_ON)
    assert expire_entries(database, NOON) == 0 and found(database, "list:deny") == ["10.0.0.1"]
    assert expire_entries(database, NOON + MINUTE) == 1 and list_entries(database, NOON) == []
    marking.turn(database, book, GO_ON)
    assert found(database, "list:any") == []
    assert list_audit(database, AuditFilter(action="source_list.expire"), 9)[0].actor == "system"


BAD = {
    "no list": (EntryWish("block", "network", "10.0.0.1"), "list: 'block'; accepted: allow, deny, gray"),
    "no address": (EntryWish("deny", "network", "10.0.0.256"), "accepted: an address, a network"),
    "range that ends first": (EntryWish("deny", "network", "10.0.0.9-10.0.0.1"), "accepted: an address, a network"),
    "no country": (EntryWish("deny", "country", "Holland"), "accepted: its two letters"),
    "no kind": (EntryWish("deny", "source", "bots"), "accepted: tor, proxy"),
    "no sort": (EntryWish("deny", "planet", "Mars"), "accepted: network, country, source"),
    "past": (EntryWish("deny", "country", "NL", "", NOON), "accepted: a time to come"),
    "there already": (EntryWish("allow", "network", "192.0.2.0/24"), "is on a list already"),
}


@pytest.mark.parametrize(("wish", "said"), BAD.values(), ids=BAD.keys())
def test_entry_that_cannot_be_is_refused_with_what_is_accepted(database: Database, wish: EntryWish, said: str) -> None:
    book = SourceBook()
    put_on_list(database, book, EntryWish("deny", "network", "192.0.2.9/24"), MARIA, NOON)
    with pytest.raises(BadEntry, match=said):
        put_on_list(database, book, wish, MARIA, NOON)
    assert len(list_entries(database, NOON)) == 1


def test_addresses_go_with_the_last_attack_that_has_them(database: Database, book: SourceBook) -> None:
    fill(database, book)
    late = report(20, real_ip="10.0.0.1", host="other.example", time_ns=NOON + 600 * MINUTE)
    store_batch(database, "n1", batch("late", late), NOON, book)
    expire(database, Retention(age_ns=60 * MINUTE), NOON + 600 * MINUTE, GO_ON)
    assert set(known_sources(database, ["198.51.100.7", "203.0.113.5", "10.0.0.1"])) == {"10.0.0.1"}
