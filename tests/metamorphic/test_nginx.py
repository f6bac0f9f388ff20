"""The same relations over what a real nginx and its clients say: gzip, chunks, pipelines, HEAD, 304, 100, ranges, bodies, HTTP/2."""

from __future__ import annotations

import random

import pytest
from scapy.layers.inet import IP, TCP
from scapy.packet import Packet
from scapy.utils import PcapReader

from tests.live.recording import H2_VISITS, TALKS, recorded
from tests.metamorphic.changes import (
    ENCAPSULATIONS,
    as_six,
    fragmented,
    jittered,
    mirrored_twice,
    resegmented,
    stack,
    thinned,
    wrapped,
)
from tests.metamorphic.judge import never_wrong, prefixes_hold
from tests.metamorphic.talk import Line, lines_of, raw

# As every one is held to traffic of all kinds elsewhere, here is one of each family.
CHOSEN = ("qinq", "pppoe", "vxlan", "geneve", "gre", "erspan iii", "ip in ipv6", "teredo", "linux cooked v2")
pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> list[Packet]:
    with PcapReader(str(recorded(tmp_path_factory.mktemp("nginx")))) as reader:
        return [packet for packet in reader if IP in packet and TCP in packet]


@pytest.fixture(scope="module")
def truth(packets: list[Packet]) -> list[Line]:
    found = lines_of(raw(packets))
    assert len(found) == sum(turn.count(b" HTTP/1.") for turns in TALKS.values() for turn in turns) + len(H2_VISITS)
    assert not any(line.gap for line in found)
    assert {line.status for line in found} >= {200, 204, 206, 302, 304, 404, 405, 416, 500}
    return found


def test_an_encapsulation_changes_nothing(packets: list[Packet], truth: list[Line]) -> None:
    six = [as_six(packet) for packet in packets]
    truth6 = lines_of(raw(six))
    assert len(truth6) == len(truth)
    for name in CHOSEN:
        takes = ENCAPSULATIONS[name][0]
        made = [wrapped(packet, [name]) for packet in (six if takes == "packet6" else packets)]
        assert lines_of([frame for _, frame in made], made[0][0]) == (truth6 if takes == "packet6" else truth), name


@pytest.mark.parametrize("seed", range(3))
def test_a_stack_of_encapsulations_changes_nothing(seed: int, packets: list[Packet], truth: list[Line]) -> None:
    names = stack(random.Random(seed), 8, is_six=False)
    assert lines_of([wrapped(packet, names)[1] for packet in packets], depth=20) == truth, names


@pytest.mark.parametrize("size", [1, 7, 536])
def test_segments_of_any_size_change_nothing(size: int, packets: list[Packet], truth: list[Line]) -> None:
    assert lines_of(resegmented(packets, size)) == truth


def test_order_copies_fragments_and_workers_change_nothing(packets: list[Packet], truth: list[Line]) -> None:
    for seed in range(3):
        for most_ns in (200_000, 5_000_000):
            never_wrong(lines_of(jittered(resegmented(packets, 500), random.Random(seed), most_ns)), truth)
    assert lines_of(mirrored_twice(packets, None)) == truth
    assert lines_of(mirrored_twice(packets, (5, 6))) == truth
    assert lines_of(fragmented(packets, 576)) == truth
    for workers in (2, 4):
        assert lines_of(raw(packets), workers=workers) == truth


def test_a_capture_cut_at_any_packet_is_never_wrong(packets: list[Packet]) -> None:
    prefixes_hold(raw(packets))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_lost_packets_never_make_a_wrong_exchange(share: float, packets: list[Packet], truth: list[Line]) -> None:
    for seed in range(3):
        never_wrong(lines_of(thinned(raw(packets), random.Random(seed), share)), truth)
