"""`limits.memory` under traffic made to fill it: what all processes of a sensor take together stays within the figure.

Measured are proportional set sizes, in which a page that several processes share counts once, and kernel buffers do not count.
The tolerance is none: the shares of the processes hold room that the sum must not use up.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bench.network import wait_until
from tests.live.bed import bed
from tests.live.sensor import Sensor, running

pytestmark = [pytest.mark.live, pytest.mark.slow]

FIGURE_MIB: Final = 768
HALF_OPEN, ENDLESS = 300_000, 60_000
MIB: Final = 1 << 20

CONFIGURATION: Final = """
version: 3
mode: tcp-capture
goreplay:
  filter: '{pcap}'
  extra_args: [-input-raw-engine, pcap_file]
limits: {{memory: {figure}MiB}}
"""

HEAD: Final = b"POST /upload HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100000\r\n\r\n"
SERVER: Final = socket.inet_aton("10.9.0.1")
SYN, ACK = 2, 16


def segment(number: int, seq: int, flags: int, data: bytes = b"") -> bytes:
    """Return an Ethernet frame from the client of that number; no checksums, as a mirror of an offloading host has none."""
    client = struct.pack(">I", 0x0B000000 + number)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), number & 0xFFFF, 0, 64, 6, 0, client, SERVER)
    tcp = struct.pack(">HHIIBBHHH", 4000, 80, seq, flags >> 4, 0x50, flags, 65535, 0, 0)
    return b"\x02" * 12 + b"\x08\x00" + ip + tcp + data


def adversary() -> Iterator[bytes]:
    """Half-open connections, and requests whose bodies never end, each from a client of its own."""
    for number in range(HALF_OPEN):
        yield segment(number, 1000, SYN)
        if number % (HALF_OPEN // ENDLESS) == 0:
            yield segment(number, 1001, ACK, HEAD + b"a" * 1300)


def write_adversary(path: Path) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(adversary()):
            seconds, micros = divmod(number * 20, 1_000_000)
            file.write(struct.pack("<IIII", 1_700_000_000 + seconds, micros, len(frame), len(frame)) + frame)


def taken(sensor: Sensor, supervisor: int) -> int:
    """Return the sum of the proportional set sizes of all processes, in bytes."""
    pids = [supervisor, *(process["pid"] for process in sensor.status()["processes"])]
    return sum(proportional(pid) for pid in pids)


def proportional(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def test_an_adversary_does_not_push_a_sensor_over_its_figure(tmp_path: Path, artefacts: Path) -> None:
    pcap = tmp_path / "adversary.pcap"
    write_adversary(pcap)
    peak = 0
    text = CONFIGURATION.format(pcap=pcap, figure=FIGURE_MIB)
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", text, pages=True) as sensor:
        supervisor = int(sensor.status()["pid"])

        def is_read() -> bool:
            nonlocal peak
            peak = max(peak, taken(sensor, supervisor))
            pages = [process["counters"] for process in sensor.processes().values() if process["kind"] == "worker"]
            return sum(page["segments"] for page in pages) == HALF_OPEN + ENDLESS

        wait_until(is_read, "an adversary read to its end", 120, 0.5)
        peak = max(peak, taken(sensor, supervisor))
        status = sensor.status()
    workers = [process["counters"] for process in status["processes"] if process["kind"] == "worker"]
    assert sum(page["memory_limit_hits"] for page in workers) > 0, "the adversary was too weak to show anything"
    assert status["memory"]["total"] == FIGURE_MIB * MIB
    assert peak <= FIGURE_MIB * MIB, f"{peak / MIB:.0f} MiB of {FIGURE_MIB}"
