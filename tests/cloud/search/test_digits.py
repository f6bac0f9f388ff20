from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from tcpmirror.cloud.search.digits import digit_patterns

NUMBERS = st.integers(0, 2**63 - 1) | st.integers(0, 2_000)


def holds(number: int, patterns: list[str]) -> bool:
    return any(re.fullmatch(pattern, str(number)) for pattern in patterns)


@given(NUMBERS, NUMBERS, NUMBERS)
@example(1, 100, 100)
@example(0, 9, 0)
@example(100, 1, 50)
def test_patterns_hold_for_the_numbers_of_the_range_alone(low: int, high: int, number: int) -> None:
    patterns = digit_patterns(low, high)
    for each in (number, low, high, low - 1, high + 1):
        if each >= 0:
            assert holds(each, patterns) == (low <= each <= high)


@given(NUMBERS, NUMBERS)
def test_there_are_few_of_them(low: int, high: int) -> None:
    assert len(digit_patterns(low, high)) <= 60


def test_they_are_as_people_would_write_them() -> None:
    assert digit_patterns(1, 100) == ["[1-9]", "[1-9][0-9]", "100"]
