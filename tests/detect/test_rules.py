"""Every example of every rule, as it stands and wrapped in the notations it could come in."""

from __future__ import annotations

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.pack import Rule, load_pack
from tcpmirror.detect.verdict import THRESHOLD
from tcpmirror.model.exchange import Exchange, Response
from tests.detect.requests import PLACES, from_example

RULES = {rule.id: rule for rule in load_pack().rules}
REQUEST_RULES = [rule for rule in RULES.values() if not rule.is_for_responses]
RESPONSE_RULES = [rule for rule in RULES.values() if rule.is_for_responses]


def counting(detector: Detector, exchange: Exchange) -> set[str]:
    assert exchange.request is not None
    return {rule for _, rules in detector.explain(exchange.request) for rule in rules}


def test_there_are_rules_for_every_type_that_patterns_decide() -> None:
    types = {rule.type for rule in RULES.values()}
    expected = {"ptrav", "sqli", "xss", "rce", "nosqli", "ldapi", "ssti", "ssi", "xxe", "ssrf", "crlf", "redir"}
    assert types >= expected | {"mail_injection", "scanner", "infoleak"}


@pytest.mark.parametrize("rule", REQUEST_RULES, ids=lambda rule: rule.id)
def test_examples_that_match_count(detector: Detector, rule: Rule) -> None:
    for example in rule.matching:
        exchange = from_example(example)
        assert rule.id in counting(detector, exchange), example
        if rule.confidence >= THRESHOLD:
            assert rule.type in {finding.type for finding in detector.inspect(exchange)}, example


@pytest.mark.parametrize("rule", REQUEST_RULES, ids=lambda rule: rule.id)
def test_examples_that_must_not_match_are_left_alone(detector: Detector, rule: Rule) -> None:
    for example in rule.harmless:
        assert rule.id not in counting(detector, from_example(example)), example


@pytest.mark.parametrize("place", PLACES)
def test_the_first_tier_lets_through_whatever_the_full_path_flags(detector: Detector, place: str) -> None:
    tried = 0
    for rule in REQUEST_RULES:
        for example in (*rule.matching, *rule.harmless):
            if example.startswith((b"GET /", b"POST /")):
                continue
            exchange = PLACES[place](example)
            assert exchange.request is not None
            tried += 1
            if detector.judge_request(exchange.request):
                assert detector.is_suspect(exchange.request), (rule.id, example)
    assert tried > 300


@pytest.mark.parametrize("rule", RESPONSE_RULES, ids=lambda rule: rule.id)
def test_examples_of_response_rules(detector: Detector, rule: Rule) -> None:
    def found(body: bytes) -> set[str]:
        response = Response(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", body)
        return {finding.rule for finding in detector.inspect(Exchange(None, response))}

    for example in rule.matching:
        assert rule.id in found(b"<p>" + example + b"</p>"), example
    for example in rule.harmless:
        assert rule.id not in found(b"<p>" + example + b"</p>"), example
