"""No figure without a right result: what `prove` lets through, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from bench.measure import Run, WrongResultError, prove
from bench.traffic import FORMAT, Capture

CAPTURE = Capture("a.pcap", FORMAT, "a", exchanges=2000, findings={"ptrav": 2}, packets=4016, bytes=1)
RIGHT: dict[str, Any] = {"packets": 4016, "exchanges": 2000, "findings": {"ptrav": 2}, "losses": {}}


def test_exact_result_passes() -> None:
    prove(Run(1.0, 1.0, RIGHT), CAPTURE)


WRONG: dict[str, dict[str, Any]] = {
    "a packet too few": {"packets": 4015},
    "an exchange too many": {"exchanges": 2001},
    "no finding": {"findings": {}},
    "a finding too many": {"findings": {"ptrav": 3}},
    "a false finding": {"findings": {"ptrav": 2, "sqli": 1}},
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_result_gives_no_figures(case: str) -> None:
    with pytest.raises(WrongResultError, match=r"in a.pcap: .*; found: "):
        prove(Run(1.0, 1.0, RIGHT | WRONG[case]), CAPTURE)
