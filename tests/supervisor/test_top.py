from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tcpmirror.errors import EnvironmentFault
from tcpmirror.supervisor.top import Sample, screen_of, top
from tests.supervisor.conftest import Sensor

Run = Callable[..., Sensor]


def shown(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=220)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


def status(packets: int, cpu_s: float, ring_full: int) -> dict[str, Any]:
    counters = {"packets": packets, "bytes": 0, "cpu_ns": int(cpu_s * 1e9), "rss_bytes": 1 << 25, "coverage_permille": 985}
    process = {"name": "capture-0", "kind": "capture", "state": "running", "restarts": 1, "drops": ring_full}
    return {
        "version": "0.1",
        "state": "running",
        "totals": dict.fromkeys(("packets", "exchanges", "attacks", "backlog", "drops"), packets),
        "losses": {"ring_full": ring_full},
        "slow_rules": [],
        "processes": [process | {"counters": counters, "rings": {}}],
    }


def worker_status(inspected: int, rings: dict[str, float]) -> dict[str, Any]:
    counters = {"cpu_ns": 0, "rss_bytes": 1 << 25, "exchanges": inspected, "inspected": inspected}
    counters |= {"detect_ns": inspected * 4_200, "tier2": inspected // 4}
    process = {"name": "worker-0", "kind": "worker", "state": "running", "restarts": 0, "drops": 0, "rings": rings}
    return status(0, 0.0, 0) | {"processes": [process | {"counters": counters}]}


def test_rates_are_those_between_two_looks() -> None:
    text = shown(screen_of(Sample(10.0, status(1000, 1.0, 0)), Sample(12.0, status(4000, 2.0, 10))))
    assert "1.5k packets/s" in text
    assert " 50 %" in text
    assert " 98.5 %" in text
    assert "ring_full 5/s" in text


def test_rings_and_the_cost_of_judging_are_those_of_each_worker() -> None:
    before, now = worker_status(0, {}), worker_status(1000, {"segments": 0.61, "reports": 0.02})
    text = shown(screen_of(Sample(0.0, before), Sample(1.0, now)))
    assert "61 % / 2 %" in text
    assert "4.2 us, 25 % in full" in text


def test_the_rules_that_time_went_to_between_two_looks_are_named_dearest_first() -> None:
    old = [{"rule": "rce-a", "cost_ns": 5_000_000_000, "requests": 900}]
    new = [
        {"rule": "rce-a", "cost_ns": 5_100_000_000, "requests": 1000},
        {"rule": "xss-b", "cost_ns": 1_000_000_000, "requests": 50},
    ]
    before, now = (worker_status(0, {}) | {"slow_rules": rows} for rows in (old, new))
    text = shown(screen_of(Sample(0.0, before), Sample(2.0, now)))
    assert text.index("xss-b 50.0 % of a core, 25/s of 20000 us") < text.index("rce-a 5.0 % of a core, 50/s of 1000 us")


def test_a_process_that_is_new_has_no_rates_yet() -> None:
    before = status(0, 0.0, 0) | {"processes": []}
    assert "0 packets/s" in shown(screen_of(Sample(0.0, before), Sample(1.0, status(4000, 2.0, 0))))


def test_a_running_sensor_is_shown(run_sensor: Run) -> None:
    sensor = run_sensor().ready()
    console = Console(file=io.StringIO(), width=160)
    top(sensor.directory, 0.05, rounds=2, console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for name in ("capture-0", "worker-0", "exporter-0"):
        assert name in text


def test_where_no_sensor_runs_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="does not answer"):
        top(tmp_path, 0.05, rounds=1)
