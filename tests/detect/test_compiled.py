"""Databases: cached by content, rebuilt when the cache is no good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcpmirror.detect.compiled import Expression, Matcher, Role, loosened

EXPRESSIONS = [Expression(b"^union$", 0, Role.SIGN, 0), Expression(b"select", 1, Role.SIGN, 0)]


def matches(matcher: Matcher, data: bytes) -> list[int]:
    found: list[int] = []
    matcher.scan(data, lambda index, start, end, flags, context: found.append(index))
    return found


def test_every_expression_is_told_once() -> None:
    matcher = Matcher(EXPRESSIONS, None)
    assert matches(matcher, b"SELECT select") == [1]
    assert matches(matcher, b"union") == [0]
    assert matches(matcher, b"") == []


def test_no_expressions_match_nothing() -> None:
    assert matches(Matcher([], None), b"x") == []


def test_the_cache_is_used_and_a_damaged_one_rebuilt(tmp_path: Path) -> None:
    Matcher(EXPRESSIONS, tmp_path)
    (file,) = tmp_path.glob("*.hs")
    whole = file.read_bytes()
    for damaged in (b"", whole[:-5], whole[:40] + b"\xff" + whole[41:], b"x" * len(whole)):
        file.write_bytes(damaged)
        assert matches(Matcher(EXPRESSIONS, tmp_path), b"select") == [1]
        assert file.read_bytes() == whole


def test_other_patterns_have_another_cache_file(tmp_path: Path) -> None:
    Matcher(EXPRESSIONS, tmp_path)
    Matcher(EXPRESSIONS[1:], tmp_path)
    assert len(list(tmp_path.glob("*.hs"))) == 2


def test_a_folder_that_cannot_be_written_only_costs_the_cache(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert matches(Matcher(EXPRESSIONS, blocked / "rules"), b"select") == [1]


LOOSENED = {
    "start and end": (b"^union$", b"?q=union HTTP", b"?q=reunion HTTP"),
    "behind a header's name": (b"^union$", b"X: union", b"a union"),
    "class with a caret": (b"a[^b]c", b"axc", b"abc"),
    "escaped": (rb"\^a\$", b"^a$", b"a"),
}


@pytest.mark.parametrize(("pattern", "inside", "outside"), LOOSENED.values(), ids=LOOSENED)
def test_loosened_patterns_match_a_value_among_others(pattern: bytes, inside: bytes, outside: bytes) -> None:
    matcher = Matcher([Expression(loosened(pattern), 0, Role.SIGN, 0)], None)
    assert matches(matcher, inside) == [0]
    assert matches(matcher, outside) == []
