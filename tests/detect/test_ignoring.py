"""Ignored findings: each condition alone and together, exactly that rule at that point, nothing lost without a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.ignoring import EXPERIMENTAL, IGNORED_LIMIT, Ignoring, Requester
from tcpmirror.detect.pack import examine_pack, load_pack, read_pack
from tcpmirror.errors import SettingsError
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.processes.detection import detector_of
from tcpmirror.settings.tree import Ignore, Inspection, ProxyHeaders, Settings
from tests.detect.conftest import CACHE
from tests.detect.requests import request

SQLI = Finding("sqli", ("post", "json_doc", "hash", "user", "hash", "name"), "x", "sqli-union-select", 0.9)
HEADER = Finding("xss", ("header", "REFERER"), "x", "xss-script", 0.9)
NAMELESS = Finding("ptrav", ("uri",), "x", "ptrav-dots", 0.9)
WHO = Requester("Shop.Example:8080", "10.1.2.3")

# id -> (conditions, finding, is it ignored?)
CONDITIONS: dict[str, tuple[dict[str, Any], Finding, bool]] = {
    "a rule": ({"rules": ("sqli-union-select",)}, SQLI, True),
    "rules by a glob": ({"rules": ("other", "sqli-*")}, SQLI, True),
    "another rule": ({"rules": ("sqli-union",)}, SQLI, False),
    "a type": ({"types": ("xss", "sqli")}, SQLI, True),
    "another type": ({"types": ("xss",)}, SQLI, False),
    "a host, without case and port": ({"host": "shop.example"}, SQLI, True),
    "a host by a glob": ({"host": "*.example"}, SQLI, True),
    "another host": ({"host": "*.other.example"}, SQLI, False),
    "a part of the host's name": ({"host": "shop"}, SQLI, False),
    "a path": ({"path": "/a/b"}, SQLI, True),
    "a path by a glob": ({"path": "/a/*"}, SQLI, True),
    "a path by an expression": ({"path": "~ ^/a/.$"}, SQLI, True),
    "a part of the path": ({"path": "/a"}, SQLI, False),
    "another path": ({"path": "~ ^/c"}, SQLI, False),
    "a point": ({"point": "post.json_doc"}, SQLI, True),
    "a point as findings show it": ({"point": "[post][json_doc][hash][user]"}, SQLI, True),
    "a point with any part": ({"point": "post.*.hash.user"}, SQLI, True),
    "another point": ({"point": "get"}, SQLI, False),
    "a point below the finding's": ({"point": "uri.x"}, NAMELESS, False),
    "a header without case": ({"point": "header.referer"}, HEADER, True),
    "a parameter": ({"parameter": "name"}, SQLI, True),
    "a parameter by an expression": ({"parameter": "~ ^n"}, SQLI, True),
    "a parameter further out": ({"parameter": "user"}, SQLI, False),
    "a parameter where none is": ({"parameter": "?*"}, NAMELESS, False),
    "a network": ({"networks": ("192.0.2.0/24", "10.1.0.0/16")}, SQLI, True),
    "another network": ({"networks": ("10.2.0.0/16",)}, SQLI, False),
    "a network of the other family": ({"networks": ("2001:db8::/32",)}, SQLI, False),
    "all conditions": ({"types": ("sqli",), "host": "shop.*", "path": "/a/*", "parameter": "name"}, SQLI, True),
    "all conditions but one": ({"types": ("sqli",), "host": "shop.*", "path": "/b/*", "parameter": "name"}, SQLI, False),
}


@pytest.mark.parametrize(("conditions", "finding", "expected"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_finding_is_ignored_where_all_conditions_hold(
    conditions: dict[str, Any], finding: Finding, expected: bool
) -> None:
    sieve = Ignoring([Ignore("mine", **conditions)], lambda exchange: WHO).of(request(b"GET", b"/a/b?c=/x"))
    assert sieve.passes(finding) is not expected
    assert [(item.finding, item.by) for item in sieve.ignored] == ([(finding, "mine")] if expected else [])


def test_what_is_kept_of_ignored_findings_is_bounded_and_each_once() -> None:
    sieve = Ignoring([Ignore("all", types=("sqli",))], lambda exchange: WHO).of(request(b"GET", b"/"))
    for number in range(2 * IGNORED_LIMIT):
        for _ in range(2):
            assert not sieve.passes(Finding("sqli", ("get", str(number)), "", "rule", 0.9))
    assert len({item.finding.point for item in sieve.ignored}) == len(sieve.ignored) == IGNORED_LIMIT


def detector(*ignores: Ignore, **inspection: Any) -> Detector:
    return detector_of(load_pack(), Settings(inspection=Inspection(ignore=ignores, **inspection)), CACHE)


ATTACK = request(b"GET", b"/find?page=1&q=1%27%20union%20select%20password,2%20from%20users--%20")


def test_a_rule_ignored_at_a_point_leaves_the_word_to_the_others() -> None:
    (found,) = detector().inspect(ATTACK)
    without = detector(Ignore("mine", rules=(found.rule,)))
    (other,) = without.inspect(ATTACK)
    assert (other.type, other.point) == (found.type, found.point)
    assert other.rule != found.rule
    assert [(item.by, item.finding.rule) for item in without.ignored] == [("mine", found.rule)]


def test_what_was_ignored_is_told_of_the_last_exchange_only() -> None:
    one = detector(Ignore("mine", types=("sqli",), parameter="q"))
    assert one.inspect(ATTACK) == []
    assert {item.by for item in one.ignored} == {"mine"}
    assert one.inspect(request(b"GET", b"/find?q=shoes")) == []
    assert one.ignored == []


def test_other_parameters_are_judged_as_before() -> None:
    one = detector(Ignore("mine", types=("sqli",), parameter="page"))
    assert one.inspect(ATTACK) == detector().inspect(ATTACK)
    assert one.ignored == []


def test_what_no_pattern_found_can_be_ignored() -> None:
    smuggling = request(b"POST", b"/static/x.js", b"", b"GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n")
    found = detector().inspect(smuggling)
    assert found
    one = detector(Ignore("mine", types=tuple({finding.type for finding in found})))
    assert one.inspect(smuggling) == []
    assert set(found) <= {item.finding for item in one.ignored}


def test_networks_are_those_of_the_real_address() -> None:
    trust = (ProxyHeaders(real_ip=("X-Real-IP",)),)
    one = detector(Ignore("scanner", types=("sqli",), networks=("192.0.2.0/24",)), proxy_headers=trust)
    target = ATTACK.request.target if ATTACK.request else b""

    def asked(address: bytes) -> Exchange:
        return request(b"GET", target, b"X-Real-IP: " + address + b"\r\n")

    assert one.inspect(asked(b"192.0.2.7")) == []
    assert one.inspect(asked(b"198.51.100.7")) != []


OWN = """type: sqli
rules:
  - {id: own-word, title: x, confidence: 0.9, patterns: [trial-marker], experimental: %s,
     examples: {match: [trial-marker], no_match: [x]}}
  - {id: own-weak, title: x, confidence: 0.5, patterns: [weak-marker], examples: {match: [weak-marker], no_match: [x]}}
  - {id: own-help, title: x, confidence: 0.5, patterns: [help-marker], experimental: %s,
     examples: {match: [help-marker], no_match: [x]}}
"""


@pytest.mark.parametrize("tried", ["true", "false"])
def test_an_experimental_rule_is_counted_and_has_no_part_in_what_others_say(tried: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN % (tried, tried))
    one = detector_of(load_pack(tmp_path), Settings(), CACHE)
    wanted = {"trial": "own-word", "weak-marker help": "own-weak", "1' union select 1,2-- trial": "sqli-union-select"}
    for value, rule in wanted.items():
        asked = request(b"GET", b"/?q=" + quote(f"{value}-marker").encode())
        found = {finding.rule for finding in one.inspect(asked)}
        is_there = tried == "false" or rule.startswith("sqli")
        assert (rule in found or (is_there and "own-word" in found)) is is_there
        assert bool(one.ignored) == (tried == "true" and "trial" in value)
        assert {item.by for item in one.ignored} <= {EXPERIMENTAL}


PACK = "ignore:\n  - name: mine\n    types: [sqli]\n    parameter: q\n"


def test_a_pack_may_hold_entries_alone_or_beside_rules() -> None:
    alone = read_pack("own.yaml", PACK)
    assert (alone.rules, alone.ignores) == ((), (Ignore("mine", types=("sqli",), parameter="q"),))
    rules = "type: sqli\nrules:\n  - {id: own-rule, title: x, confidence: 0.8, patterns: [union], "
    both = read_pack("own.yaml", rules + "examples: {match: [union], no_match: [x]}}\n" + PACK)
    assert ([rule.id for rule in both.rules], both.ignores) == (["own-rule"], alone.ignores)


BAD = {
    "no name": (PACK.replace("name: mine", "host: x"), "own.yaml:2: ignore[0].name"),
    "no condition": ("ignore: [{name: mine}]", "there is no condition"),
    "an unknown type": (PACK.replace("sqli", "sqly"), "ignore[0].types"),
    "an unknown key": (PACK.replace("parameter", "parametre"), "did you mean `parameter`?"),
    "a bad expression": (PACK.replace("parameter: q", "path: '~ ('"), "ignore[0].path"),
    "a bad glob": (PACK.replace("parameter: q", "host: 'a['"), "ignore[0].host"),
    "a bad point": (PACK.replace("parameter: q", "point: 'get..q'"), "ignore[0].point"),
    "a bad network": (PACK.replace("parameter: q", "networks: [10.0.0.0/40]"), "ignore[0].networks"),
    "no list": ("ignore: {name: x}", "own.yaml:1: ignore"),
    "nothing at all": ("{}", "own.yaml:1"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_bad_entry_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_pack("own.yaml", text)
    assert said in str(raised.value)
    assert examine_pack("own.yaml", text)[1]
