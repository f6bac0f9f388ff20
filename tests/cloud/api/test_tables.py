"""Every list that a page shows can be had as CSV and as JSON, with the same rows, by those who may see the page."""

from __future__ import annotations

import csv
import io

import httpx
import pytest

from tcpmirror.cloud.api.tables import router
from tests.cloud.running import ADMIN, DEPLOY, READ, RunningCloud

FORMULA = '=HYPERLINK("http://evil.example/")'
PACK = """
type: vpatch
rules:
  - {id: own-export, title: a, why: b, severity: high, confidence: 0.9, patterns: [/legacy/export],
     examples: {match: [/legacy/export], no_match: [/export]}}
"""
# Where a row is made, what of it stands in the list, and the list.
MADE = {
    "source-lists": (
        "post",
        "/api/v1/source-lists",
        {"list": "deny", "value": "198.51.100.0/24", "reason": FORMULA},
        "198.51.100.0/24",
    ),
    "ignore-rules": (
        "post",
        "/api/v1/ignore-rules",
        {"entry": {"name": "ours", "rules": ["own-word"]}, "reason": FORMULA},
        "own-word",
    ),
    "masks": ("post", "/api/v1/masks", {"entry": {"name": "pins", "parameter": "secret"}, "reason": FORMULA}, "secret"),
    "rule-packs": ("put", "/api/v1/rule-packs/shop", {"text": PACK}, "shop"),
    "accounts": (
        "post",
        "/api/v1/accounts",
        {"name": "maria", "role": "read", "password": "correct horse battery staple"},
        "maria",
    ),
    "tokens": ("post", "/api/v1/tokens", {"name": FORMULA, "role": "read"}, "HYPERLINK"),
}
FOR_ADMINISTRATORS = ("accounts", "tokens", "audit", "integrations")


def both(client: httpx.Client, path: str) -> tuple[list[dict[str, str]], list[dict[str, object]]]:
    """Return the rows of the list at *path* as CSV and as JSON."""
    name, _, query = path.partition("?")
    table = client.get(f"/api/v1/{name}.csv?{query}").raise_for_status()
    listed = client.get(f"/api/v1/{name}.json?{query}").raise_for_status()
    assert f'filename="{name}-' in table.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(table.text, newline=""))), listed.json()


@pytest.mark.parametrize("path", MADE)
def test_what_was_made_stands_in_both_files(cloud: RunningCloud, path: str) -> None:
    method, where, wish, told = MADE[path]
    with cloud.client(ADMIN) as client:
        client.request(method, where, json=wish).raise_for_status()
        rows, listed = both(client, path)
    assert len(rows) == len(listed) > 0 and list(rows[0]) == list(listed[0])
    assert told in str(rows) and told in str(listed)
    assert not any(value.startswith("=") for row in rows for value in row.values())


@pytest.mark.parametrize("path", [*MADE, "rules", "integrations"])
def test_lists_are_narrowed_and_sorted_as_their_pages_are(cloud: RunningCloud, path: str) -> None:
    with cloud.client(ADMIN) as client:
        for name in ("first", "second"):
            method, where, wish, _ = MADE.get(path, ("get", f"/api/v1/{path}.json", {}, ""))
            named = {
                key: {**value, "name": name} if key == "entry" else name if key == "name" else value
                for key, value in wish.items()
            }
            client.request(method, where, json=named or None)
        rows, listed = both(client, path)
        assert both(client, f"{path}?text=no+such+words") == ([], [])
        refused = client.get(f"/api/v1/{path}.csv?sort=colour")
        assert refused.status_code == 422 and "'colour'" in refused.text
        if path in ("accounts", "tokens"):
            assert [row["name"] for row in both(client, f"{path}?text=SECOND")[0]] == ["second"]
            assert [each["name"] for each in client.get(f"/api/v1/{path}?text=SECOND").json()[path]] == ["second"]
            by_name = [row["name"] for row in both(client, f"{path}?sort=name")[0]]
            assert by_name == sorted(by_name, key=str.casefold)
    assert len(rows) == len(listed)


def test_nodes_are_found_by_text_in_the_order_asked_for(cloud: RunningCloud) -> None:
    for name in ("alpha", "Beta 50%"):
        with cloud.client(DEPLOY) as client:
            made = client.post("/api/v1/nodes/register", json={"name": name}).raise_for_status().json()
    with cloud.client(f"{made['node_id']}.{made['secret']}") as node:
        node.post("/api/v1/nodes/heartbeat", json={"stats": {"worker_exchanges": 7, "coverage": 0.5}}).raise_for_status()
    with cloud.client(READ) as client:
        rows, listed = both(client, "nodes?sort=name")
        assert [row["name"] for row in rows] == [row["name"] for row in listed] == ["alpha", "Beta 50%"]
        assert (rows[1]["exchanges"], rows[1]["coverage"]) == ("7", "0.5")
        assert [row["name"] for row in both(client, "nodes?text=BETA")[0]] == ["Beta 50%"]
        assert [row["name"] for row in both(client, "nodes?text=%25")[0]] == ["Beta 50%"]  # no wildcard
        assert [each["name"] for each in client.get("/api/v1/nodes?text=alp").json()["nodes"]] == ["alpha"]
        refused = client.get("/api/v1/nodes.csv?sort=colour")
    assert refused.status_code == 422 and "'colour'" in refused.text and "last" in refused.text


def test_audit_file_holds_all_entries_of_an_action(cloud: RunningCloud) -> None:
    with cloud.client(ADMIN) as client:
        for number in range(3):
            client.post("/api/v1/tokens", json={"name": f"t{number}", "role": "read"}).raise_for_status()
        rows, _ = both(client, "audit?action=token")
    assert [row["object"] for row in rows[:3]] == ["t2", "t1", "t0"] and '"role":"read"' in rows[0]["details"]


def test_built_in_rules_say_what_they_find(cloud: RunningCloud) -> None:
    with cloud.client(READ) as client:
        rows, listed = both(client, "rules")
    assert len(rows) == len(listed) > 100 and all(row["title"] and row["type"] for row in rows)


def test_lists_for_administrators_are_for_them_alone(cloud: RunningCloud) -> None:
    paths = sorted({route.path for route in router.routes})  # type: ignore[attr-defined]
    with cloud.client(READ) as client:
        for path in paths:
            name = path.removeprefix("/api/v1/").partition(".")[0]
            assert client.get(path).status_code == (403 if name in FOR_ADMINISTRATORS else 200), path
    with httpx.Client(base_url=cloud.url) as anybody:
        assert {anybody.get(path).status_code for path in paths} == {401}
