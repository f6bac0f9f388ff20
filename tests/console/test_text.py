from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.console.text import counted, shortened, status_family, type_family, type_name, visible
from tcpmirror.model.attack import ATTACK_TYPES

SHOWN = {
    "plain": ("a b", "", "a b"),
    "accents": ("é", "", "é"),
    "line end": ("a\nb", "", "a\\x0ab"),
    "kept line end": ("a\nb\r", "\n", "a\nb\\x0d"),
    "escape": ("\x1b[2J", "", "\\x1b[2J"),
    "C1": ("\x9b", "", "\\x9b"),
    "soft hyphen": ("pass\xadword", "", "pass\\xadword"),
    "turned round": ("\u202egpj.exe", "", "\\u202egpj.exe"),
    "zero width": ("a\u200bb", "", "a\\u200bb"),
    "tag character": ("\U000e0041", "", "\\U000e0041"),
    "lone surrogate": ("\ud800", "", "\\ud800"),
}


@pytest.mark.parametrize(("text", "keep", "shown"), SHOWN.values(), ids=SHOWN.keys())
def test_what_draws_nothing_is_written_out(text: str, keep: str, shown: str) -> None:
    assert visible(text, keep) == shown


@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    assert not {unicodedata.category(character) for character in visible(text)} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(), st.integers(1, 20))
def test_short_is_short(text: str, limit: int) -> None:
    assert len(shortened(text, limit)) <= limit


def test_types_have_names_and_colours_also_those_of_later_versions() -> None:
    assert (type_name("sqli"), type_family("sqli")) == ("SQL injection", "injection")
    assert (type_name("not_known_yet"), type_family("not_known_yet")) == ("Not known yet", "other")
    assert all(type_name(kind) for kind in ATTACK_TYPES)


def test_numbers_and_codes() -> None:
    assert [counted(number, "hit") for number in (0, 1, 12345)] == ["0 hits", "1 hit", "12,345 hits"]
    assert [status_family(status) for status in (None, 200, 404, 99, 1000)] == ["s0", "s2", "s4", "s0", "s0"]
