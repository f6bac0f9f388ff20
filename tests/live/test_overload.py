"""Overload on purpose: a sensor whose workers are too slow skips whole flows, says so, and tells nothing wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.client import Request, exchange_all
from bench.network import wait_until
from tests.live.bed import SERVER, bed
from tests.live.configurations import V4
from tests.live.sensor import Sensor, running
from tests.live.visits import numbered_attack, uri_of

pytestmark = [pytest.mark.live, pytest.mark.alone]

CONNECTIONS, EACH = 2500, 4
SMALL_RINGS = "limits: {segment_ring: 1MiB}\n"
GET = Request(b"GET /api/v1/items/7 HTTP/1.1\r\nHost: shop.example\r\n\r\n", 200)
TOLERANCE = 0.01  # coverage counts segments, and flows of this test differ by the acknowledgements that ride on data


def total(sensor: Sensor, kind: str, *names: str) -> int:
    pages = [process["counters"] for process in sensor.processes().values() if process["kind"] == kind]
    return sum(page[name] for page in pages for name in names)


def test_slow_workers_cost_whole_flows_and_nothing_else(artefacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request is an attack, so that the cloud names each flow that was analysed, and how much of it."""
    monkeypatch.setenv("TCPMIRROR_SIMULATE", "slow-worker=5ms")
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", V4 + SMALL_RINGS) as sensor:
        attacks = ([numbered_attack(EACH * flow + step) for step in range(EACH)] for flow in range(CONNECTIONS))
        assert exchange_all(ground.client, (SERVER, 80), attacks, 16) == CONNECTIONS * EACH
        counts: list[int] = []
        wait_until(lambda: is_taken(sensor, counts), "every packet captured", 20, 0.6)
        coverage = total(sensor, "capture", "coverage_permille") / 1000
        wait_until(lambda: is_drained(sensor, counts), "empty rings", 120, 1.0)
        assert [ledger["difference"] for ledger in sensor.status()["ledgers"]] == [0, 0, 0]
        assert total(sensor, "capture", "lost_shed") > 0
        assert total(sensor, "capture", "lost_ring_full", "kernel_dropped") == 0, (
            "nothing is lost out of the middle of a flow"
        )

        hits = hits_at_rest(sensor)
        flows = exchanges_by_flow(hits)
        (artefacts / "overload.txt").write_text(f"coverage {coverage:.3f}, flows {len(flows)} of {CONNECTIONS}\n")
        assert 0 < len(flows) < CONNECTIONS
        assert abs(coverage - len(flows) / CONNECTIONS) < TOLERANCE
        assert {hit["status"] for hit in hits} == {200}
        assert set(flows.values()) == {EACH}, "every flow that was taken is whole"
        assert total(sensor, "worker", "exchanges") == EACH * len(flows)
        assert total(sensor, "worker", "unanswered", "response_only", "gaps") == 0
        assert sensor.status()["losses"]["lost_shed"] > 0
        assert "slow-worker=5ms" in sensor.command("status").stdout
        assert_recovered(sensor, lambda: exchange_all(ground.client, (SERVER, 80), [[GET] * EACH] * 20, 2))


def exchanges_by_flow(hits: list[dict[str, Any]]) -> Counter[int]:
    """Return how many exchanges the cloud has of each flow, by the flow's number."""
    numbers = {uri_of(number): number for number in range(CONNECTIONS * EACH)}
    assert len(hits) == len({hit["uri"] for hit in hits}), "none comes twice"
    return Counter(numbers[hit["uri"]] // EACH for hit in hits)


def hits_at_rest(sensor: Sensor) -> list[dict[str, Any]]:
    """Return the cloud's hits once every report has come to it."""

    def are_there() -> bool:
        return total(sensor, "cloud", "reports") == total(sensor, "worker", "reports")

    wait_until(are_there, "the reports in the cloud", 60, 0.5)
    return sensor.hits()


def assert_recovered(sensor: Sensor, visit: Callable[[], int]) -> None:
    """A sensor that nobody overloads any more takes every flow again, step by step."""

    def is_whole() -> bool:
        before = total(sensor, "capture", "lost_shed")
        visit()
        page = sensor.processes()["capture-0"]["counters"]
        return not page["shed_threshold_permille"] and page["lost_shed"] == before and page["coverage_permille"] == 1000

    wait_until(is_whole, "a sensor that takes everything", 60, 1.0)


def is_taken(sensor: Sensor, before: list[int]) -> bool:
    """Whether capture has found no more packets since the last time."""
    before.append(total(sensor, "capture", "packets"))
    return before[-2:-1] == before[-1:]


def is_drained(sensor: Sensor, before: list[int]) -> bool:
    """Whether workers have taken every segment, and have found no more exchanges since the last time."""
    exchanges = total(sensor, "worker", "exchanges")
    is_still = before[-1:] == [exchanges]
    before.append(exchanges)
    return is_still and total(sensor, "capture", "segments") == total(sensor, "worker", "segments")
