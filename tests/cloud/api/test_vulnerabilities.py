"""Vulnerabilities in the cloud: records once, merged, shown when proven, judged, expired."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import zstandard

from tcpmirror.cloud.retention import Retention, expire
from tcpmirror.vulns.weakness import Sample, Weakness, encode_weaknesses
from tests.cloud.running import ANALYST, NOON, READ, RunningCloud

DAY_NS = 86_400 * 10**9


def weakness(
    kind: str = "secret-in-url", subject: str = "token", at_ns: int = NOON, *marks: str, host: str = "a.example"
) -> Weakness:
    sample = Sample(at_ns, "?token=***", "192.0.2.7:4000", "198.51.100.2:80", 200)
    return Weakness(kind, host, "GET", ("orders", "{}"), subject, 3, at_ns, at_ns, frozenset(marks or ("x",)), sample)


def send(node: httpx.Client, record_id: str, *rows: Weakness) -> bool:
    body = zstandard.ZstdCompressor().compress(encode_weaknesses(record_id, rows))
    answer = node.post("/api/v1/vulnerabilities/records", content=body, headers={"Content-Encoding": "zstd"})
    return bool(answer.raise_for_status().json()["taken"])


@pytest.fixture
def node(cloud: RunningCloud) -> Iterator[httpx.Client]:
    with cloud.node() as client:
        yield client


@pytest.fixture
def reader(cloud: RunningCloud) -> Iterator[httpx.Client]:
    with cloud.client(READ) as client:
        yield client


def shown(reader: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    answer = reader.get("/api/v1/vulnerabilities", params=wanted).raise_for_status().json()
    found: list[dict[str, Any]] = answer["vulnerabilities"]
    assert answer["total"] == len(found)
    return found


def test_one_row_for_an_endpoint_and_kind_however_often_it_comes(node: httpx.Client, reader: httpx.Client) -> None:
    assert send(node, "1", weakness(), weakness(at_ns=NOON + 5 * 10**9))
    assert send(node, "2", weakness(at_ns=NOON - 5 * 10**9), weakness(subject="key"))
    assert not send(node, "2", weakness())
    rows = {row["subject"]: row for row in shown(reader)}
    assert {name: row["count"] for name, row in rows.items()} == {"token": 9, "key": 3}
    detail = reader.get(f"/api/v1/vulnerabilities/{rows['token']['id']}").raise_for_status().json()
    assert (detail["type"], detail["severity"], detail["path"], detail["evidence"]) == (
        "infoleak", "medium", "/orders/{}", "?token=***",
    )  # fmt: skip
    assert detail["first_time"] < detail["last_time"]
    assert detail["response_status"] == 200
    assert detail["cwe"] == [598]
    assert detail["remediation"]


def test_what_needs_more_signs_is_shown_once_they_are_there(node: httpx.Client, reader: httpx.Client) -> None:
    send(node, "1", weakness("cors-any-origin", "", NOON, "a", "b"))
    assert shown(reader) == []
    assert reader.get("/api/v1/vulnerabilities/1").status_code == 404
    send(node, "2", weakness("cors-any-origin", "", NOON, "b", "c"))
    assert [row["kind"] for row in shown(reader)] == ["cors-any-origin"]


def test_lists_are_filtered_and_sorted(node: httpx.Client, reader: httpx.Client) -> None:
    send(node, "1", weakness(), weakness("pii-in-url"), weakness("exposed-file", "", host="b.example"))
    assert [row["severity"] for row in shown(reader)] == ["high", "medium", "low"]
    assert [row["kind"] for row in shown(reader, host="b.example")] == ["exposed-file"]
    assert [row["kind"] for row in shown(reader, severity="low")] == ["pii-in-url"]
    assert [row["kind"] for row in shown(reader, kind="secret-in-url", text="tok")] == ["secret-in-url"]
    assert shown(reader, status="closed") == shown(reader, type="csrf") == []
    assert reader.get("/api/v1/vulnerabilities", params={"kind": "odd"}).status_code == 422


def test_people_close_it_and_it_opens_again_when_it_is_seen_again(
    cloud: RunningCloud, node: httpx.Client, reader: httpx.Client
) -> None:
    send(node, "1", weakness())
    (row,) = shown(reader)
    wish = {"status": "closed", "comment": "mended"}
    assert reader.patch(f"/api/v1/vulnerabilities/{row['id']}", json=wish).status_code == 403
    with cloud.client(ANALYST) as analyst:
        assert analyst.patch(f"/api/v1/vulnerabilities/{row['id']}", json=wish).status_code == 204
        assert analyst.patch("/api/v1/vulnerabilities/999", json=wish).status_code == 404
    (closed,) = shown(reader)
    assert (closed["status"], closed["comment"]) == ("closed", "mended")
    send(node, "2", weakness(at_ns=NOON - 10))
    assert shown(reader)[0]["status"] == "closed"  # an old one that came late
    send(node, "3", weakness(at_ns=cloud.service.clock() + DAY_NS))
    assert shown(reader)[0]["status"] == "open"


def test_old_ones_go(cloud: RunningCloud, node: httpx.Client, reader: httpx.Client) -> None:
    send(node, "1", weakness(at_ns=NOON), weakness("csrf", "", NOON + 9 * DAY_NS, "a", "b"))
    expire(cloud.service.database, Retention(age_ns=5 * DAY_NS), NOON + 10 * DAY_NS, threading.Event())
    assert [row["kind"] for row in shown(reader)] == ["csrf"]


def test_what_is_no_record_is_refused(node: httpx.Client) -> None:
    for body in (b"", b"{}", b'{"id": "a", "rows": [{}]}'):
        assert node.post("/api/v1/vulnerabilities/records", content=body).status_code == 400


def test_a_filtered_list_is_a_file_that_no_spreadsheet_calculates(node: httpx.Client, reader: httpx.Client) -> None:
    send(node, "1", weakness(subject="=1+1"), weakness(host="b.example"))
    text = reader.get("/api/v1/vulnerabilities.csv", params={"host": "a.example"}).raise_for_status().text
    head, row = text.splitlines()
    assert head.startswith("id,severity,status,kind")
    assert "'=1+1" in row and "a.example" in row
