"""Three sensors receive the same mirror and share its flows: together they see everything, and nothing twice."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import pytest

from bench.client import exchange_all
from bench.network import Namespace, Network, network, run, wait_until
from tests.live.bed import SERVER, Bed, bed, copy_arriving
from tests.live.configurations import V4_RING
from tests.live.sensor import SEEN_S, Sensor, running
from tests.live.visits import numbered_attack, uri_of

pytestmark = pytest.mark.live

SENSORS = 3
CONNECTIONS = 60


@pytest.mark.slow
def test_three_sensors_see_each_attack_once(artefacts: Path) -> None:
    with bed("span", artefacts / "bed") as ground, network() as net, contextlib.ExitStack() as stack:
        sensors = [
            stack.enter_context(running(namespace, artefacts / f"sensor{index}", shard(index)))
            for index, namespace in enumerate(branches(net, ground))
        ]
        batches = [[numbered_attack(number)] for number in range(CONNECTIONS)]
        assert exchange_all(ground.client, (SERVER, 80), batches, 4) == CONNECTIONS
        wait_until(lambda: exchanges(sensors) == CONNECTIONS, "every exchange in one of the sensors", SEEN_S, 0.2)
        wait_until(lambda: len(uris(sensors)) == CONNECTIONS, "every attack in one of the clouds", SEEN_S, 0.2)
        assert uris(sensors) == Counter(uri_of(number) for number in range(CONNECTIONS)), "none is seen twice"
        assert all(Counter(sensor.hit_uris()) for sensor in sensors), "each has a share"
        for sensor in sensors:
            packets = next(ledger for ledger in sensor.status()["ledgers"] if ledger["unit"] == "packets")
            assert packets["difference"] == 0
            assert packets["reasons"]["other_shard"] > 0


def branches(net: Network, ground: Bed) -> list[Namespace]:
    """Hand what arrives at the bed's sensor port on to a machine for each sensor, and return them."""
    made = []
    for index in range(SENSORS):
        made.append(net.namespace(f"shard{index}"))
        net.cable((ground.sensor, f"out{index}"), (made[index], "mon0"))
    copy_arriving(ground.sensor, "mon0", [f"out{index}" for index in range(SENSORS)])
    run("ip", "-n", ground.sensor.name, "link", "set", "mon0", "promisc", "on")
    return made


def shard(index: int) -> str:
    return f"{V4_RING}shard: {{index: {index}, count: {SENSORS}, key: between us}}\n"


def exchanges(sensors: list[Sensor]) -> int:
    return sum(int(sensor.metrics().total("tcpmirror_worker_exchanges_total")) for sensor in sensors)


def uris(sensors: list[Sensor]) -> Counter[str]:
    return Counter(hit["uri"] for sensor in sensors for hit in sensor.hits())
