from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.cloud.search.grammar import LENGTH_LIMIT
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.search.tree import All, Any, Match, Pattern, Word
from tcpmirror.cloud.search.writing import completions, narrowed, term


@given(st.text(min_size=1, max_size=300).filter(lambda text: "\0" not in text))
def test_term_of_a_value_finds_just_that_value(value: str) -> None:
    tree = parse(term("domain", value), 0)
    assert isinstance(tree, Match) and isinstance(tree.values[0], Pattern)
    assert tree.values[0].literal == value


def test_what_is_no_address_is_looked_for_as_text() -> None:
    assert parse(term("ip", '<script>"'), 0) == Word('<script>"')
    assert term("ip", "::1") == "ip:::1"


def test_value_too_long_for_a_search_has_no_term() -> None:
    assert term("url", "/" * 301) == "" == term("url", "")


NARROWED = {
    "first": ("", "xss", "xss"),
    "another": ("sqli", "d:a", "sqli d:a"),
    "again": ("sqli d:a", "d:a", "sqli d:a"),
    "part of another": ("d:ab", "d:a", "d:ab d:a"),
    "alternatives": ("a OR b", "c", "(a OR b) c"),
    "not understood": ("a )", "c", "a ) c"),
    "too long": ("a" * LENGTH_LIMIT, "c", "a" * LENGTH_LIMIT),
}


@pytest.mark.parametrize(("search", "more", "joined"), NARROWED.values(), ids=NARROWED.keys())
def test_narrowed(search: str, more: str, joined: str) -> None:
    assert narrowed(search, more) == joined


def test_narrowed_alternatives_mean_both() -> None:
    assert parse(narrowed("a OR b", "c"), 0) == All((Any((Word("a"), Word("b"))), Word("c")))


def test_each_completion_is_a_search_once_it_has_a_value() -> None:
    for one in completions():
        if not one.text.endswith(":"):
            parse(one.text, 10**18)
