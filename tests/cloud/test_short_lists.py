"""Rows of short lists are found by words, in any case, and stand in the order asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tcpmirror.cloud.short_lists import BUILT_IN, MASKS, TOKENS, Asked
from tcpmirror.detect.pack import load_pack


def token(number: int, name: str, used: int | None = None) -> SimpleNamespace:
    return SimpleNamespace(id=number, name=name, role="read", created_by="Ærøskøbing", last_used_ns=used)


ROWS = [token(1, "beta", 7), token(3, "Alpha"), token(2, "gamma", 9)]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (Asked(), ["Alpha", "gamma", "beta"]),
        (Asked(sort="name"), ["Alpha", "beta", "gamma"]),
        (Asked(sort="used"), ["gamma", "beta", "Alpha"]),
        (Asked("ALPHA"), ["Alpha"]),
        (Asked("ærøsk READ a", "name"), ["Alpha", "beta", "gamma"]),
        (Asked("read nobody"), []),
    ],
)
def test_rows_are_found_by_words_and_sorted(asked: Asked, names: list[str]) -> None:
    assert [row.name for row in TOKENS.chosen(ROWS, asked)] == names


def test_entries_are_found_by_what_is_in_them() -> None:
    mask = SimpleNamespace(id=1, name="pins", entry={"parameter": "secret", "classes": ["iban"]}, reason="", created_by="m")
    assert MASKS.chosen([mask], Asked("IBAN parameter")) == [mask]
    assert MASKS.chosen([mask], Asked("pan")) == []


def test_built_in_rules_are_found_by_the_name_of_their_type_and_sorted_by_severity() -> None:
    found = BUILT_IN.chosen(load_pack().rules, Asked("injection sql", "severity"))
    assert {"sqli"} <= {rule.type for rule in found}
    ranks = ["critical", "high", "medium", "low"]
    assert [rule.severity for rule in found] == sorted((rule.severity for rule in found), key=ranks.index)
