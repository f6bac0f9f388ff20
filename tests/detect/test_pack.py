"""Rule packs: what is right becomes rules, what is wrong is told with file, line and key."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tcpmirror.detect.compiled import check_rules
from tcpmirror.detect.pack import load_pack, read_rules
from tcpmirror.errors import SettingsError

GOOD = """type: sqli
rules:
  - id: own-rule
    title: A rule
    confidence: 0.8
    patterns: ['union']
    examples: {match: [union], no_match: [onion]}
"""
WRONG = {
    "not YAML": ("type: [", "(document)", 1),
    "unknown type": (GOOD.replace("sqli", "sqlx"), "type", 1),
    "no rules": ("type: sqli\n", "rules", 1),
    "bad id": (GOOD.replace("own-rule", "Own"), "id", 3),
    "no title": (GOOD.replace("    title: A rule\n", ""), "title", 3),
    "confidence too high": (GOOD.replace("0.8", "8"), "confidence", 5),
    "no patterns": (GOOD.replace("    patterns: ['union']\n", ""), "patterns", 3),
    "patterns of the wrong kind": (GOOD.replace("['union']", "[1]"), "patterns", 6),
    "unknown key": (GOOD.replace("title:", "titel: x\n    title:"), "titel", 4),
    "no examples": (GOOD[: GOOD.index("    examples")], "examples", 3),
    "no counterexample": (GOOD.replace(", no_match: [onion]", ""), "examples", 7),
    "bad key expression": (GOOD + "    keys: '('\n", "keys", 8),
}


@pytest.mark.parametrize(("text", "key", "line"), WRONG.values(), ids=WRONG)
def test_a_wrong_pack_is_refused_with_line_and_key(text: str, key: str, line: int) -> None:
    with pytest.raises(SettingsError) as caught:
        read_rules("own.yaml", text)
    assert key in caught.value.key
    assert caught.value.line == line
    assert caught.value.file == "own.yaml"


def test_defaults_of_a_rule() -> None:
    rule = read_rules("own.yaml", GOOD)[0]
    assert rule.type == "sqli"
    assert rule.severity == "high"
    assert rule.cwe == (89,)
    assert not rule.files


def test_a_pattern_that_hyperscan_refuses_names_its_rule() -> None:
    rules = read_rules("own.yaml", GOOD.replace("'union'", "'(?=x)y'"))
    with pytest.raises(SettingsError) as caught:
        check_rules(rules)
    assert caught.value.key == "own-rule.patterns"


def test_own_rules_stand_beside_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(GOOD)
    assert "own-rule" in {rule.id for rule in load_pack(tmp_path).rules}
    with pytest.raises(SettingsError, match="own-rule"):
        load_pack(tmp_path, tmp_path)


def test_a_missing_folder_is_told() -> None:
    with pytest.raises(SettingsError, match="rules_dir"):
        load_pack(Path("/nonexistent"))


@pytest.mark.parametrize("lead", range(3))
@pytest.mark.parametrize("tail", range(3))
def test_words_in_base64_are_found_at_every_offset(lead: int, tail: int) -> None:
    text = GOOD.replace("patterns: ['union']", "base64_words: [InvokerTransformer]")
    patterns = read_rules("own.yaml", text)[0].patterns
    coded = base64.b64encode(b"x" * lead + b"InvokerTransformer" + b"\xfe" * tail)
    assert any(pattern.removeprefix(b"(?-i)").replace(b"\\", b"") in coded for pattern in patterns)
