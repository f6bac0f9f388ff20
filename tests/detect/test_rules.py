"""Every example of every rule, as it stands and wrapped in the notations it could come in."""

from __future__ import annotations

import re

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.examples import run_examples
from tcpmirror.detect.pack import BUILT_IN, Rule, load_pack
from tests.detect.requests import PLACES

RULES = {rule.id: rule for rule in load_pack().rules}
REQUEST_RULES = [rule for rule in RULES.values() if rule.patterns and not rule.is_for_responses]


def test_there_are_rules_for_every_type_that_patterns_decide() -> None:
    types = {rule.type for rule in RULES.values()}
    expected = {"ptrav", "sqli", "xss", "rce", "nosqli", "ldapi", "ssti", "ssi", "xxe", "ssrf", "crlf", "redir"}
    assert types >= expected | {"mail_injection", "scanner", "infoleak"}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_examples_show_what_their_rule_says(detector: Detector, rule: Rule) -> None:
    outcomes = list(run_examples(detector, [rule]))
    assert len(outcomes) == len(rule.matching) + len(rule.harmless)
    assert [(outcome.example, outcome.problem) for outcome in outcomes if outcome.problem] == []


def test_every_rule_says_what_it_means(detector: Detector) -> None:
    for rule in RULES.values():
        assert len(rule.why) > 40, rule.id
        assert rule.references, rule.id
        assert rule.cwe or rule.capec, rule.id
        assert (rule.matching and rule.harmless) or rule.detector in ("limits", "answers"), rule.id


def test_what_is_computed_has_its_rules() -> None:
    source = "".join(file.read_text() for file in BUILT_IN.parent.glob("*.py"))
    told = set(re.findall(r'"((?:weak-token|sqli-error|data-bomb|overlimit|invalid-xml|gql)-[a-z-]+)"', source))
    assert len(told) >= 10
    assert told == {rule.id for rule in RULES.values() if rule.detector}


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
