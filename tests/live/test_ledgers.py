"""Nothing is lost silently, live: the ledgers close while processes die, and what the mirror loses is estimated."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.client import Request, exchange_all
from bench.network import wait_until
from tests.live import bed as beds
from tests.live.bed import SERVER, bed
from tests.live.configurations import V4, V4_RING
from tests.live.sensor import Sensor, running

pytestmark = pytest.mark.live

GET = Request(b"GET /api/v1/items/7 HTTP/1.1\r\nHost: shop.example\r\n\r\n", 200)
ENGINES = {"libpcap": V4, "af_packet": V4_RING}


def ledgers(sensor: Sensor) -> dict[str, dict[str, Any]]:
    return {ledger["unit"]: ledger for ledger in sensor.status()["ledgers"]}


def at_rest(sensor: Sensor) -> dict[str, dict[str, Any]]:
    """Return the ledgers once nothing waits and nothing is added any more."""
    before: list[Any] = []

    def is_still() -> bool:
        before.append(ledgers(sensor))
        return before[-2:-1] == before[-1:] and not any(ledger["waiting"] for ledger in before[-1].values())

    wait_until(is_still, "ledgers at rest", 60, 1.0)
    return dict(before[-1])


@pytest.mark.parametrize("configuration", ENGINES.values(), ids=ENGINES.keys())
def test_the_ledgers_close_whatever_dies(configuration: str, artefacts: Path) -> None:
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", configuration) as sensor:
        for victim in ("worker-0", "capture-0", None):
            exchange_all(ground.client, (SERVER, 80), [[GET] * 20] * 50, 8)
            assert {unit: ledger["difference"] for unit, ledger in ledgers(sensor).items()} == dict.fromkeys(
                ledgers(sensor), 0
            )
            if victim:
                sensor.kill(victim)
                exchange_all(ground.client, (SERVER, 80), [[GET] * 20] * 20, 8)
                wait_until(lambda: sensor.status()["state"] == "running", "a whole sensor", 60, 0.3)
        found = at_rest(sensor)
        assert all(ledger["difference"] == 0 for ledger in found.values())
        assert found["exchanges"]["analysed"] > 1000
        assert found["packets"]["reasons"].get("unwatched", 0) > 0, "what passed while capture was dead"
        scrape = sensor.metrics()
        for unit, ledger in found.items():
            assert scrape.total("tcpmirror_ledger_end", unit=unit) == scrape.total("tcpmirror_ledger_in", unit=unit)
            assert scrape.total("tcpmirror_ledger_in", unit=unit) >= ledger["in"]


@dataclass
class Losing:
    """Loses one in *every* of the IPv4 segments with payload, and adds up what they held."""

    every: int
    seen: int = 0
    lost_bytes: int = 0

    def __call__(self, frame: bytes) -> bytes:
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            return frame
        header = (frame[14] & 15) * 4
        payload = struct.unpack_from("!H", frame, 16)[0] - header - (frame[14 + header + 12] >> 4) * 4
        if payload <= 0:
            return frame
        self.seen += 1
        if self.seen % self.every:
            return frame
        self.lost_bytes += payload
        return b""


@pytest.mark.parametrize("every", [100, 20])
def test_what_the_mirror_loses_is_estimated(every: int, artefacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losing = Losing(every)
    monkeypatch.setitem(beds.TAGGINGS, "losing", losing)
    with bed("losing", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", V4) as sensor:
        exchange_all(ground.client, (SERVER, 80), [[GET] * 20] * 100, 8)
        at_rest(sensor)

        def estimate() -> float:
            return sensor.metrics().total("tcpmirror_mirror_lost_bytes_total", source="mon0")

        wait_until(lambda: estimate() > 0.9 * losing.lost_bytes, "the estimate", 60, 1.0)
        (artefacts / "estimate.txt").write_text(f"lost {losing.lost_bytes}, estimated {estimate():.0f}\n")
        assert losing.lost_bytes > 1000
        assert estimate() < 1.1 * losing.lost_bytes
