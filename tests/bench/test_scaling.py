"""The simulation is limited by what is slowest in it."""

from __future__ import annotations

import pytest

from bench.scaling import ATTACKS_IN, Costs, Simulated, simulated


@pytest.mark.parametrize(
    ("costs", "captures", "workers", "rate", "busy"),
    [
        (Costs([1e-6], [10e-6], 0.0, 0.0), 1, 1, 100_000, "worker"),
        (Costs([1e-6], [10e-6], 0.0, 0.0), 1, 4, 400_000, "worker"),
        (Costs([1e-6], [10e-6], 0.0, 0.0), 1, 32, 1_000_000, "capture"),
        (Costs([1e-6], [10e-6], 0.0, 0.0), 2, 32, 2_000_000, "capture"),
        (Costs([1e-6], [1e-6], ATTACKS_IN * 4e-6, 0.0), 4, 16, 250_000, "exporter"),
    ],
    ids=["one worker", "four workers", "one capture", "two captures", "the exporter"],
)
def test_the_slowest_decides(costs: Costs, captures: int, workers: int, rate: float, busy: str) -> None:
    run: Simulated = simulated(costs, captures, workers)
    assert run.rate == pytest.approx(rate, rel=0.03)
    assert getattr(run, busy) == pytest.approx(1.0, abs=0.03)
