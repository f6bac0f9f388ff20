"""Rules on their way from the cloud to a node: real server, real client, the node's own files."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tcpmirror.cloud.audit import Actor
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ignore_rules import create_rule
from tcpmirror.cloud.nodes import tried_findings
from tcpmirror.cloud.schema import facts
from tcpmirror.cloud.served_rules import BadPack, keep_pack, public_key, remove_pack, signed_rules
from tcpmirror.export.client import CloudClient, Identity
from tcpmirror.export.cloud_rules import UnsoundRulesError, verified_rules
from tcpmirror.export.tallies import Tallies
from tcpmirror.model.rule_document import RuleDocument, decode_rules, encode_rules, signed_bytes
from tcpmirror.processes.cloud_rules import CloudRules
from tcpmirror.processes.exporter import tried_findings as told_of
from tcpmirror.processes.rules_in_force import prepare_rules
from tcpmirror.settings.tree import Settings, Supervisor
from tests.cloud.running import ADMIN, DEPLOY, NOON, READ, RunningCloud

MARIA = Actor("maria")
PACK = "type: vpatch\nrules:\n  - {id: own-export, title: a, why: b, severity: high, confidence: 0.9, patterns: [/legacy/export],\n     examples: {match: [/legacy/export], no_match: [/export]}}\n"
OTHER = PACK.replace("own-export", "own-import").replace("legacy/export", "legacy/import")


class Node:
    """A node's side: its client, and what it keeps in *directory*."""

    def __init__(self, cloud: RunningCloud, directory: Path) -> None:
        self.settings = Settings(supervisor=Supervisor(state_dir=str(directory)))
        self.client = CloudClient(
            url=cloud.url, token=DEPLOY, identity=Identity("n", "g", "1", "m", "h"),
            credential_path=directory / "node.json", direct=True,
        )  # fmt: skip
        self.rules = CloudRules(self.settings, self.client)
        self.folder = directory / "packs"

    def beat(self) -> None:
        """Do what the exporter does every half minute."""
        self.client.heartbeat({"rules": self.rules.describe(), "capture_packets": 5, "coverage": 0.5})
        self.rules.look()

    @property
    def files(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in self.folder.glob("*")}


@pytest.fixture
def node(cloud: RunningCloud, tmp_path: Path) -> Node:
    return Node(cloud, tmp_path)


def told(cloud: RunningCloud) -> dict[str, object]:
    with cloud.client(READ) as client:
        return client.get("/api/v1/nodes").json()["nodes"][0]["health"]


def test_packs_reach_the_node_come_into_force_and_go_again(cloud: RunningCloud, node: Node) -> None:
    database = cloud.service.database
    keep_pack(database, "shop", PACK, MARIA, NOON)
    create_rule(database, {"name": "ours", "types": ["xss"]}, "", None, MARIA, NOON)
    node.beat()
    assert set(node.files) == {"cloud.shop.yaml", "cloud.ignored.yaml"}
    facts_in_force = prepare_rules(node.settings)
    assert facts_in_force["own"] == 1
    node.beat()
    health = told(cloud)
    assert (health["rules_serial"], health["rules_problem"]) == (2, "")
    assert (health["is_live"], health["packets"], health["coverage"], health["drops"]) == (True, 5, 0.5, None)
    remove_pack(database, "shop", MARIA, NOON)
    node.beat()
    assert set(node.files) == {"cloud.ignored.yaml"}


def test_unchanged_rules_are_not_sent_again(cloud: RunningCloud, node: Node) -> None:
    keep_pack(cloud.service.database, "shop", PACK, MARIA, NOON)
    node.beat()
    etag = signed_rules(cloud.service.database).etag
    assert node.client.rules(etag) is None
    again = Node(cloud, Path(node.settings.supervisor.state_dir))
    assert again.rules.describe()["serial"] == 1
    (node.folder / "cloud.shop.yaml").write_text("# what the operator did to it stays until the rules change\n")
    again.rules.look()
    assert node.files["cloud.shop.yaml"].startswith("#")


def test_pack_that_the_node_cannot_use_changes_nothing_and_the_cloud_is_told(cloud: RunningCloud, node: Node) -> None:
    database = cloud.service.database
    keep_pack(database, "shop", PACK, MARIA, NOON)
    node.beat()
    with database.writing() as connection:  # as a newer cloud would, whose rules this node does not understand
        connection.exec_driver_sql("update rule_packs set text = 'rules: [{colour: red}]'")
    node.beat()
    assert node.files == {"cloud.shop.yaml": PACK}
    node.beat()
    assert "cloud.shop" in str(told(cloud)["rules_problem"])
    keep_pack(database, "shop", OTHER, MARIA, NOON)
    node.beat()
    node.beat()
    assert node.files == {"cloud.shop.yaml": OTHER} and told(cloud)["rules_problem"] == ""


def test_rules_of_another_key_are_refused(cloud: RunningCloud, node: Node) -> None:
    database = cloud.service.database
    keep_pack(database, "shop", PACK, MARIA, NOON)
    node.beat()
    with database.writing() as connection:
        connection.execute(facts.delete().where(facts.c.name == "rules_key"))
    keep_pack(database, "shop", OTHER, MARIA, NOON)
    node.beat()
    assert node.files == {"cloud.shop.yaml": PACK}
    assert "signature" in str(node.rules.describe()["problem"])


def test_older_rules_are_not_taken_again(cloud: RunningCloud, node: Node) -> None:
    database = cloud.service.database
    keep_pack(database, "shop", PACK, MARIA, NOON)
    keep_pack(database, "shop", OTHER, MARIA, NOON)
    node.beat()
    with database.writing() as connection:
        connection.execute(facts.update().where(facts.c.name == "rules_serial").values(value=b"1"))
    node.beat()
    assert "older" in str(node.rules.describe()["problem"])


def test_node_without_a_pinned_key_pins_it_and_takes_rules(cloud: RunningCloud, tmp_path: Path) -> None:
    keep_pack(cloud.service.database, "shop", PACK, MARIA, NOON)
    first = Node(cloud, tmp_path)
    first.client.heartbeat({})
    stored = json.loads((tmp_path / "node.json").read_bytes())
    assert stored.pop("rules_key") == public_key(cloud.service.database)
    (tmp_path / "node.json").write_text(json.dumps(stored))
    second = Node(cloud, tmp_path)
    second.beat()
    assert set(second.files) == {"cloud.shop.yaml"}
    assert json.loads((tmp_path / "node.json").read_bytes())["rules_key"] == public_key(cloud.service.database)


KEY = Ed25519PrivateKey.generate()
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
SOUND = encode_rules(RuleDocument(3, (("a", "rules: []"),)))


def signature(payload: bytes) -> str:
    return base64.b64encode(KEY.sign(payload)).decode()


UNSOUND = {
    "changed after it was signed": (SOUND + b" ", signature(signed_bytes(SOUND)), PUBLIC),
    "signed without the prefix": (SOUND, signature(SOUND), PUBLIC),
    "no signature": (SOUND, "", PUBLIC),
    "no Base64": (SOUND, "%%%", PUBLIC),
    "no key": (SOUND, signature(signed_bytes(SOUND)), ""),
    "signed, and no document": (b"[]", signature(signed_bytes(b"[]")), PUBLIC),
    "signed, and a path as a name": (
        b'{"serial":1,"packs":{"../x":""}}', signature(signed_bytes(b'{"serial":1,"packs":{"../x":""}}')), PUBLIC
    ),
}  # fmt: skip


@pytest.mark.parametrize(("payload", "signed", "key"), UNSOUND.values(), ids=UNSOUND.keys())
def test_what_the_cloud_did_not_sign_is_not_taken(payload: bytes, signed: str, key: str) -> None:
    with pytest.raises(UnsoundRulesError):
        verified_rules(payload, signed, "", key)


def test_document_is_the_same_after_its_bytes() -> None:
    document = RuleDocument(3, (("a", "rules: []"), ("b", "é\n")))
    assert decode_rules(encode_rules(document)) == document
    assert verified_rules(SOUND, signature(signed_bytes(SOUND)), "e", PUBLIC).document.serial == 3


BAD_PACKS = {
    "not YAML": ("a", "{"),
    "no pack": ("a", "just text"),
    "unknown key": ("a", "rules: [{colour: red}]"),
    "bad name": ("A", PACK),
    "kept for ignoring": ("ignored", PACK),
    "too long": ("a", "#" * 600_000),
}


@pytest.mark.parametrize(("name", "text"), BAD_PACKS.values(), ids=BAD_PACKS.keys())
def test_bad_pack_is_refused_when_it_is_given(database: Database, name: str, text: str) -> None:
    with pytest.raises(BadPack):
        keep_pack(database, name, text, MARIA, NOON)


def test_administrator_manages_packs_and_nodes(cloud: RunningCloud, node: Node) -> None:
    node.beat()
    with cloud.client(ADMIN) as admin, cloud.client(READ) as reader:
        assert admin.put("/api/v1/rule-packs/shop", json={"text": PACK}).status_code == 204
        refused = admin.put("/api/v1/rule-packs/shop", json={"text": "rules: [{colour: red}]"})
        assert refused.status_code == 400
        shown = reader.get("/api/v1/rule-packs").json()
        assert (shown["serial"], [(one["name"], one["rules"]) for one in shown["packs"]]) == (1, [("shop", 1)])
        assert reader.put("/api/v1/rule-packs/shop", json={"text": PACK}).status_code == 403
        assert admin.delete("/api/v1/rule-packs/shop").status_code == 204
        assert admin.delete("/api/v1/rule-packs/shop").status_code == 404
        number = reader.get("/api/v1/nodes").json()["nodes"][0]["id"]
        assert admin.patch(f"/api/v1/nodes/{number}", json={"name": "edge-1"}).status_code == 204
        listed = reader.get("/api/v1/nodes").json()["nodes"][0]
        assert (listed["name"], listed["group"]) == ("edge-1", "g")
        assert admin.delete(f"/api/v1/nodes/{number}").status_code == 204
        assert reader.get("/api/v1/nodes").json()["nodes"] == []
        assert reader.get("/api/v1/nodes/rules").status_code == 401


def test_what_experimental_rules_would_have_found_is_told_by_rule_and_added_up(tmp_path: Path) -> None:
    with RunningCloud(tmp_path) as cloud:
        for name, told in (("one", {"mine-a": 3, "mine-b": 1}), ("two", {"mine-a": 4, "bad": "x"}), ("three", "nothing")):
            client = CloudClient(
                url=cloud.url,
                token=DEPLOY,
                identity=Identity(name, "", "1", "tcp-capture", name),
                credential_path=tmp_path / name,
            )
            client.heartbeat({"tried_findings": told})
            client.close()
        assert tried_findings(cloud.service.database) == {"mine-a": 7, "mine-b": 1}
        with cloud.client(READ) as reader:
            assert reader.get("/api/v1/attacks").json()["attacks"] == []


def test_a_heartbeat_tells_of_experimental_rules_alone() -> None:
    tallies = Tallies()
    tallies.add_ignored_news(Counter({("experimental", "mine"): 5, ("files", "ptrav-x"): 9}))
    assert told_of(tallies) == {"mine": 5}
