"""Overload on purpose: a sensor whose workers are too slow skips whole flows, says so, and tells nothing wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.client import Request, exchange_all
from bench.network import wait_until
from tests.live.bed import SERVER, bed
from tests.live.configurations import V4
from tests.live.sensor import Sensor, running

pytestmark = pytest.mark.live

CONNECTIONS, EACH = 2500, 4
SMALL_RINGS = "limits: {segment_ring: 1MiB}\n"
GET = Request(b"GET /api/v1/items/7 HTTP/1.1\r\nHost: shop.example\r\n\r\n", 200)


def total(sensor: Sensor, kind: str, *names: str) -> int:
    pages = [process["counters"] for process in sensor.processes().values() if process["kind"] == kind]
    return sum(page[name] for page in pages for name in names)


def test_slow_workers_cost_whole_flows_and_nothing_else(artefacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCPMIRROR_SIMULATE", "slow-worker=5ms")
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", V4 + SMALL_RINGS) as sensor:
        answered = exchange_all(ground.client, (SERVER, 80), [[GET] * EACH] * CONNECTIONS, 16)
        assert answered == CONNECTIONS * EACH
        counts: list[int] = []
        wait_until(lambda: is_drained(sensor, counts), "empty rings", 120, 1.0)
        assert [ledger["difference"] for ledger in sensor.status()["ledgers"]] == [0, 0, 0]
        assert total(sensor, "capture", "lost_shed") > 0
        exchanges = total(sensor, "worker", "exchanges")
        assert 0 < exchanges < answered
        if not total(sensor, "capture", "lost_ring_full") and not total(sensor, "capture", "kernel_dropped"):
            assert exchanges % EACH == 0
            assert total(sensor, "worker", "unanswered", "response_only", "gaps") == 0
        assert sensor.status()["losses"]["lost_shed"] > 0
        assert "slow-worker=5ms" in sensor.command("status").stdout
        assert_recovered(sensor, lambda: exchange_all(ground.client, (SERVER, 80), [[GET] * EACH] * 20, 2))


def assert_recovered(sensor: Sensor, visit: Callable[[], int]) -> None:
    """A sensor that nobody overloads any more takes every flow again, step by step."""

    def is_whole() -> bool:
        before = total(sensor, "capture", "lost_shed")
        visit()
        page = sensor.processes()["capture-0"]["counters"]
        return not page["shed_threshold_permille"] and page["lost_shed"] == before and page["coverage_permille"] == 1000

    wait_until(is_whole, "a sensor that takes everything", 60, 1.0)


def is_drained(sensor: Sensor, before: list[int]) -> bool:
    """Whether workers have taken every segment, and have found no more exchanges since the last time."""
    exchanges = total(sensor, "worker", "exchanges")
    is_still = before[-1:] == [exchanges]
    before.append(exchanges)
    return is_still and total(sensor, "capture", "segments") == total(sensor, "worker", "segments")
