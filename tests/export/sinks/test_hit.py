from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.export.sinks.bodies import BODIES, cef, leef, severity
from tcpmirror.export.sinks.hit import Hit, flat_hit, json_bytes, split_endpoint, webhook_hit
from tcpmirror.export.sinks.selection import Selection
from tests.export.reports import EXAMPLE, SQLI


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    {"10.0.0.1:80": ("10.0.0.1", 80), "[2001:db8::1]:443": ("2001:db8::1", 443), "nonsense": ("nonsense", 0)}.items(),
)
def test_an_endpoint_has_an_address_and_a_port(endpoint: str, expected: tuple[str, int]) -> None:
    assert split_endpoint(endpoint) == expected


def test_a_hit_has_the_same_id_whenever_its_exchange_is_read(hits: list[Hit]) -> None:
    assert [hit.id for hit in hits] == [f"{EXAMPLE.id}-0", f"{EXAMPLE.id}-1", f"{7:032x}-0"]


def test_the_notification_has_the_keys_that_receivers_know(hits: list[Hit]) -> None:
    told = json.loads(json_bytes(webhook_hit(hits[0])))
    assert set(told) == {"summary", "details"}
    assert told["details"]["notification_type"] == "new_hits"
    hit = told["details"]["hit"]
    known = (
        "host heur_distance method path payloads point probability remote_country remote_port remote_addr4 remote_addr6 "
        "datacenter tor proxy_type request_time create_time response_len response_status response_time stamps regex "
        "stamps_hash regex_hash type block_status brute_counter final_wallarm_mode wallarm_mode libproton_version lom_id "
        "protocol request_id id object_type anomaly parameter applications"
    )
    assert set(hit) == set(known.split())
    expected = {
        "type": "sqli",
        "probability": 90,
        "remote_addr4": "10.0.0.1",
        "remote_addr6": None,
        "remote_port": 40000,
        "response_time": 2,
        "object_type": "hit",
        "point": ["post", "json_doc", "hash", "user"],
    }
    assert {name: hit[name] for name in expected} == expected


@pytest.mark.parametrize("body", BODIES)
@given(text=st.text(max_size=40))
def test_no_traffic_makes_a_second_line(body: str, text: str) -> None:
    report = replace(EXAMPLE, uri=text, host=text, findings=(replace(SQLI, payload=text, rule=text),))
    line = BODIES[body](Hit(report, 0), "0.1")
    assert len(line.splitlines()) == 1
    line.encode()


def test_cef_says_what_a_siem_asks_for() -> None:
    report = replace(EXAMPLE, uri="/a=b\\c|d\ne")
    line = cef(Hit(report, 0), "0.1")
    assert line.startswith("CEF:0|tcpmirror|tcpmirror|0.1|sqli|SQL injection|8|rt=1700000000000 src=10.0.0.1 spt=40000 ")
    assert " request=/a\\=b\\\\c|d\\ne " in line
    assert " cs2Label=rule cs2=sqli-101 " in line


def test_leef_has_its_fields_between_tabs() -> None:
    head, *fields = leef(Hit(EXAMPLE, 0), "0.1").split("\t")
    assert head == "LEEF:2.0|tcpmirror|tcpmirror|0.1|sqli|x09|devTime=Nov 14 2023 22:13:20.000"
    told = dict(field.split("=", 1) for field in fields)
    assert (told["src"], told["srcPort"], told["sev"], told["url"]) == ("10.0.0.1", "40000", "8", "/login")


def test_an_attack_that_worked_is_the_gravest(hits: list[Hit]) -> None:
    assert [severity(hit) for hit in hits] == [8, 10, 8]


SELECTIONS = {
    "everything": (Selection(), [0, 1]),
    "a type": (Selection(types=("xss",)), [1]),
    "sure ones": (Selection(confidence=0.95), []),
    "a host": (Selection(hosts=("*.EXAMPLE",)), [0, 1]),
    "a class of characters": (Selection(hosts=("[^t]hop.example",)), [0, 1]),
    "another host": (Selection(hosts=("*.org", "shop.example.org")), []),
}


@pytest.mark.parametrize(("selection", "taken"), SELECTIONS.values(), ids=SELECTIONS.keys())
def test_a_sink_gets_what_it_asks_for(hits: list[Hit], selection: Selection, taken: list[int]) -> None:
    assert [hit.index for hit in selection.hits(hits[0].report)] == taken


def test_a_lone_surrogate_is_written_as_its_escape(hits: list[Hit]) -> None:
    assert json.loads(json_bytes(flat_hit(hits[1])))["payload"].endswith("\\ud800")
