"""Each process is killed while attacks flow: the sensor comes back, and what it had reported or queued is there."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.network import wait_until
from tests.live.bed import SERVER, Bed, bed
from tests.live.configurations import V3
from tests.live.sensor import Sensor, running
from tests.live.visits import Stream

pytestmark = pytest.mark.live

RECOVERY_S = 20.0
# process -> seconds before the kill and before the recovery within which what was sent may be lost: None, nothing may.
# A capture that is dead sees nothing; a worker loses the messages it held. Exporter and cloud hold nothing of their own.
KILLED: dict[str, float | None] = {"capture-0": 1.0, "worker-0": 1.0, "exporter-0": None, "cloud-0": None}


@pytest.fixture
def scene(artefacts: Path) -> Iterator[tuple[Bed, Sensor]]:
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", V3) as sensor:
        yield ground, sensor


def await_recovery(sensor: Sensor, name: str, pid: int, restarts: int) -> None:
    """Return when the process of that name runs again under another pid, its restart counted, and the sensor is ready."""

    def recovered() -> bool:
        process = sensor.processes()[name]
        return process["restarts"] == restarts + 1 and process["pid"] not in (0, None, pid) and sensor.is_ready()

    wait_until(recovered, f"{name} runs again", RECOVERY_S, 0.3)


def exchanges(sensor: Sensor) -> int:
    """Return how many exchanges the sensor has counted; a moment after the last one the count is there."""
    return int(sensor.metrics().total("tcpmirror_worker_exchanges_total"))


@pytest.mark.parametrize("name", KILLED)
def test_killed_process_comes_back_and_nothing_reported_is_lost(name: str, scene: tuple[Bed, Sensor]) -> None:
    ground, sensor = scene
    with Stream(ground) as stream:
        wait_until(lambda: len(stream.sent) >= 30, "the stream flows")
        sensor.await_seen(stream.uris())
        before, restarts = sensor.hit_uris(), sensor.processes()[name]["restarts"]
        killed = time.monotonic()
        pid = sensor.kill(name)
        await_recovery(sensor, name, pid, restarts)
        recovered = time.monotonic()
        wait_until(lambda: len(stream.uris(recovered)) >= 60, "the stream goes on after the recovery")
        stream.stop()
    excused = KILLED[name]
    sent = stream.uris()
    spared = sent if excused is None else stream.uris(recovered) | (sent - stream.uris(killed - excused))
    sensor.await_seen(spared | before)
    assert exchanges(sensor) >= len(sensor.hit_uris())  # no count starts anew with its process


def test_exchange_under_way_in_a_killed_worker_is_not_silently_gone(scene: tuple[Bed, Sensor]) -> None:
    ground, sensor = scene
    body = b"x" * 4000 + b"../../../../etc/passwd"
    request = b"POST /api/v1/notes HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    before = traces(sensor)
    segments = sensor.metrics().total("tcpmirror_worker_segments_total")
    with ground.client.entered():
        connection = socket.create_connection((SERVER, 80), 10.0)
    with connection:
        connection.sendall(request[:2000])
        wait_until(
            lambda: sensor.metrics().total("tcpmirror_worker_segments_total") >= segments + 4, "half a request read", 5.0
        )
        for name in ("worker-0", "worker-1"):
            restarts = sensor.processes()[name]["restarts"]
            await_recovery(sensor, name, sensor.kill(name), restarts)
        connection.sendall(request[2000:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    wait_until(lambda: traces(sensor) > before, "the cut exchange in some counter", 15.0, 0.2)


def traces(sensor: Sensor) -> int:
    """Return the sum of what may tell of an exchange that was seen in part."""
    scrape = sensor.metrics()
    names = ("response_only", "unanswered", "not_http_bytes", "http_errors", "gap_bytes")
    return int(sum(scrape.total(f"tcpmirror_worker_{name}_total") for name in names))


def test_cloud_that_answers_nothing_for_a_while_gets_everything_afterwards(scene: tuple[Bed, Sensor]) -> None:
    ground, sensor = scene
    sensor.kill("cloud-0", signal.SIGSTOP)
    try:
        with Stream(ground) as stream:
            wait_until(lambda: len(stream.sent) >= 120, "attacks while the cloud is away", 30.0)
    finally:
        sensor.kill("cloud-0", signal.SIGCONT)
    sensor.await_seen(stream.uris())


def test_cloud_killed_again_and_again_gets_everything_once(scene: tuple[Bed, Sensor]) -> None:
    ground, sensor = scene
    with Stream(ground) as stream:
        for _ in range(3):
            restarts = sensor.processes()["cloud-0"]["restarts"]
            pid = sensor.kill("cloud-0")
            await_recovery(sensor, "cloud-0", pid, restarts)
        stream.stop()
    sensor.await_seen(stream.uris())
    requests = [hit["request_id"] for hit in sensor.hits() if hit["type"] == "ptrav"]
    assert len(requests) == len(set(requests))
