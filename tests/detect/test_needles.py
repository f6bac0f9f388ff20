"""What a text holds is told whatever its length and wherever it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect.alphabet import FAMILIES
from tcpmirror.detect.needles import families, holds_query

LENGTHS = (0, 1, 255, 256, 257, 5000)


def mask(text: bytes) -> int:
    return sum(1 << place for place, whole in enumerate(FAMILIES) if not whole.isdisjoint(text))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("lead", [b"", b"/"], ids=["plain before", "another byte before"])
@pytest.mark.parametrize("byte", sorted(frozenset().union(*FAMILIES)))
def test_a_byte_is_seen_wherever_it_stands(byte: int, lead: bytes, length: int) -> None:
    for text in (lead + b"a" * length + bytes((byte,)), lead + b"a" * length + bytes((byte,)) + b"b" * 300):
        assert families(text) == mask(text)


@given(st.lists(st.tuples(st.sampled_from(b'a ("<{\n/'), st.integers(1, 400)), max_size=8))
def test_the_families_of_a_text_are_those_of_its_bytes(runs: list[tuple[int, int]]) -> None:
    text = b"".join(bytes((byte,)) * length for byte, length in runs)
    assert families(text) == mask(text)


@given(st.lists(st.sampled_from([b"query", b"q", b"quer", b"uery", b"q" * 40, b" "]), max_size=8))
def test_a_query_is_seen_wherever_it_stands(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    assert holds_query(body) == (b"query" in body)
