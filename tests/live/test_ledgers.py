"""Nothing is lost silently, live: the ledgers close while processes die, and what the mirror loses is estimated."""

from __future__ import annotations

import signal
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.client import Request, exchange_all
from bench.network import wait_until
from tests.live import bed as beds
from tests.live.bed import SERVER, Bed, bed
from tests.live.configurations import V4, V4_ANY, V4_FANOUT, V4_RING, V4_RING_TIGHT, V4_TIGHT
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


def kill_amid_traffic(ground: Bed, sensor: Sensor, victim: str) -> None:
    """Kill *victim* once exchanges are under way that go on for longer than its place stays empty."""
    answered = ground.answered()
    with ThreadPoolExecutor(1) as client:
        traffic = client.submit(lambda: [exchange_all(ground.client, (SERVER, 80), [[GET] * 20] * 10, 8) for _ in range(30)])
        wait_until(lambda: ground.answered() > answered + 100, "exchanges under way")
        sensor.kill(victim)
        traffic.result()


@pytest.mark.parametrize("configuration", ENGINES.values(), ids=ENGINES.keys())
def test_the_ledgers_close_whatever_dies(configuration: str, artefacts: Path) -> None:
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", configuration) as sensor:
        for victim in ("worker-0", "capture-0", None):
            exchange_all(ground.client, (SERVER, 80), [[GET] * 20] * 50, 8)
            assert {unit: ledger["difference"] for unit, ledger in ledgers(sensor).items()} == dict.fromkeys(
                ledgers(sensor), 0
            )
            if victim:
                kill_amid_traffic(ground, sensor, victim)
                wait_until(lambda: sensor.status()["state"] == "running", "a whole sensor", 60, 0.3)
        found = at_rest(sensor)
        assert all(ledger["difference"] == 0 for ledger in found.values())
        assert found["exchanges"]["analysed"] > 1000
        assert found["packets"]["reasons"].get("unwatched", 0) > 0, "what passed while capture was dead"
        scrape = sensor.metrics()
        for unit, ledger in found.items():
            assert scrape.total("tcpmirror_ledger_end", unit=unit) == scrape.total("tcpmirror_ledger_in", unit=unit)
            assert scrape.total("tcpmirror_ledger_in", unit=unit) >= ledger["in"]


# id -> configuration, faults on purpose, reason of the packets' ledger that must have occurred
# Where what follows a lost segment is lost too, the bytes between wait until their flow has been idle, by default for minutes.
IDLE_SOON = "limits: {flow_idle: 10s}\n"
WORLDS = {
    "three sockets share the flows": (V4_FANOUT, "", ""),
    "any interface": (V4_ANY, "", ""),
    "full rings": (V4 + IDLE_SOON, "ring-full=5%", "ring_full"),
    "gaps": (V4_RING + IDLE_SOON, "gap=5%", "simulated"),
    "little memory": (V4, "memory=64KiB", ""),
    "slow workers": (V4, "slow-worker=5ms", ""),
    "all faults": (V4_FANOUT + IDLE_SOON, "ring-full=2%,gap=2%,memory=1MiB,slow-worker=1ms", "simulated"),
}


@pytest.mark.parametrize(("configuration", "faults", "reason"), WORLDS.values(), ids=WORLDS.keys())
def test_the_ledgers_close_in_any_trouble(
    configuration: str, faults: str, reason: str, artefacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCPMIRROR_SIMULATE", faults)
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", configuration) as sensor:
        answered = exchange_all(ground.client, (SERVER, 80), [[GET] * 4] * 400, 16)
        found = at_rest(sensor)
        assert {unit: ledger["difference"] for unit, ledger in found.items()} == dict.fromkeys(found, 0)
        assert found["packets"]["in"] >= 6 * 400 + 2 * answered
        assert not reason or found["packets"]["reasons"].get(reason, 0) > 0
        if not faults:
            assert found["exchanges"]["in"] == answered
            sources = [page for page in sensor.processes().values() if page["kind"] == "capture"]
            assert all(page["counters"]["packets"] for page in sources)


BURSTS = {"libpcap": V4_TIGHT, "af_packet": V4_RING_TIGHT}


@pytest.mark.parametrize("configuration", BURSTS.values(), ids=BURSTS.keys())
def test_what_the_kernel_drops_is_in_the_ledger(configuration: str, artefacts: Path) -> None:
    """Capture stands still during a burst, with a buffer that is far too small for it."""
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", configuration) as sensor:
        exchange_all(ground.client, (SERVER, 80), [[GET] * 4] * 50, 8)
        sensor.kill("capture-0", signal.SIGSTOP)
        answered = exchange_all(ground.client, (SERVER, 80), [[GET] * 20] * 200, 8)
        sensor.kill("capture-0", signal.SIGCONT)
        exchange_all(ground.client, (SERVER, 80), [[GET] * 4] * 50, 8)
        found = at_rest(sensor)
        assert {unit: ledger["difference"] for unit, ledger in found.items()} == dict.fromkeys(found, 0)
        assert found["packets"]["reasons"]["kernel_drop"] > 0
        assert found["packets"]["in"] >= 2 * answered, "dropped ones count as come"


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


VLANS, VNI_LOST = (10, 20), 77
EVERY = {"VLAN 10": 100, "VLAN 20": 25, "VNI 77": 10}  # one segment in so many is lost
LABELS = {"VLAN 10": {"vlan": "10"}, "VLAN 20": {"vlan": "20"}, "VNI 77": {"vni": "77"}}


def in_vxlan(frame: bytes) -> bytes:
    """Return *frame* as a VXLAN packet of VNI 77 (RFC 7348), without a UDP checksum."""
    udp = struct.pack("!4HII", 50000, 4789, 16 + len(frame), 0, 8 << 24, VNI_LOST << 8) + frame
    fields = [0x4500, 20 + len(udp), 0, 0, 64 << 8 | 17, 0x0A5D, 1, 0x0A5D, 2]
    total = sum(fields)
    fields.insert(5, ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
    return frame[:12] + b"\x08\x00" + struct.pack("!10H", *fields) + udp


def in_vlan(vid: int, frame: bytes) -> bytes:
    return frame[:12] + struct.pack("!HH", beds.TAG_8021Q, vid) + frame[12:]


@dataclass
class Spread:
    """Puts each connection into one of three places, by its client's port, each with a loss of its own."""

    losing: dict[str, Losing]

    def __call__(self, frame: bytes) -> bytes:
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            return b""
        port = max(struct.unpack_from("!HH", frame, 14 + (frame[14] & 15) * 4))
        place = list(self.losing)[port % 3]
        kept = self.losing[place](frame)
        if not kept:
            return b""
        return in_vxlan(kept) if place == "VNI 77" else in_vlan(VLANS[port % 3], kept)


def test_what_each_vlan_and_vni_loses_is_estimated(artefacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spread = Spread({place: Losing(every) for place, every in EVERY.items()})
    monkeypatch.setitem(beds.TAGGINGS, "spread", spread)
    with bed("spread", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", V4) as sensor:
        exchange_all(ground.client, (SERVER, 80), [[GET] * 20] * 180, 8)
        at_rest(sensor)
        true = {place: losing.lost_bytes for place, losing in spread.losing.items()}
        estimates: dict[str, float] = {}

        def is_told() -> bool:
            scrape = sensor.metrics()
            name = "tcpmirror_mirror_lost_bytes_total"
            estimates.update({place: scrape.total(name, source="mon0", **labels) for place, labels in LABELS.items()})
            return all(estimates[place] > 0.9 * lost for place, lost in true.items())

        try:
            wait_until(is_told, "the estimates", 60, 1.0)
        finally:
            (artefacts / "places.txt").write_text(f"lost {true}, estimated {estimates}\n")
        assert all(lost > 1000 for lost in true.values())
        assert all(estimates[place] < 1.1 * lost for place, lost in true.items()), (estimates, true)
