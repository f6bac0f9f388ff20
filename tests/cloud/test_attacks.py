from __future__ import annotations

import orjson
import pytest

from tcpmirror.cloud.attacks import (
    AttackFilter,
    BadCursor,
    attack_detail,
    attack_types,
    count_attacks,
    hit_detail,
    list_attacks,
    list_hits,
    summary,
)
from tcpmirror.cloud.batch import parse_batch
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ingest import store_batch
from tests.cloud.running import MINUTE, NOON, finding, report


@pytest.fixture
def filled(database: Database) -> Database:
    sent = [
        report(1, host="shop.example", status=200),
        report(2, host="shop.example", status=404, real_ip="192.0.2.7"),
        report(3, host="api.example", uri="/Login?x=1", findings=[finding(type="xss")], status=500),
        report(4, host="api.example", uri="/100%_done", findings=[finding(type="rce")], status=None, real_ip="2001:db8::1"),
        report(5, host="shop.example", time_ns=NOON + 600 * MINUTE, status=2000),
    ]
    store_batch(database, "n1", parse_batch(orjson.dumps({"batch_id": "a", "reports": sent})), NOON)
    return database


FILTERS = {
    "nothing": (AttackFilter(), [5, 4, 3, 2]),
    "type": (AttackFilter(type="xss"), [3]),
    "no such type": (AttackFilter(type="xs"), []),
    "source": (AttackFilter(source="192.0.2.7"), [2]),
    "start of source": (AttackFilter(source="192.0."), [2]),
    "middle of source": (AttackFilter(source=".0.2.7"), []),
    "source is no pattern": (AttackFilter(source="%"), []),
    "part of host, any case": (AttackFilter(host="API"), [4, 3]),
    "part of path, any case": (AttackFilter(path="login"), [3]),
    "path is no pattern": (AttackFilter(path="0%_d"), [4]),
    "path with a wildcard that is none": (AttackFilter(path="1%d"), []),
    "status": (AttackFilter(status="404"), [2]),
    "status class": (AttackFilter(status="2xx"), [2]),
    "since": (AttackFilter(since_ns=NOON + 300 * MINUTE), [5]),
    "until": (AttackFilter(until_ns=NOON + 300 * MINUTE), [4, 3, 2]),
    "together": (AttackFilter(type="sqli", host="shop", status="4xx"), [2]),
    "together none": (AttackFilter(type="rce", host="shop"), []),
    "quotes": (AttackFilter(host="' or 1=1 --", source='"', path="\\"), []),
}


@pytest.mark.parametrize(("wanted", "found"), FILTERS.values(), ids=FILTERS.keys())
def test_filter(filled: Database, wanted: AttackFilter, found: list[int]) -> None:
    newest = {NOON + number * 1_000_000: number for number in range(1, 5)} | {NOON + 600 * MINUTE: 5}
    assert [newest[row.last_ns] for row in list_attacks(filled, wanted, 100).rows] == found
    assert count_attacks(filled, wanted) == len(found)


def test_count_stops_at_its_ceiling(filled: Database) -> None:
    assert count_attacks(filled, AttackFilter(), ceiling=2) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_pages_join_to_the_whole_list(filled: Database, size: int) -> None:
    whole = [row.id for row in list_attacks(filled, AttackFilter(), 100).rows]
    joined: list[int] = []
    cursor = None
    for _ in range(10):
        page = list_attacks(filled, AttackFilter(), size, cursor)
        joined += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert joined == whole


def test_attacks_of_the_same_moment_are_paged_without_loss(database: Database) -> None:
    sent = [report(number, time_ns=NOON, host=f"h{number}") for number in range(9)]
    store_batch(database, "n1", parse_batch(orjson.dumps({"batch_id": "a", "reports": sent})), NOON)
    first = list_attacks(database, AttackFilter(), 4)
    second = list_attacks(database, AttackFilter(), 5, first.next_cursor)
    assert len({row.id for row in (*first.rows, *second.rows)}) == 9


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "A" * 40, "\x00", "../.."])
def test_foreign_cursor_is_refused(filled: Database, cursor: str) -> None:
    with pytest.raises(BadCursor):
        list_attacks(filled, AttackFilter(), 10, cursor)


def test_hits_come_newest_first_with_what_their_reports_say(filled: Database) -> None:
    attack = list_attacks(filled, AttackFilter(status="404"), 1).rows[0]
    page = list_hits(filled, attack.id, 1)
    assert (page.rows[0].real_ip, page.rows[0].status) == ("192.0.2.7", 404)
    older = list_hits(filled, attack.id, 5, page.next_cursor)
    assert [(row.status, older.next_cursor) for row in older.rows] == [(200, None)]
    hit = hit_detail(filled, page.rows[0].id)
    assert hit is not None
    assert hit.request.startswith(b"GET /items") and hit.response.endswith(b"hello")


def test_what_is_not_there_is_none(filled: Database) -> None:
    assert attack_detail(filled, 99) is None
    assert hit_detail(filled, 99) is None
    assert list_hits(filled, 99, 10).rows == ()


def test_summary_adds_up(filled: Database) -> None:
    found = summary(filled, NOON)
    assert (found.attacks, found.hits) == (4, 5)
    assert {facet.value: facet.hits for facet in found.by_type} == {"sqli": 3, "xss": 1, "rce": 1}
    assert summary(filled, NOON + 700 * MINUTE).hits == 0
    assert attack_types(filled) == ["rce", "sqli", "xss"]
