from __future__ import annotations

import orjson
import pytest

from tcpmirror.cloud.attacks import (
    ORDERS,
    BadCursor,
    attack_detail,
    count_attacks,
    group_attacks,
    hit_detail,
    list_attacks,
    list_hits,
    summary,
)
from tcpmirror.cloud.batch import parse_batch
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ingest import store_batch
from tcpmirror.cloud.nodes import register_node
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.search.tree import All
from tests.cloud.running import MINUTE, NOON, finding, report


@pytest.fixture(scope="module")
def filled(lasting_database: Database) -> Database:
    sent = [
        report(1, host="shop.example", status=200),
        report(2, host="shop.example", status=404, real_ip="192.0.2.7"),
        report(3, host="api.example", uri="/Login?x=1", findings=[finding(type="xss")], status=500),
        report(4, host="api.example", uri="/100%_done", findings=[finding(type="rce")], status=None, real_ip="2001:db8::1"),
        report(5, host="shop.example", time_ns=NOON + 600 * MINUTE, status=2000),
    ]
    store_batch(lasting_database, "n1", parse_batch(orjson.dumps({"batch_id": "a", "reports": sent})), NOON)
    return lasting_database


SEARCHES = {
    "nothing": ("", [5, 4, 3, 2]),
    "the object": ("attacks", [5, 4, 3, 2]),
    "type": ("xss", [3]),
    "type by its key, any case": ("TYPE:XSS", [3]),
    "no such type": ("type:xs", []),
    "types": ("type:xss,rce", [4, 3]),
    "type with a wildcard": ("type:?ss", [3]),
    "group without any": ("graphql_attacks", []),
    "owasp": ("owasp_a03_2021 !sqli", [4, 3]),
    "owasp by its key": ("owasp:owasp_api7_2023", []),
    "weakness": ("cwe:79", [3]),
    "target": ("target:client OR target:server", [4, 3]),
    "risk": ("risk:medium", [3]),
    "source": ("ip:192.0.2.7", [2]),
    "start of source": ("ip:192.0.", [2]),
    "network": ("ip:192.0.2.0/29", [2]),
    "network beside it": ("ip:192.0.2.8/29", []),
    "network of IPv6": ("ip:2001:db8::/32", [4]),
    "address of IPv6 written in full": ('ip:"2001:0db8:0:0:0:0:0:1"', [4]),
    "range": ("ip:192.0.2.1-192.0.2.7", [2]),
    "IPv4 is not in ::/8 by accident": ("ip:::/96", []),
    "number of sources": ("ip:2+", [2]),
    "host": ("domain:API.example", [4, 3]),
    "part of host is no host": ("domain:api", []),
    "host with a wildcard": ("d:api*", [4, 3]),
    "quoted wildcard is none": ('d:"api*"', []),
    "path, any case": ("url:/login", [3]),
    "path with a percent sign": ("url:/100%_done", [4]),
    "underscore is no wildcard": ("url:/100%?done !url:/100%xdone url:*_done", [4]),
    "free text": ("login", [3]),
    "free text with a percent sign": ("0%_d", [4]),
    "free text that would be a pattern": ("1%d", []),
    "free text in the payload": ('"or 1="', [5, 4, 3, 2]),
    "payload": ("payload:*or*", [5, 4, 3, 2]),
    "parameter": ("param:id", [5, 4, 3, 2]),
    "point": ("param:[get][id]", [5, 4, 3, 2]),
    "another point": ("param:[post]", []),
    "status": ("statuscode:404", [2]),
    "status class": ("statuscode:2xx", [2]),
    "status class by its digit": ("statuscode:5*", [3]),
    "status range": ("statuscode:400-599", [3, 2]),
    "statuses": ("statuscode:404,500", [3, 2]),
    "no response": ("statuscode:none", [4]),
    "method": ("method:get", [5, 4, 3, 2]),
    "another method": ("method:POST", []),
    "size": ("size:5", [5, 4, 3, 2]),
    "larger": ("size:>5", []),
    "hits": ("N:2+", [2]),
    "authentication": ("auth:none", [5, 4, 3, 2]),
    "rule": ("rule:sqli.tautology", [5, 4, 3, 2]),
    "start of rule": ("rule:sqli*", [5, 4, 3, 2]),
    "start of another": ("rule:qli*", []),
    "application": ("app:0-5", []),
    "node": ("node:n1", []),
    "request": (f"request_id:{report(3)['id']}", [3]),
    "since": ("since 2026-09-21T20:00", [5]),
    "until": ("until 2026-09-21T20:00", [4, 3, 2]),
    "last": ("last 30m !today", []),
    "last, with what a fast clock dated ahead": ("last 30m", [5, 4, 3, 2]),
    "day": ("2026-09-22", [5]),
    "days": ("2026-09-21..2026-09-22", [5, 4, 3, 2]),
    "together": ("sqli d:shop.example statuscode:4xx", [2]),
    "together none": ("rce d:shop.example", []),
    "either": ("rce OR xss", [4, 3]),
    "neither": ("!(rce OR xss)", [5, 2]),
    "not": ("!sqli", [4, 3]),
    "quotes": (r'''d:"' or 1=1 --" url:"\\"''', []),
    "NUL": ("\0", []),
}


@pytest.mark.parametrize(("search", "found"), SEARCHES.values(), ids=SEARCHES.keys())
def test_search_finds(filled: Database, search: str, found: list[int]) -> None:
    newest = {NOON + number * 1_000_000: number for number in range(1, 5)} | {NOON + 600 * MINUTE: 5}
    wanted = parse(search, NOON + 10 * MINUTE)
    assert [newest[row.last_ns] for row in list_attacks(filled, wanted, 100).rows] == found
    assert count_attacks(filled, wanted) == len(found)


def test_node_is_found_by_its_name_too(database: Database) -> None:
    about = dict.fromkeys(("group_name", "version", "mode", "hostname"), "")
    node = register_node(database, {"name": "edge-7", **about}, NOON).node_id
    for sender, host in ((node, "edge.example"), ("n1", "shop.example")):
        sent = {"batch_id": "b", "reports": [report(9 + len(host), host=host)]}
        store_batch(database, sender, parse_batch(orjson.dumps(sent)), NOON)
    for search in ("node:edge-*", f"node:{node}"):
        assert [row.host for row in list_attacks(database, parse(search, NOON), 9).rows] == ["edge.example"]


GROUPS = {
    "type": [("sqli", 2, 3), ("rce", 1, 1), ("xss", 1, 1)],
    "target": [("shop.example", 2, 3), ("api.example", 2, 2)],
    "source": [("203.0.113.9", 3, 3), ("192.0.2.7", 1, 1), ("2001:db8::1", 1, 1)],
}


@pytest.mark.parametrize("by", GROUPS)
def test_groups_add_up_the_hits_that_they_have_in_common(filled: Database, by: str) -> None:
    assert [(group.value, group.attacks, group.hits) for group in group_attacks(filled, All(), by, 10)] == GROUPS[by]


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("size", [1, 3])
def test_each_order_is_paged_without_loss(filled: Database, name: str, size: int) -> None:
    whole = [row.id for row in list_attacks(filled, All(), 100, None, ORDERS[name]).rows]
    joined: list[int] = []
    cursor = None
    while len(joined) < 4:
        page = list_attacks(filled, All(), size, cursor, ORDERS[name])
        joined += [row.id for row in page.rows]
        cursor = page.next_cursor
    assert joined == whole and cursor is None


def test_cursor_of_one_order_is_none_of_another(filled: Database) -> None:
    cursor = list_attacks(filled, All(), 1, None, ORDERS["hits"]).next_cursor
    with pytest.raises(BadCursor):
        list_attacks(filled, All(), 1, cursor, ORDERS["-hits"])


def test_count_stops_at_its_ceiling(filled: Database) -> None:
    assert count_attacks(filled, All(), ceiling=2) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_pages_join_to_the_whole_list(filled: Database, size: int) -> None:
    whole = [row.id for row in list_attacks(filled, All(), 100).rows]
    joined: list[int] = []
    cursor = None
    for _ in range(10):
        page = list_attacks(filled, All(), size, cursor)
        joined += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert joined == whole


def test_attacks_of_the_same_moment_are_paged_without_loss(database: Database) -> None:
    sent = [report(number, time_ns=NOON, host=f"h{number}") for number in range(9)]
    store_batch(database, "n1", parse_batch(orjson.dumps({"batch_id": "a", "reports": sent})), NOON)
    first = list_attacks(database, All(), 4)
    second = list_attacks(database, All(), 5, first.next_cursor)
    assert len({row.id for row in (*first.rows, *second.rows)}) == 9


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "A" * 40, "\x00", "../.."])
def test_foreign_cursor_is_refused(filled: Database, cursor: str) -> None:
    with pytest.raises(BadCursor):
        list_attacks(filled, All(), 10, cursor)


def test_hits_come_newest_first_with_what_their_reports_say(filled: Database) -> None:
    attack = list_attacks(filled, parse("statuscode:404", NOON), 1).rows[0]
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
