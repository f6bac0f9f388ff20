from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from tcpmirror.cloud.audit import Actor
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ignore_rules import (
    BadEntry,
    NameTaken,
    checked_entry,
    create_rule,
    ignore_pack,
    list_rules,
    proposed_entry,
    remove_rule,
)
from tcpmirror.cloud.preview import preview
from tcpmirror.detect.pack import read_pack
from tests.cloud.running import MINUTE, NOON, finding, report
from tests.cloud.test_ingest import shown, store

MARIA = Actor("maria")
DAY = 1440 * MINUTE


def proposal(database: Database) -> dict[str, Any]:
    (attack,) = shown(database)
    entry = proposed_entry(database, attack.id)
    assert entry is not None
    return {name: value for name, value in asdict(entry).items() if value and name != "name"}


def test_narrowest_entry_names_rule_type_host_path_and_point(database: Database) -> None:
    store(database, "a", report(1, findings=[finding(rule="sqli-tautology")]))
    assert proposal(database) == {
        "rules": ("sqli-tautology",),
        "types": ("sqli",),
        "host": "shop.example",
        "path": "/items",
        "point": "[get][id]",
    }


ODD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "port of the host": ({"host": "shop.example:8080"}, {"host": "shop.example"}),
    "glob signs in the path": ({"uri": "/a*b?c"}, {"path": "/a[*]b"}),
    "no host": ({"host": None, "server": "[2001:db8::1]:80"}, {"host": None}),
    "brackets in the point": ({"findings": [finding(point=["post", "a[0]"])]}, {"point": "[post]"}),
    "rule of another shape": ({"findings": [finding(rule="no such id!")]}, {"rules": None}),
    "payload in the path": (
        {"findings": [finding(type="ptrav", point=["path", "1"])]},
        {"path": None, "point": "[path][1]"},
    ),
}


@pytest.mark.parametrize(("changes", "expected"), ODD.values(), ids=ODD.keys())
def test_odd_target_is_proposed_as_far_as_it_can_be_written(
    database: Database, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    store(database, "a", report(1, **changes))
    found = proposal(database)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("text", ["\x00\x1b[31m", "a: b\n- c", "'\"", "é\xff", "\u2028"])
def test_hostile_target_makes_no_entry_that_a_node_would_refuse(database: Database, text: str) -> None:
    store(database, "a", report(1, host=text, uri="/" + text, findings=[finding(point=["get", text], rule=text)]))
    (attack,) = shown(database)
    entry = proposed_entry(database, attack.id)
    assert entry is not None
    assert checked_entry(asdict(entry)) == entry


def test_proposal_silences_exactly_its_attack(database: Database) -> None:
    other = [finding(point=["get", "page"], rule="sqli-tautology")]
    mine = [finding(rule="sqli-tautology")]
    store(database, "a", report(1, findings=mine), report(2, findings=mine), report(3, findings=other))
    target = next(attack for attack in shown(database) if attack.parameter == "id")
    entry = proposed_entry(database, target.id)
    assert entry is not None
    looked = preview(database, entry, NOON - DAY)
    assert (looked.silenced, looked.attack_count, looked.is_whole) == (2, 1, True)
    assert [(one.row.id, one.silenced, one.hits) for one in looked.attacks] == [(target.id, 2, 2)]


PREVIEWS: dict[str, tuple[dict[str, Any], int]] = {
    "type": ({"types": ["sqli"]}, 3),
    "another type": ({"types": ["xss"]}, 0),
    "rule with a glob": ({"rules": ["sqli-*"]}, 3),
    "host with a glob": ({"host": "*.example"}, 3),
    "host with a port in traffic": ({"host": "shop.example"}, 3),
    "path by expression": ({"path": "~ ^/it"}, 3),
    "network": ({"networks": ["203.0.113.0/24"]}, 2),
    "network of nobody": ({"networks": ["192.0.2.0/24"]}, 0),
    "parameter": ({"parameter": "i*"}, 3),
    "all but one": ({"types": ["sqli"], "rules": ["sqli-one"]}, 2),
}


@pytest.mark.parametrize(("given", "silenced"), PREVIEWS.values(), ids=PREVIEWS.keys())
def test_preview_says_what_nodes_would_have_kept_to_themselves(
    database: Database, given: dict[str, Any], silenced: int
) -> None:
    one, two = finding(rule="sqli-one"), finding(rule="sqli-two")
    store(
        database, "a",
        report(1, findings=[one]), report(2, findings=[one], real_ip="not an address", host="shop.example:8080"),
        report(3, findings=[one, two]), report(4, findings=[one], time_ns=NOON - 8 * DAY),
    )  # fmt: skip
    looked = preview(database, checked_entry({"name": "test"} | given), NOON - 7 * DAY)
    assert looked.silenced == silenced


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no condition": ({"name": "a"}, "no condition"),
    "no name": ({"types": ["sqli"]}, "name"),
    "bad name": ({"name": "a b", "types": ["sqli"]}, "letters, digits"),
    "unknown type": ({"name": "a", "types": ["sqly"]}, "sqly"),
    "bad expression": ({"name": "a", "path": "~ ("}, "path"),
    "bad network": ({"name": "a", "networks": ["10.0.0.0/33"]}, "networks"),
    "unknown field": ({"name": "a", "types": ["sqli"], "colour": "red"}, "colour"),
}


@pytest.mark.parametrize(("given", "said"), BAD.values(), ids=BAD.keys())
def test_entry_that_nodes_would_refuse_is_refused_with_the_reason(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadEntry, match=said):
        checked_entry(given)


def test_pack_holds_every_entry_as_nodes_read_it(database: Database) -> None:
    with database.reading() as connection:
        assert ignore_pack(connection) == ""
    second = create_rule(database, {"name": "b", "path": "/é*", "types": ["xss"]}, "", None, MARIA, NOON)
    create_rule(database, {"name": "a", "networks": ["10.0.0.0/8"]}, "why", 17, MARIA, NOON)
    with database.reading() as connection:
        text = ignore_pack(connection)
    ignores = read_pack("cloud", text).ignores
    assert [(entry.name, entry.path, entry.networks) for entry in ignores] == [("a", "", ("10.0.0.0/8",)), ("b", "/é*", ())]
    assert [(row.name, row.reason, row.attack_id) for row in list_rules(database)] == [("a", "why", 17), ("b", "", None)]
    with pytest.raises(NameTaken):
        create_rule(database, {"name": "a", "types": ["xss"]}, "", None, MARIA, NOON)
    assert remove_rule(database, second, MARIA, NOON) and not remove_rule(database, second, MARIA, NOON)
    with database.reading() as connection:
        assert len(read_pack("cloud", ignore_pack(connection)).ignores) == 1
