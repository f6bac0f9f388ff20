"""A mirror that delivers every packet twice: every exchange once, and the copies counted."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from tcpmirror.decap.duplicates import DuplicateTable
from tests.processes.test_roads import TALK, Road
from tests.traffic import MAC, conversation


def routed(frame: Packet) -> Packet:
    """Return *frame* as it leaves a router: other addresses of Ethernet, a smaller time to live, another checksum of IP."""
    packet = frame[IP].copy()
    packet.ttl -= 1
    del packet.chksum
    return Ether(src=MAC["dst"], dst=MAC["src"]) / IP(bytes(packet))


COPIES = {
    "the same frame": lambda frame: frame,
    "with a vlan tag": lambda frame: Ether(**MAC) / Dot1Q(vlan=5) / frame[IP],
    "behind a router": routed,
    "by a tunnel": lambda frame: Ether(**MAC) / IP(src="192.0.2.1") / UDP(dport=4789) / VXLAN(vni=9, flags=8) / frame,
}


@pytest.mark.parametrize("name", COPIES)
def test_second_copies_are_dropped_and_counted(name: str) -> None:
    frames: list[Packet] = []
    talk = conversation(TALK)
    for frame in talk:
        copy = COPIES[name](frame).copy()
        copy.time = frame.time
        frames += (frame, copy)
    road = Road(duplicates=DuplicateTable())
    road.send(frames)
    road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)]
    assert road.page.get("duplicates") == len(talk) == road.page.get("segments")


def test_without_the_table_reassembly_still_sees_one_stream() -> None:
    road = Road()
    road.send([frame for frame in conversation(TALK) for _ in range(2)])
    road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)]
    assert road.page.get("duplicates") == 0


def test_every_frame_ends_in_one_place() -> None:
    frames: list[Packet] = []
    for frame in conversation(TALK):
        pieces = [Ether(**MAC) / piece for piece in fragment(frame[IP], fragsize=24)]
        for each in (frame, Ether(**MAC) / IP() / UDP(), *pieces, frame, *pieces[:-1]):
            copy = each.copy()
            copy.time = frame.time
            frames.append(copy)
    road = Road(duplicates=DuplicateTable())
    road.send(frames)
    road.capture.end_source()
    page = road.page.snapshot()
    lost = sum(value for name, value in page.items() if name.startswith("lost_"))
    assert page["segments"] + page["duplicates"] + page["fragments_joined"] + lost == page["packets"] == len(frames)
    assert page["fragments_joined"] > 0
    assert page["duplicates"] > 0
