"""Sensors on one mirror divide its flows: each flow, in both directions and in every encapsulation, belongs to one of them."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from tcpmirror.telemetry.ledger import PACKET_ENDS
from tests.processes.test_roads import Road
from tests.traffic import MAC

FLOWS = 600
KEY, OTHER_KEY = b"k" * 16, b"K" * 16


def frames_of(port: int) -> list[Packet]:
    """Return segments of both directions of one flow, plain, tagged and tunnelled."""
    asked = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=port, dport=80, seq=1, ack=1, flags="A") / b"x"
    answered = IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=80, dport=port, seq=1, ack=2, flags="A") / b"y"
    outer = Ether(**MAC) / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(dport=4789) / VXLAN(vni=7, flags=8)
    return [Ether(**MAC) / asked, Ether(**MAC) / Dot1Q(vlan=9) / answered, outer / Ether(**MAC) / answered]


def taken(index: int, count: int, key: bytes, packets: dict[int, list[Packet]]) -> dict[int, int]:
    """Return how many segments of each flow sensor *index* takes."""
    segments = {}
    road = Road()
    road.capture.take_share(index, count, key)
    for port, frames in packets.items():
        before = road.page.get("segments")
        road.send(frames)
        segments[port] = road.page.get("segments") - before
    assert road.page.get("packets") == sum(map(road.page.get, PACKET_ENDS))
    return segments


@pytest.fixture(scope="module")
def packets() -> dict[int, list[Packet]]:
    return {port: frames_of(port) for port in range(20_000, 20_000 + FLOWS)}


@pytest.mark.parametrize("count", (1, 2, 3, 7))
def test_each_flow_is_taken_whole_by_one_sensor(count: int, packets: dict[int, list[Packet]]) -> None:
    shares = [taken(index, count, KEY, packets) for index in range(count)]
    for port in packets:
        assert sorted(share[port] for share in shares) == [0] * (count - 1) + [3], port
    for share in shares:
        flows = sum(map(bool, share.values()))
        assert abs(flows - FLOWS / count) < 5 * (FLOWS / count) ** 0.5, "the shares are about the same"


def test_who_does_not_know_the_key_cannot_tell_the_share(packets: dict[int, list[Packet]]) -> None:
    mine, theirs = (taken(0, 2, key, packets) for key in (KEY, OTHER_KEY))
    alike = sum(mine[port] == theirs[port] for port in packets)
    assert abs(alike - FLOWS / 2) < 5 * (FLOWS / 2) ** 0.5
