from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from bench import schedules
from bench.schedules import REPORTS, run_schedule, steps


def test_a_schedule_is_made_from_its_seed_and_holds_every_report_once() -> None:
    for seed in range(50):
        first, again = list(steps(random.Random(seed))), list(steps(random.Random(seed)))
        assert first == again
        assert [number for _, numbers in first for number in numbers] == list(range(REPORTS))


@pytest.mark.parametrize("seed", [2, 7])
def test_each_report_is_stored_once_whatever_is_killed(seed: int) -> None:
    happened = run_schedule(seed)
    assert happened["exporter killed"] + happened["cloud killed"] > 0


def test_a_report_that_is_missing_fails_the_schedule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what has failed is kept
    given = schedules.Stage.report
    monkeypatch.setattr(schedules.Stage, "report", lambda stage, number: given(stage, number) if number != 5 else None)
    monkeypatch.setattr(schedules, "ENDS_WITHIN_S", 3.0)
    with pytest.raises(schedules.LostReportsError, match="not everything"):
        run_schedule(1)


def test_a_report_that_is_there_twice_fails_the_schedule() -> None:
    stored = Counter(f"{number:032x}" for number in range(REPORTS))
    schedules.check(stored, REPORTS, "sound")
    with pytest.raises(schedules.LostReportsError, match="hits"):
        schedules.check(stored + Counter({f"{0:032x}": 1}), REPORTS, "twice")
