"""Literals and families: what every match holds, so that a search without them misses nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.detect import factors
from tcpmirror.detect.alphabet import FAMILIES
from tcpmirror.detect.factors import LITERAL_BYTES, LITERALS, family, literals
from tests.detect.test_alphabet import PATTERNS

LED = {
    "a name": (rb"\bexec_sql\s*\(", [b"exec_sql"]),
    "letters' case": (rb"DocumentRoot", [b"documentroot"]),
    "either of two": (rb"a?(?:phpinfo|shell_exec)\(", [b"phpinfo(", b"shell_exec("]),
    "a set of few bytes": (rb"id_[rd]sa_key", [b"id_rsa_key", b"id_dsa_key"]),
    "in a repeat that must be there": (rb"(?:\.\./){2}x?", [b"../../"]),
    "the rarer one": (rb"the \w+ xp_cmdshell", [b" xp_cmdshell"]),
    "behind a flag for case": (b"(?-i)UHJvY2Vzc0J1", [b"uhjvy2vzc0j1"]),
}


@pytest.mark.parametrize(("pattern", "texts"), LED.values(), ids=LED)
def test_the_literals_of_a_pattern_are_of_its_rarest_part(pattern: bytes, texts: list[bytes]) -> None:
    found = literals(pattern)
    assert all(any(literal in text for literal in found) for text in texts)
    assert all(any(literal in text for text in texts) for literal in found)


NONE_OF = {
    "all common": rb"\bthe\b",
    "what every request says": rb"https?://\d+",
    "a branch without": rb"(?:xp_cmdshell|\d+)=",
    "a repeat that need not be there": rb"(?:xp_cmdshell)?\d",
    "a syntax that is not Python's": rb"\x{27}xp_cmdshell",
}


@pytest.mark.parametrize("pattern", NONE_OF.values(), ids=NONE_OF)
def test_a_pattern_without_rare_literals_has_none(pattern: bytes) -> None:
    assert not literals(pattern)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.lists(st.sampled_from(b"aB7 '<=\n"), max_size=6).map(bytes))
def test_a_text_that_a_pattern_matches_holds_one_of_its_literals_and_a_byte_of_its_family(
    pattern: bytes, text: bytes
) -> None:
    if re.search(pattern, text, re.IGNORECASE | re.DOTALL) is None:
        return
    found = factors._rarest(list(factors.tree_of(pattern) or ()))
    assert found is None or any(literal in text.lower() for literal in found)
    assert found is None or (len(found) <= LITERALS and max(map(len, found)) <= LITERAL_BYTES)
    assert family(pattern) == 0 or not FAMILIES[family(pattern)].isdisjoint(text)


FAMILY_OF = {
    "a quote": (rb"\x27\s*or", b"'"),
    "one of two sets, of one family": (rb"(?:\(a|b\))", b"("),
    "the rarer of two": (rb"\(\s*\$", b"$"),
    "a line": (rb"[\r\n]+to:", b"\n"),
}


@pytest.mark.parametrize(("pattern", "byte"), FAMILY_OF.values(), ids=FAMILY_OF)
def test_the_rarest_family_that_a_pattern_needs_is_found(pattern: bytes, byte: bytes) -> None:
    assert byte[0] in FAMILIES[family(pattern)]


@pytest.mark.parametrize("pattern", [rb"a|\(", rb"[\x27\(]", rb"\(?a"])
def test_a_pattern_that_can_do_without_a_family_has_none(pattern: bytes) -> None:
    assert family(pattern) == 0
