"""The bed itself, by tcpdump alone: what each mirror brings to the sensor's interface."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.network import network, run
from bench.traffic import dumped
from tests.live.bed import MIRRORS, SERVER, SERVER6, Bed, bed

pytestmark = pytest.mark.live

# mirror -> filters whose frames must be there, and filters that must match nothing
SHAPES = {
    "span": (["tcp port 80"], ["vlan", "udp port 4789"]),
    "vxlan": (["udp dst port 4789 and src host 10.93.0.1"], ["vlan", "tcp"]),
    "vlan": (["vlan 42 and tcp port 80"], ["tcp port 80", "udp port 4789"]),
    "qinq": (["vlan 100 and vlan 42 and tcp port 80", "tcp port 80"], ["udp port 4789"]),
}


def frames(capture: Path, expression: str) -> int:
    """Return how many frames of *capture* match the BPF *expression*."""
    return len(run("tcpdump", "-n", "-r", str(capture), expression).splitlines())


def visit(ground: Bed) -> int:
    """Fetch over IPv4 and IPv6, two connections of odd and two of even ports at least; return the requests sent."""
    for port in range(41000, 41004):
        assert ground.curl("--local-port", str(port), f"http://{SERVER}/api/v1/items/[1-5]") == [(200, 1)] + [(200, 0)] * 4
    assert ground.curl("--globoff", f"http://[{SERVER6}]/hello.txt") == [(200, 1)]
    return 21


@pytest.mark.parametrize("mirror", MIRRORS)
def test_mirror_brings_both_directions_in_its_encapsulation(mirror: str, artefacts: Path) -> None:
    capture = artefacts / "mon0.pcap"
    wire = artefacts / "wire.pcap"
    with bed(mirror, artefacts / "bed") as ground:
        with (
            dumped(ground.server, "wire", wire, artefacts / "wire.log", "tcp") as sent,
            dumped(ground.sensor, "mon0", capture, artefacts / "mon0.log", "not icmp6") as received,
        ):
            requests = visit(ground)
        ground.await_answered(requests)
        tagger = ground.tagger
    present, absent = SHAPES[mirror]
    assert sum(frames(capture, expression) for expression in present) >= sent[0] - frames(wire, "ip6")
    assert all(frames(capture, expression) for expression in present)
    assert received[0] >= sent[0]
    assert not sum(frames(capture, expression) for expression in absent)
    assert mirror != "qinq" or (tagger is not None and tagger.tagged and tagger.untagged)


def test_nothing_of_a_bed_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), bed("span", tmp_path) as ground:
        assert len(re.findall(ground.client.name, run("ip", "netns", "list"))) == 1
        raise ZeroDivisionError
    assert ground.client.name not in run("ip", "netns", "list")
    assert not run("ip", "netns", "pids", ground.server.name, check=False)


def test_namespaces_of_a_dead_maker_are_removed_by_the_next_one() -> None:
    run("ip", "netns", "add", "tm4194305-0client")  # above the highest pid the kernel gives
    with network():
        assert "tm4194305-0client" not in run("ip", "netns", "list")
