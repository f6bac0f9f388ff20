from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError

from tcpmirror.cloud.attacks import ORDERS, attack_detail, list_attacks
from tcpmirror.cloud.batch import Batch, parse_batch
from tcpmirror.cloud.database import Database, open_database
from tcpmirror.cloud.ingest import Receipt, Sent, store_batch, store_batches
from tcpmirror.cloud.schema import attacks, facets, hits, quarantine, reports
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.search.tree import All
from tcpmirror.cloud.search.writing import term
from tests.cloud.running import MINUTE, NOON, finding, report


def batch(name: str, *of: Any) -> Batch:
    return parse_batch(orjson.dumps({"batch_id": name, "reports": list(of)}))


def store(database: Database, name: str, *of: Any, node: str = "n1") -> Receipt:
    return store_batch(database, node, batch(name, *of), NOON)


def counts(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return {
            table.name: len(connection.execute(select(table)).all())
            for table in (reports, hits, attacks, facets, quarantine)
        }


def shown(database: Database) -> list[Any]:
    return list(list_attacks(database, All(), 500).rows)


def test_hits_of_one_attack_are_one_attack(database: Database) -> None:
    store(database, "a", report(1), report(2, real_ip="192.0.2.1"), report(3, status=None))
    store(database, "b", report(4, findings=[finding(payload="2' or 2=2")], status=404))
    (attack,) = shown(database)
    assert (attack.hits, attack.sources, attack.payloads) == (4, 2, 2)
    assert (attack.first_ns, attack.last_ns) == (NOON + 1_000_000, NOON + 4_000_000)
    assert (attack.last_payload, attack.last_status, attack.parameter) == ("2' or 2=2", 404, "id")
    detail = attack_detail(database, attack.id)
    assert detail is not None
    assert {facet.value: facet.hits for facet in detail.statuses} == {"200": 2, "": 1, "404": 1}
    assert [(facet.value, facet.hits) for facet in detail.sources] == [("203.0.113.9", 3), ("192.0.2.1", 1)]


def test_hit_more_than_an_hour_later_begins_another_attack(database: Database) -> None:
    for number, minutes in enumerate((0, 59, 118, 179)):
        store(database, str(number), report(number, time_ns=NOON + minutes * MINUTE))
    assert sorted((attack.hits, (attack.last_ns - attack.first_ns) // MINUTE) for attack in shown(database)) == [
        (1, 0),
        (3, 118),
    ]


def test_older_hit_extends_backwards_and_does_not_become_the_newest(database: Database) -> None:
    store(database, "a", report(1, status=500))
    store(database, "b", report(2, time_ns=NOON - 30 * MINUTE, status=200, method="PUT"))
    (attack,) = shown(database)
    assert (attack.hits, attack.last_status, attack.method, attack.first_ns) == (2, 500, "GET", NOON - 30 * MINUTE)


def test_batch_sent_again_changes_nothing_and_says_the_same(database: Database) -> None:
    first = store(database, "a", report(1), report(2), 7)
    before = counts(database)
    again = store(database, "a", report(1), report(2), 7)
    assert (first.accepted, first.duplicate, [index for index, _ in first.quarantined]) == (2, False, [2])
    assert (again.accepted, again.duplicate, again.quarantined) == (2, True, first.quarantined)
    assert counts(database) == before


def test_report_is_stored_once_whatever_batch_or_node_brings_it(database: Database) -> None:
    store(database, "a", report(1), report(1))
    store(database, "b", report(1), report(2))
    store(database, "a", report(2), report(1), node="n2")
    assert counts(database)["reports"] == 2
    assert shown(database)[0].hits == 2


def test_report_without_findings_is_stored_and_is_no_attack(database: Database) -> None:
    assert store(database, "a", report(1, findings=[])).accepted == 1
    assert counts(database) == {"reports": 1, "hits": 0, "attacks": 0, "facets": 0, "quarantine": 0}


def test_empty_batch_is_taken(database: Database) -> None:
    assert store(database, "a") == Receipt("a", 0, False, ())


def test_refused_report_is_kept_with_its_reason(database: Database) -> None:
    store(database, "a", report(1), {"id": 5})
    with database.reading() as connection:
        row = connection.execute(select(quarantine)).one()
    assert (row.position, row.batch_id, row.record) == (1, "a", '{"id":5}')
    assert "id" in row.reason


HOSTILE = {
    "NUL": "a\x00b",
    "quotes": "'; DROP TABLE attacks; --\"",
    "every byte": bytes(range(256)).decode("latin-1"),
    "beyond latin-1": "\u202e\U0001f600",
    "like wildcards": "%_\\",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_stored_as_it_was_sent(database: Database, value: str) -> None:
    stored = value.replace("\0", "\u2400")
    store(
        database,
        "a",
        report(
            1,
            method=value,
            host=value,
            uri=value,
            real_ip=value,
            client=value,
            findings=[finding(point=["get", value], payload=value, rule=value)],
        ),
    )
    (attack,) = shown(database)
    assert (attack.method, attack.host, attack.last_payload) == (stored, stored.strip().lower(), stored)
    assert attack.point == ["get", value]
    wanted = parse(f"sqli {term('domain', stored.strip().lower())} {term('ip', stored)}", NOON)
    assert len(list_attacks(database, wanted, 10).rows) == 1


def test_full_disk_stores_nothing_and_the_batch_can_come_again(tmp_path) -> None:
    database = open_database(tmp_path / "cloud.db")
    with database.writing() as connection:
        pages = connection.exec_driver_sql("pragma page_count").scalar_one()

    def limit(connection: Any, record: object, pages: int = pages + 20) -> None:
        connection.execute(f"pragma max_page_count={pages}")

    database.close()
    event.listen(database.engine, "connect", limit)
    sent = [report(number, request_b64="QUFB" * 20_000) for number in range(50)]
    with pytest.raises(OperationalError, match="full"):
        store(database, "a", *sent)
    event.remove(database.engine, "connect", limit)
    database.close()
    assert set(counts(database).values()) == {0}
    assert store(database, "a", *sent) == Receipt("a", 50, False, ())
    database.close()


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 240), st.sampled_from("ab"), st.sampled_from("xyz")), max_size=40),
    st.integers(1, 6),
)
def test_counts_add_up_whatever_comes_in_whatever_order(new_store: Callable[[], str], sent, size: int) -> None:
    database = open_database(new_store())
    made = [
        report(number, time_ns=NOON + minute * MINUTE, real_ip=source, findings=[finding(payload=payload)])
        for number, minute, source, payload in sent
    ]
    for at in range(0, len(made), size):
        store(database, str(at), *made[at : at + size])
    first = {one["id"]: one for one in reversed(made)}
    with database.reading() as connection:
        rows = connection.execute(select(attacks)).all()
        stored = connection.execute(select(hits.c.attack_id, hits.c.time_ns, hits.c.payloads)).all()
        summed = connection.execute(text("select attack_id, kind, count(*), sum(hits) from facets group by 1, 2")).all()
    assert len(stored) == len(first)
    assert sum(row.hits for row in rows) == len(first)
    by_attack = Counter(row.attack_id for row in stored)
    for row in rows:
        times = [hit.time_ns for hit in stored if hit.attack_id == row.id]
        assert (row.hits, row.first_ns, row.last_ns) == (by_attack[row.id], min(times), max(times))
    kinds = {(row.attack_id, row.kind): (row[2], row[3]) for row in summed}
    for row in rows:
        assert kinds[row.id, "source"] == (row.sources, row.hits)
        assert kinds[row.id, "payload"] == (row.payloads, row.hits)
    database.close()


def test_severity_is_the_worst_of_the_hits_and_can_be_searched_for(database: Database) -> None:
    mild = finding(severity="medium", grade="command", confidence=0.9)
    bad = finding(severity="critical", grade="injection", confidence=0.6)
    store(database, "a", report(1, findings=[mild, bad]), report(2, findings=[mild]))
    store(database, "b", report(3, findings=[finding(severity="low")]), report(4, host="other.example"))
    with database.reading() as connection:
        stored = connection.execute(select(hits.c.severity, hits.c.grade).order_by(hits.c.id)).all()
    assert [tuple(row) for row in stored] == [(4, "injection"), (2, "command"), (1, ""), (0, "")]
    for search, hosts in {
        "severity:critical": ["shop.example"],
        "severity:medium": [],
        "grade:injection grade:command": ["shop.example"],
        "!severity:critical": ["other.example"],
    }.items():
        assert [row.host for row in list_attacks(database, parse(search, NOON), 10).rows] == hosts, search
    assert [row.severity for row in list_attacks(database, All(), 10, None, ORDERS["-severity"]).rows] == [4, 0]


def test_batches_of_one_commit_are_each_as_if_alone(database: Database) -> None:
    sent = [Sent.of("n1", batch("a", report(1), 7)), Sent.of("n2", batch("a", report(1), report(2)))]
    first, second = store_batches(database, sent, NOON)
    assert (first.accepted, [index for index, _ in first.quarantined], second.accepted) == (1, [1], 2)
    assert [one.duplicate for one in store_batches(database, sent, NOON)] == [True, True]
    assert counts(database)["reports"] == 2 and shown(database)[0].hits == 2
