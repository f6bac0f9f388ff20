from __future__ import annotations

import base64

import pytest

from tests.cloud.running import DEPLOY, READ, RunningCloud, finding, report


@pytest.fixture(scope="module")
def filled(lasting_cloud: RunningCloud) -> RunningCloud:
    sent = [
        report(1),
        report(2, findings=[finding(), finding(type="xss", payload="<x>")], anomalies=["gap"], host=None, method=None),
        report(
            3,
            real_ip="192.0.2.7",
            status=None,
            duration_ns=None,
            uri="/b",
            findings=[finding(type="not_yet_known", point=[])],
        ),
    ]
    with lasting_cloud.node() as node:
        node.post("/api/v1/batches", json={"batch_id": "a", "reports": sent}).raise_for_status()
    return lasting_cloud


def test_attacks_are_listed_with_their_hits_and_exchange(filled: RunningCloud) -> None:
    with filled.client(READ) as client:
        page = client.get("/api/v1/attacks", params={"q": "xss"}).json()
        (attack,) = page["attacks"]
        assert page["next_cursor"] is None
        assert (attack["type_name"], attack["cwe"], attack["point_text"]) == ("Cross-site scripting", [79], "[get][id]")
        assert (attack["host"], attack["path"], attack["hits"]) == ("10.0.0.5:80", "/items", 1)
        assert client.get(f"/api/v1/attacks/{attack['id']}").json()["top_payloads"] == [{"value": "<x>", "hits": 1}]
        (hit,) = client.get(f"/api/v1/attacks/{attack['id']}/hits").json()["hits"]
        assert (hit["payloads"], hit["source"], hit["status"], hit["method"]) == (["<x>"], "203.0.113.9", 200, None)
        whole = client.get(f"/api/v1/hits/{hit['id']}").json()
        assert base64.b64decode(whole["request_b64"]).startswith(b"GET /items")
        assert (whole["anomalies"], whole["duration_ms"], len(whole["findings"])) == (["gap"], 1.5, 2)


def test_attack_of_a_type_this_version_does_not_know_is_shown(filled: RunningCloud) -> None:
    with filled.client(READ) as client:
        (attack,) = client.get("/api/v1/attacks?q=type:not_yet_known").json()["attacks"]
    assert (attack["type_name"], attack["parameter"], attack["last_status"]) == ("not_yet_known", "", None)


def test_pages(filled: RunningCloud) -> None:
    with filled.client(READ) as client:
        ids = []
        cursor = None
        for _ in range(4):
            page = client.get("/api/v1/attacks", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
            ids += [attack["id"] for attack in page["attacks"]]
            cursor = page["next_cursor"]
        assert len(set(ids)) == len(ids) == 4
        assert cursor is None


SUMS = {"?since=2000-01-01T00:00:00": 4, "?since=2100-01-01T00:00:00Z": 0, "?since=1000": 4}


def test_summary(filled: RunningCloud) -> None:
    with filled.client(READ) as client:
        for since, found in SUMS.items():
            assert client.get(f"/api/v1/summary{since}").json()["hits"] == found
        assert client.get("/api/v1/nodes").json()["nodes"][-1]["group"] == "g"


PATHS = [
    "/api/v1/attacks",
    "/api/v1/attacks.csv",
    "/api/v1/attacks.json",
    "/api/v1/attacks/1",
    "/api/v1/attacks/1/hits",
    "/api/v1/hits/1",
    "/api/v1/nodes",
    "/api/v1/summary",
]


@pytest.mark.parametrize("path", PATHS)
def test_reading_needs_a_token_that_may(filled: RunningCloud, path: str) -> None:
    for token, status in (("", 401), ("wrong", 401), (DEPLOY, 403), (READ, 200)):
        with filled.client(token) as client:
            assert client.get(path).status_code == status
    with filled.node() as node:
        assert node.get(path).status_code == 401


BAD = {
    "limit 0": ("/api/v1/attacks?limit=0", 422),
    "limit 501": ("/api/v1/attacks?limit=501", 422),
    "cursor": ("/api/v1/attacks?cursor=zzz", 400),
    "cursor of hits": ("/api/v1/attacks/1/hits?cursor=zzz", 400),
    "status": ("/api/v1/attacks?q=status:x", 400),
    "time": ("/api/v1/attacks?q=since%202026-13-01", 400),
    "time far away": ("/api/v1/attacks?q=since%209999-12-31T23:59:59Z", 200),
    "time long ago": ("/api/v1/attacks?q=0001-01-01..0001-01-02", 200),
    "years": ("/api/v1/attacks?q=last%20999999y", 200),
    "numbers": ("/api/v1/attacks?q=n:999999999999999999g%20id:0%20app:0-999999999%20s:%3C0", 200),
    "search": ("/api/v1/attacks?q=(", 400),
    "long search": ("/api/v1/attacks?q=" + "x" * 1001, 422),
    "brackets": ("/api/v1/attacks?q=" + "(" * 300, 400),
    "many alternatives": ("/api/v1/attacks?q=" + "a%20OR%20" * 190 + "b", 200),
    "sort": ("/api/v1/attacks?sort=x", 422),
    "attack": ("/api/v1/attacks/999", 404),
    "attack 0": ("/api/v1/attacks/0", 422),
    "attack past 64 bits": ("/api/v1/attacks/99999999999999999999", 422),
    "hit": ("/api/v1/hits/999", 404),
    "nothing there": ("/api/v1/nothing", 404),
    "NUL": ("/api/v1/attacks?q=d:%00%20u:%00%20%00", 200),
    "not UTF-8": ("/api/v1/attacks?q=%ff%20d:%ed%a0%80", 200),
}


@pytest.mark.parametrize(("path", "status"), BAD.values(), ids=BAD.keys())
def test_odd_question_is_answered_not_crashed(filled: RunningCloud, path: str, status: int) -> None:
    with filled.client(READ) as client:
        assert client.get(path).status_code == status
