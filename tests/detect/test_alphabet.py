"""A pattern is left out of a search only where it cannot match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect.alphabet import can_match
from tcpmirror.detect.compiled import gate_expressions
from tcpmirror.detect.pack import load_pack
from tcpmirror.model.alphabet import ALPHABETS, ANY, PLAIN, PROSE, URL

BYTES = b"aB7 '<=\n"
ATOMS = st.sampled_from(
    [rb"a", rb"B", rb"\x27", rb"<", rb"=", rb"\w", rb"\W", rb"\s", rb"\d", rb".", rb"[^a<]", rb"[a-c=]", rb"\b", rb"^"]
)


def joined(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    sequences = st.lists(inner, min_size=1, max_size=3).map(b"".join)
    branches = st.lists(sequences, min_size=1, max_size=3).map(lambda parts: b"(?:" + b"|".join(parts) + b")")
    return st.tuples(branches, st.sampled_from([b"", b"?", b"*", b"+", b"{2}", b"{0,2}"])).map(b"".join)


PATTERNS = st.recursive(ATOMS, joined, max_leaves=8)


@given(PATTERNS, st.lists(st.sampled_from(BYTES), max_size=6).map(bytes))
def test_a_pattern_that_matches_a_text_can_match_in_the_bytes_of_the_text(pattern: bytes, text: bytes) -> None:
    if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
        assert can_match(pattern, frozenset(text))


CANNOT = {
    "a quote is none of the plain bytes": (rb"x\x27y", PLAIN),
    "both branches need a rare byte": (rb"(?:<a|b>)c", URL),
    "a repeat that must be there": (rb"a(?:;b){1,3}", URL),
    "a set of rare bytes": (rb"a[;<>]b", URL),
}


@pytest.mark.parametrize(("pattern", "alphabet"), CANNOT.values(), ids=CANNOT)
def test_a_pattern_that_needs_other_bytes_is_left_out(pattern: bytes, alphabet: frozenset[int]) -> None:
    assert not can_match(pattern, alphabet)


DOUBTFUL = {
    "a set by name": rb"[[:punct:]]",
    "a syntax that is not Python's": rb"\x{27}",
    "a group seen before": rb"(<?)\1",
}


@pytest.mark.parametrize("pattern", DOUBTFUL.values(), ids=DOUBTFUL)
def test_in_doubt_a_pattern_is_searched_for(pattern: bytes) -> None:
    assert can_match(pattern, PLAIN)


def test_each_alphabet_holds_the_one_before_and_needs_more_of_the_built_in_gates() -> None:
    assert ALPHABETS[-1] == ANY
    assert PROSE < PLAIN < URL < ANY
    gates = gate_expressions([rule for rule in load_pack().rules if not rule.is_for_responses])
    counts = [sum(can_match(item.pattern, alphabet) for item in gates) for alphabet in ALPHABETS]
    assert 0 < counts[0] < counts[1] < counts[2] < counts[3] == len(gates)
    assert counts[2] < len(gates) * 0.7
