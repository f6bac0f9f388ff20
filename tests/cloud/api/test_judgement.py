from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.cloud.running import ADMIN, ANALYST, DEPLOY, READ, RunningCloud, finding, report


@pytest.fixture(scope="module")
def cloud(lasting_cloud: RunningCloud) -> RunningCloud:
    cloud = lasting_cloud.with_account()
    now_ns = cloud.service.clock()
    sent = [report(number, time_ns=now_ns, findings=[finding(rule="sqli-tautology")]) for number in range(3)]
    with cloud.node() as node:
        node.post("/api/v1/batches", json={"batch_id": "a", "reports": sent}).raise_for_status()
    return cloud


@pytest.fixture
def analyst(cloud: RunningCloud) -> Iterator[httpx.Client]:
    with cloud.client(ANALYST) as client:
        yield client


def test_analyst_judges_and_comments(cloud: RunningCloud, analyst: httpx.Client) -> None:
    assert analyst.patch("/api/v1/attacks/1", json={"status": "in_progress", "assignee": "admin"}).status_code == 204
    made = analyst.post("/api/v1/attacks/1/comments", json={"text": "<script>alert(1)</script>"})
    assert (made.status_code, made.json()["author"]) == (201, "token test analyst")
    shown = analyst.get("/api/v1/attacks/1/comments").json()["comments"]
    assert [one["text"] for one in shown] == ["<script>alert(1)</script>"]
    assert analyst.patch("/api/v1/attacks/1", json={"assignee": "nobody-here"}).status_code == 400
    assert analyst.patch("/api/v1/attacks/1", json={"status": "won"}).status_code == 422
    assert analyst.patch("/api/v1/attacks/99", json={"status": "open"}).status_code == 404


def test_false_positive_goes_from_proposal_to_a_rule_of_the_nodes(cloud: RunningCloud, analyst: httpx.Client) -> None:
    proposal = analyst.get("/api/v1/attacks/1/ignore-proposal").json()
    assert (proposal["preview"]["silenced"], proposal["preview"]["attack_count"]) == (3, 1)
    assert proposal["preview"]["attacks"][0]["attack_id"] == 1
    made = analyst.post("/api/v1/ignore-rules", json={"entry": proposal["entry"], "reason": "ours", "attack_id": 1})
    assert made.status_code == 201
    again = analyst.post("/api/v1/ignore-rules", json={"entry": proposal["entry"]})
    assert again.status_code == 409
    listed = analyst.get("/api/v1/ignore-rules").json()["rules"]
    assert [(one["entry"], one["attack_id"], one["created_by"]) for one in listed] == [
        (proposal["entry"], 1, "token test analyst")
    ]
    with cloud.client(ADMIN) as admin:
        audited = admin.get("/api/v1/audit", params={"object": "1"}).json()["entries"]
    assert audited[0]["details"] == {"status": "false_positive"}
    assert analyst.delete(f"/api/v1/ignore-rules/{listed[0]['id']}").status_code == 204
    assert analyst.delete(f"/api/v1/ignore-rules/{listed[0]['id']}").status_code == 404


def test_preview_of_any_entry(analyst: httpx.Client) -> None:
    assert analyst.post("/api/v1/ignore-rules/preview", json={"name": "a", "types": ["sqli"]}).json()["silenced"] == 3
    refused = analyst.post("/api/v1/ignore-rules/preview", json={"name": "a", "path": "~ ("})
    assert refused.status_code == 400 and "path" in refused.json()["detail"]


CHANGES = {
    "judge": ("PATCH", "/api/v1/attacks/1", {"status": "closed"}),
    "comment": ("POST", "/api/v1/attacks/1/comments", {"text": "a"}),
    "ignore": ("POST", "/api/v1/ignore-rules", {"entry": {"name": "a", "types": ["sqli"]}}),
    "report again": ("DELETE", "/api/v1/ignore-rules/1", None),
}


@pytest.mark.parametrize(("verb", "path", "body"), CHANGES.values(), ids=CHANGES.keys())
def test_only_analysts_judge(cloud: RunningCloud, verb: str, path: str, body: object) -> None:
    statuses = []
    for token in ("", DEPLOY, READ):
        with cloud.client(token) as client:
            statuses.append(client.request(verb, path, json=body).status_code)
    assert statuses == [401, 403, 403]


def test_entry_with_every_condition_comes_back_as_it_was_given(analyst: httpx.Client) -> None:
    entry = {
        "name": "whole",
        "rules": ["sqli-*"],
        "types": ["sqli"],
        "host": "*.example",
        "path": "~ ^/a",
        "point": "[get]",
        "parameter": "id",
        "networks": ["203.0.113.0/24"],
        "where": [{"point": "header.X", "type": "absent", "value": ""}],
        "parsers": ["base64"],
        "binary": True,
    }
    made = analyst.post("/api/v1/ignore-rules", json={"entry": entry})
    assert made.status_code == 201, made.text
    listed = next(one for one in analyst.get("/api/v1/ignore-rules").json()["rules"] if one["entry"]["name"] == "whole")
    assert listed["entry"] == entry
    assert analyst.delete(f"/api/v1/ignore-rules/{listed['id']}").status_code == 204
    refused = analyst.post("/api/v1/ignore-rules/preview", json={"name": "a", "parsers": ["brotli"]})
    assert refused.status_code == 400 and "parsers" in refused.json()["detail"]
