"""Settings on their way from the cloud to a node: real server, real client, the node's own files."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tcpmirror.cloud.audit import Actor, AuditFilter, list_audit
from tcpmirror.cloud.served_rules import signing_key
from tcpmirror.cloud.served_settings import BadSettings, keep_settings, list_settings, signed_settings
from tcpmirror.export.client import CloudClient, Identity
from tcpmirror.export.cloud_rules import UnsoundRulesError, verified_settings
from tcpmirror.model.settings_document import SettingsDocument, decode_settings, encode_settings, signed_settings_bytes
from tcpmirror.processes.cloud_settings import CloudSettings
from tcpmirror.settings.load import LoadedSettings
from tcpmirror.settings.pushed import NAME, with_kept
from tcpmirror.settings.tree import Settings, Supervisor
from tests.cloud.running import ADMIN, ANALYST, DEPLOY, NOON, READ, RunningCloud

MARIA = Actor("maria")


class Node:
    """A node's side: its client, and what it keeps in *directory*."""

    def __init__(self, cloud: RunningCloud, directory: Path, group: str = "g") -> None:
        directory.mkdir(exist_ok=True)
        self.settings = Settings(supervisor=Supervisor(state_dir=str(directory)))
        self.client = CloudClient(
            url=cloud.url,
            token=DEPLOY,
            identity=Identity("n", group, "1", "m", "h"),
            credential_path=directory / "node.json",
            direct=True,
        )
        self.file = directory / "in-force" / NAME
        self.pushed = CloudSettings(self.settings, self.client)

    def beat(self) -> None:
        """Do what the exporter does every half minute."""
        self.client.heartbeat({"settings": self.pushed.describe()})
        self.pushed.look()

    @property
    def node_id(self) -> str:
        return str(json.loads((self.file.parents[1] / "node.json").read_text())["node_id"])

    def in_force(self) -> Settings:
        return with_kept(LoadedSettings(self.settings)).settings


@pytest.fixture
def node(cloud: RunningCloud, tmp_path: Path) -> Node:
    made = Node(cloud, tmp_path / "n")
    made.beat()
    return made


def give(cloud: RunningCloud, scope: str, text: str) -> None:
    keep_settings(cloud.service.database, scope, text, MARIA, NOON)


def health(cloud: RunningCloud) -> Any:
    with cloud.client(READ) as client:
        return client.get("/api/v1/nodes").json()["nodes"][0]["health"]


def test_settings_reach_the_node_and_go_again(cloud: RunningCloud, node: Node) -> None:
    assert not node.file.exists()
    give(cloud, "all", "log: {level: debug}\nlimits: {body: 512KiB}")
    give(cloud, "group:g", "log: {level: warn}")
    give(cloud, "group:other", "log: {level: error}")
    node.beat()
    found = node.in_force()
    assert (found.log.level, found.limits.body_bytes) == ("warn", 512 * 1024)
    give(cloud, f"node:{node.node_id}", "log: {level: error}")
    node.beat()
    assert node.in_force().log.level == "error"
    for scope in ("all", "group:g", f"node:{node.node_id}"):
        give(cloud, scope, "")
    node.beat()
    assert node.in_force() == node.settings
    node.beat()
    assert (health(cloud)["settings_serial"], health(cloud)["settings_problem"]) == (7, "")


def test_unchanged_settings_are_not_sent_again(cloud: RunningCloud, node: Node) -> None:
    give(cloud, "all", "log: {level: debug}")
    node.beat()
    kept = node.file.stat()
    node.beat()
    again = CloudSettings(node.settings, node.client)
    again.look()
    assert node.file.stat() == kept and again.describe() == {"serial": 1, "problem": ""}


def test_settings_that_contradict_the_node_are_refused_and_told(cloud: RunningCloud, tmp_path: Path) -> None:
    node = Node(cloud, tmp_path / "n")
    give(cloud, "all", "shedding: {high_water: 0.5}")
    node.beat()
    node.beat()
    assert node.in_force().shedding.high_water == 0.5
    tight = Settings(supervisor=node.settings.supervisor, spool=node.settings.spool.__class__(segment_bytes=900 << 20))
    node.pushed = CloudSettings(tight, node.client)
    give(cloud, "all", "spool: {quota: 1GiB}")
    node.beat()
    node.beat()
    assert "spool.segment" in health(cloud)["settings_problem"]
    assert node.in_force().shedding.high_water == 0.5


def signed(key: Ed25519PrivateKey, document: SettingsDocument) -> tuple[bytes, str]:
    payload = encode_settings(document)
    return payload, base64.b64encode(key.sign(signed_settings_bytes(payload))).decode()


def test_settings_of_another_key_node_or_time_are_not_taken(cloud: RunningCloud, node: Node) -> None:
    ours, theirs = signing_key(cloud.service.database), Ed25519PrivateKey.generate()
    pinned = base64.b64encode(ours.public_key().public_bytes_raw()).decode()
    good = SettingsDocument(3, "me", (("all", "log: {level: debug}"),))
    assert verified_settings(*signed(ours, good), '"a"', pinned, "me").document == good
    with pytest.raises(UnsoundRulesError, match="another node"):
        verified_settings(*signed(ours, good), '"a"', pinned, "you")
    with pytest.raises(UnsoundRulesError, match="signature"):
        verified_settings(*signed(theirs, good), '"a"', pinned, "me")
    with pytest.raises(UnsoundRulesError, match="no signed settings"):
        verified_settings(b"{}", "x", '"a"', pinned, "me")
    node.pushed._serial = 99
    give(cloud, "all", "log: {level: debug}")
    node.beat()
    assert "older than settings 99" in str(node.pushed.describe()["problem"]) and not node.file.exists()


def test_node_without_a_key_gets_it_and_takes_what_is_signed(cloud: RunningCloud, tmp_path: Path, node: Node) -> None:
    file = node.file.parents[1] / "node.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps(known | {"rules_key": ""}))
    give(cloud, "all", "log: {level: debug}")
    old = Node(cloud, node.file.parents[1])
    old.beat()
    assert old.in_force().log.level == "debug"
    assert json.loads(file.read_text()) == known


BAD = {
    "no scope": ("everyone", "log: {level: debug}", "accepted: all, group:NAME"),
    "no node": ("node:" + "0" * 32, "log: {level: debug}", "accepted: all, group:NAME"),
    "no such key": ("all", "cloud: {token: x}", "cloud.token"),
    "no value": ("all", "log: {level: loud}", "accepted: `debug`"),
}


@pytest.mark.parametrize(("scope", "text", "said"), BAD.values(), ids=BAD.keys())
def test_settings_that_a_node_would_refuse_are_not_kept(
    lasting_cloud: RunningCloud, scope: str, text: str, said: str
) -> None:
    with pytest.raises(BadSettings, match=said):
        give(lasting_cloud, scope, text)
    with lasting_cloud.client(ADMIN) as admin:
        answer = admin.put("/api/v1/node-settings", json={"scope": scope, "text": text})
    assert answer.status_code == 400 and said.split(":", maxsplit=1)[0] in answer.json()["detail"]
    assert list_settings(lasting_cloud.service.database) == (0, [])


def test_who_changed_what_is_in_the_log_and_only_administrators_do(cloud: RunningCloud) -> None:
    wish = {"scope": "all", "text": "log: {level: debug}"}
    with cloud.client(ANALYST) as analyst, cloud.client(ADMIN) as admin:
        assert analyst.put("/api/v1/node-settings", json=wish).status_code == 403
        assert admin.put("/api/v1/node-settings", json=wish).status_code == 204
        assert admin.put("/api/v1/node-settings", json=wish).status_code == 204
        shown = analyst.get("/api/v1/node-settings").json()
        admin.put("/api/v1/node-settings", json=wish | {"text": ""})
    assert (shown["serial"], shown["settings"][0]["changed_by"]) == (1, "token test admin")
    rows = list_audit(cloud.service.database, AuditFilter(action="settings"), 9)
    assert [(row.object, row.details["before"], row.details["after"]) for row in rows] == [
        ("all", "log: {level: debug}", ""),
        ("all", "", "log: {level: debug}"),
    ]


def test_each_node_gets_its_own_and_says_so_by_its_tag(cloud: RunningCloud, node: Node, tmp_path: Path) -> None:
    other = Node(cloud, tmp_path / "o", group="")
    other.beat()
    give(cloud, f"node:{node.node_id}", "log: {level: debug}")
    mine, theirs = (signed_settings(cloud.service.database, one.node_id) for one in (node, other))
    assert [scope for scope, _ in decode_settings(mine.payload).layers] == [f"node:{node.node_id}"]
    assert decode_settings(theirs.payload).layers == () and mine.etag != theirs.etag
    assert signed_settings(cloud.service.database, node.node_id).etag == mine.etag


HUGE = {"capture_packets": 10**30, "capture_bytes": -(10**30), "deep": {"list": [2**64, 1.5, True, None, "x"]}}


def test_counters_beyond_64_bits_raise_nothing(cloud: RunningCloud, node: Node) -> None:
    with cloud.client(READ) as reader:
        for stats in (HUGE, HUGE | {"worker_exchanges": 2**80, "coverage": 2**70, "exporter_backlog": 2**63}):
            for _ in range(3):
                node.client.heartbeat(json.loads("{}"))
                credential = json.loads((node.file.parents[1] / "node.json").read_text())
                with cloud.client(f"{credential['node_id']}.{credential['secret']}") as raw:
                    answer = raw.post(
                        "/api/v1/nodes/heartbeat",
                        content=json.dumps({"stats": stats}),
                        headers={"Content-Type": "application/json"},
                    )
                assert answer.status_code == 204, answer.text
        shown = reader.get("/api/v1/nodes")
        assert shown.status_code == 200 and shown.json()["nodes"][0]["health"]["packets"] == 2**63 - 1
        assert reader.get("/api/v1/summary").status_code == 200
