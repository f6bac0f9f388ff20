from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from tcpmirror.cloud import facet_counts
from tcpmirror.cloud.attack_sums import COUNTRY, SOURCE, TARGET
from tcpmirror.cloud.attacks import group_attacks, summary
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.enrichment.marking import Marking
from tcpmirror.cloud.retention import Retention, expire
from tcpmirror.cloud.schema import attack_sums, attacks, facets
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.traits import countries_of
from tests.cloud.enrichment.mmdb import write_mmdb
from tests.cloud.running import MINUTE, NOON, finding, report
from tests.cloud.test_ingest import store

TYPES = ("sqli", "xss", "scanner")


def fill(database: Database) -> None:
    draw = Random(7)
    for number in range(12):
        sent = [
            report(
                100 * number + at,
                time_ns=NOON + draw.randrange(300) * MINUTE,
                real_ip=f"192.0.2.{draw.randrange(9)}" + draw.choice(("", "\0")),
                host=f"h{draw.randrange(4)}.example",
                findings=[finding(type=kind) for kind in draw.sample(TYPES, draw.randint(1, 2))],
            )
            for at in range(20)
        ]
        store(database, str(number), *sent)


def sums(database: Database) -> set[tuple[str, str, str, int, int]]:
    columns = attack_sums.c
    with database.reading() as connection:
        rows = connection.execute(select(columns.kind, columns.value, columns.type, columns.attacks, columns.hits))
        return {tuple(row) for row in rows}


def counted(database: Database) -> set[tuple[str, str, str, int, int]]:
    """Return what the sums should be, from the attacks themselves."""
    by_host = select(attacks.c.host, attacks.c.type, func.count(), func.sum(attacks.c.hits))
    of_source = select(facets.c.value, attacks.c.type, func.count(), func.sum(facets.c.hits))
    of_source = of_source.join(attacks, attacks.c.id == facets.c.attack_id).where(facets.c.kind == "source")
    with database.reading() as connection:
        targets = connection.execute(by_host.group_by(attacks.c.host, attacks.c.type)).all()
        sources = connection.execute(of_source.group_by(facets.c.value, attacks.c.type)).all()
        traits = connection.execute(select(attacks.c.traits, attacks.c.type)).all()
    of_countries = Counter((country, of_type) for text, of_type in traits for country in countries_of(text))
    return {(COUNTRY, country, of_type, number, 0) for (country, of_type), number in of_countries.items()} | {
        (kind, value, of_type, number, int(hits))
        for kind, rows in ((TARGET, targets), (SOURCE, sources))
        for value, of_type, number, hits in rows
    }


def test_sums_are_what_the_attacks_add_up_to_while_they_come_and_go(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facet_counts, "FACETS", 6)  # some sources are counted together
    fill(database)
    assert sums(database) == counted(database)
    assert expire(database, Retention(age_ns=100 * MINUTE), NOON + 300 * MINUTE, threading.Event()) > 0
    assert sums(database) == counted(database) != set()
    expire(database, Retention(age_ns=1), NOON + 9_000 * MINUTE, threading.Event())
    assert sums(database) == set()


def test_groups_from_the_sums_are_those_from_the_attacks(database: Database, tmp_path: Path) -> None:
    fill(database)
    same_groups(database)
    known = {"192.0.2.0/30": {"country": "NL"}, "192.0.2.4/31": {"country": "SE"}}
    write_mmdb(tmp_path / "sources.mmdb", known)
    book = SourceBook([str(tmp_path / "sources.mmdb")])
    book.look(NOON)
    assert Marking().turn(database, book, threading.Event()) > 0
    assert sums(database) == counted(database)
    assert {group.value for group in group_attacks(database, parse("", NOON), COUNTRY, 9)} == {"NL", "SE", ""}
    same_groups(database)
    assert group_attacks(database, parse("country:none", NOON), "type", 9) != ()


def same_groups(database: Database) -> None:
    # A search for more than types cannot be answered by the sums; this one leaves out no attack.
    for kinds in ("", "sqli", "!sqli", "sqli OR scanner", "risk:high !type:xss", "type:s*"):
        for by in (SOURCE, TARGET, COUNTRY, "type"):
            quick = group_attacks(database, parse(kinds, NOON), by, 50)
            walked = group_attacks(database, parse(f"({kinds or 'sqli OR !sqli'}) n:1+", NOON), by, 50)
            assert [(one.value, one.attacks, one.hits) for one in quick] == [
                (one.value, one.attacks, one.hits) for one in walked
            ]
            assert quick


def test_summary_of_all_attacks_is_that_of_a_window_around_them(database: Database) -> None:
    assert (summary(database, 0).attacks, summary(database, 0).hits) == (0, 0)
    fill(database)
    whole = summary(database, 0)
    with database.reading() as connection:
        count, hits = connection.execute(select(func.count(), func.sum(attacks.c.hits))).one()
        oldest_ns = connection.execute(select(func.min(attacks.c.last_ns))).scalar_one()
    assert (whole.attacks, whole.hits) == (count, hits)
    assert whole == replace(summary(database, oldest_ns), since_ns=0)
    assert {each.value for each in whole.by_type} == set(TYPES)
    windowed = summary(database, oldest_ns + 1)
    assert 0 < windowed.attacks < whole.attacks
    assert {each.value for each in windowed.top_hosts} <= {each.value for each in whole.top_hosts}
