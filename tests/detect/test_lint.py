"""Lint: every problem of a pack at once, each with its place and what would be accepted."""

from __future__ import annotations

import pytest

from tcpmirror.detect.lint import lint_packs
from tcpmirror.detect.pack import load_pack

GOOD = """type: sqli
rules:
  - id: own-rule
    title: A rule
    confidence: 0.8
    patterns: ['union']
    examples: {match: [union], no_match: [onion]}
"""
SECOND = GOOD.partition("rules:\n")[2]
# id -> pack, key, line, part of the text, is it an error
REMARKS = {
    "bad pattern": (GOOD.replace("'union'", "'(union'"), "patterns", 3, "Missing close parenthesis", True),
    "pattern that takes nothing": (GOOD.replace("'union'", "'u*'"), "patterns", 3, "empty buffer", True),
    "back-reference": (GOOD.replace("'union'", r"'(a)\1'"), "patterns", 3, "Back-references", True),
    "unknown point": (GOOD + "    points: [query]\n", "points", 3, "no point begins with", True),
    "header in small letters": (GOOD + "    points: [header.referer]\n", "points", 3, "in capitals", True),
    "request and response": (GOOD + "    points: [get, response_body]\n", "points", 3, "one of the two", True),
    "only path segments": (GOOD + "    points: [path]\n", "points", 3, "Base64", False),
    "refuted by itself": (GOOD + "    must_not: [union]\n", "must_not", 3, "never counts", True),
    "ordinary values": (GOOD.replace("'union'", r"'\w+'"), "patterns", 3, "ordinary values", False),
    "wide repeat": (GOOD.replace("'union'", "'union.{0,300}x'"), "patterns", 3, "300 steps", False),
    "given twice": (GOOD + SECOND, "id", 8, "own.yaml:3", True),
    "the same twice": (GOOD + SECOND.replace("own-rule", "own-other"), "patterns", 8, "own-rule", False),
    "weak and alone": (GOOD.replace("0.8", "0.3").replace("sqli", "ssi"), "confidence", 3, "no finding", False),
    "unknown key": (GOOD + "    colour: red\n", "colour", 8, "unknown key", True),
    "reference that is none": (GOOD + "    references: [there]\n", "references", 8, "not accepted", True),
    "neither pattern nor detector": (GOOD.replace("    patterns: ['union']\n", ""), "patterns", 3, "not accepted", True),
    "unknown detector": (GOOD + "    detector: guess\n", "detector", 8, "not accepted", True),
}


@pytest.mark.parametrize(("pack", "key", "line", "text", "is_error"), REMARKS.values(), ids=REMARKS)
def test_remarks(pack: str, key: str, line: int, text: str, is_error: bool) -> None:
    remarks = lint_packs([("own.yaml", pack)])[1]
    found = [(remark.line, remark.is_error) for remark in remarks if remark.key.endswith(key) and text in remark.text]
    assert found == [(line, is_error)], remarks
    assert all(remark.accepted and remark.file == "own.yaml" for remark in remarks)


def test_all_problems_are_told_at_once() -> None:
    pack = GOOD.replace("title: A rule", "titel: x") + SECOND.replace("0.8", "8") + SECOND.replace("union'", "(union'")
    rules, remarks = lint_packs([("own.yaml", pack)])
    assert [remark.line for remark in remarks if remark.is_error] == [3, 10, 13]
    assert len(rules) == 1


def test_a_good_pack_has_no_remarks_and_neither_have_the_built_in_ones() -> None:
    assert lint_packs([("own.yaml", GOOD)])[1] == []
    rules = load_pack().rules
    assert lint_packs([("own.yaml", GOOD)], rules)[1] == []


def test_an_id_of_a_built_in_rule_is_taken() -> None:
    remarks = lint_packs([("own.yaml", GOOD.replace("own-rule", "sqli-union-select"))], load_pack().rules)[1]
    assert [(remark.key, remark.is_error) for remark in remarks] == [("sqli-union-select.id", True)]
