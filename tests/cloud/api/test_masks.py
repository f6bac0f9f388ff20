"""Masks and enforced specifications in the cloud: checked as a node will, and handed to nodes with the rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tcpmirror.cloud.served_rules import BadPack, keep_pack, signed_rules
from tcpmirror.detect.pack import read_pack
from tcpmirror.model.rule_document import decode_rules
from tcpmirror.settings.tree import Condition, Mask
from tests.cloud.running import ADMIN, ANALYST, NOON, RunningCloud


def packs(cloud: RunningCloud) -> dict[str, str]:
    return dict(decode_rules(signed_rules(cloud.service.database).payload).packs)


def test_masks_reach_nodes_with_the_rules_until_they_are_taken_away(cloud: RunningCloud) -> None:
    entry = {"name": "pins", "parameter": "pin", "where": [{"point": "header.HOST", "type": "iequal", "value": "A.example"}]}
    with cloud.client(ADMIN) as admin:
        before = signed_rules(cloud.service.database).serial
        made = admin.post("/api/v1/masks", json={"entry": entry, "reason": "why"})
        assert made.status_code == 201
        assert admin.post("/api/v1/masks", json={"entry": entry}).status_code == 409
        assert signed_rules(cloud.service.database).serial == before + 1
        wanted = Mask("pins", parameter="pin", where=(Condition("header.HOST", "iequal", "A.example"),))
        assert read_pack("masks", packs(cloud)["masks"]).masks == (wanted,)
        assert [row["entry"]["name"] for row in admin.get("/api/v1/masks").json()["masks"]] == ["pins"]
        assert admin.delete(f"/api/v1/masks/{made.json()['id']}").status_code == 204
        assert admin.delete(f"/api/v1/masks/{made.json()['id']}").status_code == 404
    assert packs(cloud) == {}


BAD: dict[str, dict[str, Any]] = {
    "nothing said": {"name": "a"},
    "no class": {"name": "a", "classes": ["odd"]},
    "no pattern": {"name": "a", "pattern": "("},
    "no point": {"name": "a", "pattern": "x", "where": [{"point": "body.x", "value": "1"}]},
    "a value of what is absent": {"name": "a", "pattern": "x", "where": [{"point": "uri", "type": "absent", "value": "1"}]},
}


@pytest.mark.parametrize("entry", BAD.values(), ids=BAD)
def test_what_a_node_would_refuse_is_refused(cloud: RunningCloud, entry: dict[str, Any]) -> None:
    with cloud.client(ADMIN) as admin:
        assert admin.post("/api/v1/masks", json={"entry": entry}).status_code == 400


def test_only_administrators_change_what_is_masked(cloud: RunningCloud) -> None:
    with cloud.client(ANALYST) as analyst:
        assert analyst.get("/api/v1/masks").status_code == 200
        assert analyst.post("/api/v1/masks", json={"entry": {"name": "a", "pattern": "x"}}).status_code == 403
    for name in ("ignored", "masks", "specifications"):
        with pytest.raises(BadPack):
            keep_pack(cloud.service.database, name, "ignore: []", None, NOON)  # type: ignore[arg-type] # is not asked for it


def test_enforced_specifications_reach_nodes_in_their_newest_version(cloud: RunningCloud) -> None:
    def document(version: str) -> str:
        return json.dumps({"openapi": "3.0.3", "info": {"title": "Shop", "version": version}, "paths": {"/a": {"get": {}}}})

    with cloud.client(ADMIN) as admin:
        for version in ("1", "2"):
            answer = admin.post("/api/v1/inventory/specifications", params={"host": "a.example"}, content=document(version))
            assert answer.status_code == 201, answer.text
        rows = answer.json()["specifications"]
        assert packs(cloud) == {}
        assert admin.patch(f"/api/v1/inventory/specifications/{rows[0]['id']}", json={"enforced": True}).status_code == 204
        assert admin.patch("/api/v1/inventory/specifications/999", json={"enforced": True}).status_code == 404
        ((host, name, text),) = read_pack("specifications", packs(cloud)["specifications"]).specifications
        assert (host, name, json.loads(text)["info"]["version"]) == ("a.example", "Shop", "2")
        admin.post("/api/v1/inventory/specifications", params={"host": "a.example"}, content=document("3"))
        ((_, _, text),) = read_pack("specifications", packs(cloud)["specifications"]).specifications
        assert json.loads(text)["info"]["version"] == "3"
        assert admin.patch(f"/api/v1/inventory/specifications/{rows[0]['id']}", json={"enforced": False}).status_code == 204
    assert packs(cloud) == {}
