"""What the soak bench calls a fault."""

from __future__ import annotations

import pytest

from bench.soak import Row, problems

FAST = [0.05] * 99 + [0.6]
STEADY = [Row(FAST, 400, 90, 1000, 0), Row(FAST, 500, 92, 1000, 0), Row(FAST, 500, 91, 1000, 0), Row(FAST, 510, 92, 1000, 0)]

# id -> (rows, what is told)
CASES: dict[str, tuple[list[Row], str]] = {
    "slow findings": ([Row([0.3] * 100, 1, 1, 1, 0)], "latency"),
    "some findings very slow": ([Row([0.05] * 98 + [2.0] * 2, 1, 1, 1, 0)], "latency"),
    "no findings": ([Row([], 1, 1, 1, 0)], "no finding"),
    "skipped packets": ([Row(FAST, 1, 1, 1, 7)], "7 packets skipped"),
    "memory": ([*STEADY, Row(FAST, 600, 92, 1000, 0)], "memory grew from 500 to 600"),
    "files": ([*STEADY, Row(FAST, 500, 95, 1000, 0)], "open files grew from 92 to 95"),
}


def test_a_steady_run_has_no_fault() -> None:
    assert not list(problems(STEADY))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_grows_or_takes_long_is_told(case: tuple[list[Row], str]) -> None:
    rows, told = case
    (problem,) = problems(rows)
    assert problem.startswith(told)
