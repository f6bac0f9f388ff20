"""The exchanges in a capture stay what they are, whatever carries, cuts, swaps, repeats or loses its packets."""

from __future__ import annotations

import random

import pytest
from scapy.packet import Packet

from tests.metamorphic.changes import (
    ENCAPSULATIONS,
    as_six,
    fragmented,
    jittered,
    mirrored_twice,
    reordered,
    resegmented,
    stack,
    thinned,
    wrapped,
)  # fmt: skip
from tests.metamorphic.judge import never_wrong, prefixes_hold
from tests.metamorphic.talk import Frame, Line, lines_of, raw, varied
from tests.traffic import EPOCH, conversation, request, response


@pytest.fixture(scope="module")
def packets() -> list[Packet]:
    return varied()


@pytest.fixture(scope="module")
def truth(packets) -> list[Line]:
    found = lines_of(raw(packets))
    assert len(found) == 17
    assert not any(line.gap for line in found)
    return found


@pytest.mark.parametrize("name", ENCAPSULATIONS)
def test_an_encapsulation_changes_nothing(name: str, packets, truth) -> None:
    source, expected = packets, truth
    if ENCAPSULATIONS[name][0] == "packet6":
        source = [as_six(packet) for packet in packets]
        expected = lines_of(raw(source))
        assert len(expected) == len(truth)
    made = [wrapped(packet, [name]) for packet in source]
    assert lines_of([frame for _, frame in made], made[0][0]) == expected


@pytest.mark.parametrize("seed", range(7))
def test_any_stack_of_encapsulations_changes_nothing(seed: int, packets, truth) -> None:
    dice = random.Random(seed)
    is_six = seed % 3 == 0
    source = [as_six(packet) for packet in packets] if is_six else packets
    names = stack(dice, 8, is_six)
    frames = [wrapped(packet, names)[1] for packet in source]
    assert lines_of(frames, depth=20) == (lines_of(raw(source)) if is_six else truth), names


@pytest.mark.parametrize("size", [1, 2, 7, 100, 536])
def test_segments_of_any_size_change_nothing(size: int, packets, truth) -> None:
    assert lines_of(resegmented(packets, size)) == truth


@pytest.mark.parametrize("seed", range(6))
def test_order_within_a_window_changes_nothing(seed: int, packets, truth) -> None:
    cut = resegmented(packets, 300)
    assert lines_of(reordered(cut, random.Random(seed), 3 + seed)) == truth


@pytest.fixture(scope="module")
def fast() -> list[Frame]:
    """Flows with a packet every 0.1 ms, each answer the number of its request."""
    frames = list[Frame]()
    for flow in range(4):
        turns = [turn for n in range(40) for turn in ((0, request(f"/{flow}.{n}")), (1, response(b"%d.%d" % (flow, n))))]
        frames += raw(conversation(turns, port=40000 + flow, start=EPOCH + flow, step=0.0001))
    return frames


@pytest.mark.parametrize(("share_lost", "least"), [(0.0, 120), (0.01, 10), (0.05, 0)])
def test_directions_that_a_mirror_swaps_make_no_wrong_pair(share_lost: float, least: int, fast: list[Frame]) -> None:
    """A response may come before its request, with a packet time that says so. Pairs that lack nothing are right."""
    for seed, most_ns in enumerate((100_000, 300_000, 5_000_000)):
        dice = random.Random(seed)
        found = lines_of(jittered(thinned(fast, dice, share_lost), dice, most_ns))
        pairs = [line for line in found if line.method and line.status >= 0 and not line.gap]
        assert all(line.answered == line.target[1:] for line in pairs), most_ns
        assert len(pairs) >= least, most_ns


@pytest.mark.parametrize("tags", [None, (5, 6)], ids=["same tag", "other tag"])
def test_a_span_of_both_ports_changes_nothing(tags, packets, truth) -> None:
    assert lines_of(mirrored_twice(packets, tags)) == truth


@pytest.mark.parametrize("size", [8, 64, 576])
def test_ip_fragments_change_nothing(size: int, packets, truth) -> None:
    assert lines_of(fragmented(packets, size)) == truth


def test_the_number_of_workers_changes_nothing(packets, truth) -> None:
    for workers in (2, 4):
        assert lines_of(raw(packets), workers=workers) == truth


def test_a_capture_cut_at_any_packet_is_never_wrong(packets) -> None:
    prefixes_hold(raw(packets))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_lost_packets_never_make_a_wrong_exchange(share: float, packets, truth) -> None:
    frames = resegmented(packets, 500)
    for seed in range(6):
        never_wrong(lines_of(thinned(frames, random.Random(seed), share)), truth)
