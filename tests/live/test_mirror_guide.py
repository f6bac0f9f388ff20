"""The guide for Linux on the page about mirrors, typed as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.network import network, run, wait_until
from bench.traffic import dumped
from tests.packaging.pages import typed

pytestmark = pytest.mark.live

LINUX = ("ip link add ", "ip link set tcpmirror0 ", "ip link del ", "tc ")


def test_it_mirrors_both_directions(tmp_path: Path) -> None:
    """Its commands on one machine, which talks to another; the sensor's address is the one that the page names."""
    lines = [line for line in typed() if line.startswith(LINUX)]
    begin, end = [line for line in lines if " del " not in line], [line for line in lines if " del " in line]
    with network() as net:
        watched, sensor = net.namespace("watched"), net.namespace("sensor")
        net.cable((watched, "eth0"), (sensor, "eth0"))
        net.address(watched, "eth0", "192.0.2.1/24")
        net.address(sensor, "eth0", "192.0.2.10/24")
        for line in begin:
            watched.run(*shlex.split(line))
        capture = tmp_path / "eth0.pcap"
        with dumped(sensor, "eth0", capture, tmp_path / "tcpdump.log", "udp port 4789"):
            watched.run("curl", "--max-time", "5", "http://192.0.2.10:81/", check=False)  # refused: a SYN and its RST
            wait_until(lambda: capture.exists() and _copies(capture) >= {"S", "R."}, "both directions in the tunnel")
        for line in end:
            watched.run(*shlex.split(line))


def _copies(capture: Path) -> set[str]:
    """Return the TCP flags of what the tunnel brought."""
    return set(re.findall(r"Flags \[([^\]]+)\]", run("tcpdump", "-n", "-r", str(capture), check=False)))
