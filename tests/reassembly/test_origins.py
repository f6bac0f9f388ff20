"""What the mirror lost is told by what receivers acknowledge, apart for each source, VLAN and VNI."""

from __future__ import annotations

import pytest

from tcpmirror.reassembly.origins import OTHER, Origin
from tests.reassembly.test_flow_table import ACK, CLIENT, FIN, RST, SECOND, SERVER, SYN, Wire


def lost(wire: Wire) -> int:
    wire.finish()
    return wire.table.mirror_lost_bytes


def test_a_whole_flow_has_lost_nothing() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", ack=0)
    wire.send(1, 0, b"answer", ack=3)
    wire.send(0, 3, flags=FIN | ACK, ack=6)
    wire.send(1, 6, flags=FIN | ACK, ack=4)
    wire.send(0, 4, ack=7)
    assert lost(wire) == 0


def test_a_hole_that_the_receiver_has_is_lost_by_the_mirror() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", ack=0)
    wire.send(0, 10, b"more", ack=0)
    wire.send(1, 0, ack=14)
    wire.send(0, 14, b"end", ack=0, after=SECOND)
    assert lost(wire) == 7


def test_a_hole_that_nobody_acknowledged_is_not_held_against_the_mirror() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", ack=0)
    wire.send(0, 10, b"more", ack=0)
    wire.send(1, 0, ack=3)
    assert lost(wire) == 0


def test_what_is_acknowledged_behind_the_last_byte_seen_is_lost() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", ack=0)
    wire.send(0, 3, ack=1000)
    assert lost(wire) == 1000


def test_an_unseen_fin_is_no_lost_byte() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", ack=0)
    wire.send(0, 3, ack=1)
    assert lost(wire) == 0


def test_a_direction_that_is_not_mirrored_is_lost_as_a_whole_even_beyond_four_gigabytes() -> None:
    wire = Wire(server_isn=2**32 - 1000)
    wire.send(0, 0, b"ask", ack=0)
    step = 1 << 27
    for turn in range(1, 41):
        wire.send(0, 3, ack=turn * step)
    assert lost(wire) == 40 * step
    assert [origin.news()[3] for origin in wire.table.origins if origin.source != OTHER] == [1]


def test_a_flow_without_a_byte_seen_tells_of_loss_too() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 500, ack=900)
    wire.send(1, 900, ack=500)
    assert lost(wire) == 1400


def test_an_acknowledgement_no_window_allows_is_not_believed() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", ack=0)
    wire.send(0, 3, ack=(1 << 30) + 5)
    assert lost(wire) == 0


def test_loss_is_counted_once_when_a_tuple_is_used_again() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", ack=0)
    wire.send(0, 3, ack=100)
    wire.send(0, 3, flags=RST | ACK, ack=100)
    wire.isn = (90_000, 80_000)
    wire.open()
    wire.send(0, 0, b"again", ack=0)
    wire.send(0, 5, flags=RST | ACK, ack=0)
    assert lost(wire) == 100


ORIGINS = {
    "plain": {},
    "vlan": {"vlan": 42},
    "q-in-q": {"vlan": 42, "inner_vlan": 7},
    "vni": {"vni": 0},
    "both": {"vlan": 4095, "vni": 2**24 - 1},
}


@pytest.mark.parametrize("place", ORIGINS.values(), ids=ORIGINS.keys())
def test_each_origin_has_its_own_sums(place: dict[str, int]) -> None:
    wire = Wire()
    wire.send(0, 0, b"x", ack=0, vlan=1)
    wire.table.source = 3
    wire.table.feed(CLIENT, 99, SERVER, 80, 1, 1, ACK, b"abc", SECOND, **place)
    wire.finish()
    found = [origin for origin in wire.table.origins if origin.source == 3]
    assert [(o.vlan, o.inner_vlan, o.vni) for o in found] == [
        (place.get("vlan", 0), place.get("inner_vlan", 0), place.get("vni", -1))
    ]
    assert found[0].news() == (3, 0, 1, 1, 1)


def test_origins_beyond_the_limit_are_counted_together() -> None:
    wire = Wire()
    for vni in range(1500):
        wire.table.feed(CLIENT, 1000 + vni, SERVER, 80, 1, 0, SYN, b"", SECOND, vni=vni, flow_hash=vni)
        wire.table.feed(CLIENT, 1000 + vni, SERVER, 80, 2, 1, ACK, b"abc", SECOND, vni=vni, flow_hash=vni)
    wire.finish()
    origins = list(wire.table.origins)
    assert len(origins) == 1025
    assert [origin.sums()["delivered_bytes"] for origin in origins if origin.source == OTHER] == [476 * 3]


def test_news_are_told_once() -> None:
    wire = Wire()
    wire.send(0, 0, b"abc")
    origin: Origin = next(iter(wire.table.origins))
    news = origin.news()
    assert news[0] == 3
    origin.tell(news)
    assert origin.news() == (0, 0, 0, 0, 0)
    wire.send(0, 3, b"d")
    assert origin.news() == (1, 0, 0, 0, 0)
