"""Fragments: any order gives the datagram back, nothing else does, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6

from tcpmirror.decap.fragments import TIMEOUT_NS, FragmentJoiner

BODY = bytes(range(256)) * 6


def pieces4() -> list[bytes]:
    whole = IP(src="10.0.0.1", dst="10.0.0.2", id=77) / TCP(sport=1, dport=80) / BODY
    return [bytes(piece) for piece in fragment(whole, fragsize=256)]


def pieces6() -> list[bytes]:
    whole = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=5) / TCP(sport=1, dport=80) / BODY
    return [bytes(piece) for piece in fragment6(whole, 400)]


@given(st.sampled_from(["4", "6"]), st.randoms(use_true_random=False), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_any_order_and_repetition_gives_the_datagram(version: str, order, repeats: int) -> None:
    pieces = pieces4() if version == "4" else pieces6()
    shuffled = pieces + [order.choice(pieces) for _ in range(repeats)]
    order.shuffle(shuffled)
    joiner = FragmentJoiner()
    joined = [whole for piece in shuffled if (whole := joiner.add(piece, 1)) is not None]
    assert joined
    packet = IP(joined[0]) if version == "4" else IPv6(joined[0])
    assert bytes(packet[TCP].payload) == BODY


def test_a_missing_piece_means_no_datagram() -> None:
    for lost in range(len(pieces4())):
        joiner = FragmentJoiner()
        assert all(joiner.add(piece, 1) is None for at, piece in enumerate(pieces4()) if at != lost)


def test_the_first_copy_of_overlapping_bytes_stays() -> None:
    first, *rest = pieces4()
    evil = first[:20] + b"X" * (len(first) - 20)
    joiner = FragmentJoiner()
    results = [joiner.add(piece, 1) for piece in (first, evil, *rest)]
    assert results[-1] is not None
    assert bytes(IP(results[-1])[TCP].payload) == BODY


def overlapping(order: list[tuple[int, bytes]]) -> list[bytes]:
    """Return IPv4 fragments (unit, data) of one datagram; the one that reaches furthest is the last."""
    end = max(unit * 8 + len(data) for unit, data in order)
    return [
        bytes(
            IP(src="10.0.0.1", dst="10.0.0.2", id=9, proto=6, frag=unit, flags=0 if unit * 8 + len(data) == end else "MF")
            / data
        )
        for unit, data in order
    ]


# id -> fragments in the order they come, what the datagram holds
EVASIONS = {
    "later piece begins earlier": ([(1, b"B" * 16), (0, b"a" * 16), (3, b"c" * 8)], b"a" * 8 + b"B" * 16 + b"c" * 8),
    "later piece covers an earlier one": (
        [(1, b"B" * 8), (0, b"a" * 24), (3, b"c" * 8)],
        b"a" * 8 + b"B" * 8 + b"a" * 8 + b"c" * 8,
    ),
    "later piece lies within an earlier one": ([(0, b"a" * 24), (1, b"B" * 8), (3, b"c" * 8)], b"a" * 24 + b"c" * 8),
    "last piece first": ([(2, b"c" * 5), (1, b"B" * 8), (0, b"a" * 8)], b"a" * 8 + b"B" * 8 + b"c" * 5),
    "a second, different last piece": ([(1, b"c" * 5), (1, b"d" * 5), (0, b"a" * 8)], b"a" * 8 + b"c" * 5),
}


@pytest.mark.parametrize("name", EVASIONS)
def test_whatever_overlaps_the_first_copy_of_each_byte_stays(name: str) -> None:
    order, expected = EVASIONS[name]
    joiner = FragmentJoiner()
    results = [joiner.add(piece, 1) for piece in overlapping(order)]
    assert results[-1] is not None
    assert results[-1][20:] == expected


def test_an_end_that_lies_elsewhere_than_the_first_is_not_believed() -> None:
    first, middle, last = overlapping([(0, b"a" * 8), (1, b"B" * 8), (2, b"c" * 8)])
    other_end = overlapping([(1, b"X" * 5)])[0]
    joiner = FragmentJoiner()
    results = [joiner.add(piece, 1) for piece in (last, other_end, middle, first)]
    assert results[-1] is not None
    assert results[-1][20:] == b"a" * 8 + b"B" * 8 + b"c" * 8


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), min_size=1, max_size=40))
def test_it_does_what_a_map_of_units_does(pieces: list[tuple[int, int]]) -> None:
    joiner, units = FragmentJoiner(), dict[int, bytes]()
    for number, (first, count) in enumerate(pieces):
        data = bytes([number + 1]) * 8 * count
        assert joiner.add(overlapping([(first, data), (9999, b"")])[0], 1) is None
        for unit in range(first, first + count):
            units.setdefault(unit, data[:8])
    end = max(units) + 1
    whole = joiner.add(overlapping([(end, b"end")])[0], 1)
    missing = [unit for unit in range(end) if unit not in units]
    for at, unit in enumerate(missing):
        assert whole is None, at
        whole = joiner.add(overlapping([(unit, b"-" * 8), (9999, b"")])[0], 1)
        units[unit] = b"-" * 8
    assert whole is not None
    assert whole[20:] == b"".join(units[unit] for unit in range(end)) + b"end"


def test_datagrams_in_progress_are_bounded_in_bytes() -> None:
    joiner = FragmentJoiner(limit=100)
    for number in range(100):
        joiner.add(bytes(IP(src="10.0.0.1", dst="10.0.0.2", id=number, frag=8000, flags="MF") / (b"x" * 16)), 1)
    assert (joiner.incomplete, joiner.lost, joiner.held) == (75, 75, 25)  # 64 KiB each of the 1600 KiB


def test_a_piece_that_the_capture_cut_is_lost() -> None:
    for piece in (*pieces4(), *pieces6()):
        joiner = FragmentJoiner()
        assert joiner.add(piece[:-8], 1) is None
        assert (joiner.lost, joiner.held) == (1, 0)


def test_a_datagram_in_pieces_of_eight_bytes_is_whole() -> None:
    whole = IP(src="10.0.0.1", dst="10.0.0.2", id=77) / TCP(sport=1, dport=80) / (BODY * 40)
    joiner = FragmentJoiner()
    results = [joiner.add(bytes(piece), 1) for piece in fragment(whole, fragsize=8)]
    assert len(results) > 7000
    assert results[-1] is not None
    assert results[-1][40:] == BODY * 40


def test_a_piece_that_reaches_past_the_largest_datagram_is_lost() -> None:
    joiner = FragmentJoiner()
    assert joiner.add(bytes(IP(src="10.0.0.1", dst="10.0.0.2", frag=8189) / (b"x" * 64)), 1) is None
    assert joiner.lost == 1


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4), st.booleans(), st.integers(0, 2)), max_size=30))
def test_every_piece_ends_in_one_place(pieces: list[tuple[int, int, bool, int]]) -> None:
    joiner, completed = FragmentJoiner(limit=2), 0
    for unit, length, is_last, number in pieces:
        head = IP(src="10.0.0.1", dst="10.0.0.2", id=number, proto=6, frag=unit, flags=0 if is_last else "MF")
        completed += joiner.add(bytes(head / (b"x" * 8 * length)), 1) is not None
    joiner.clear()
    assert completed + joiner.joined + joiner.lost == len(pieces)


def test_a_mirrors_second_copy_of_each_piece_is_no_lost_datagram() -> None:
    joiner = FragmentJoiner()
    results = [joiner.add(piece, 1) for piece in pieces4() for _ in range(2)]
    joiner.clear()
    assert (sum(whole is not None for whole in results), joiner.incomplete, joiner.lost) == (1, 0, 0)


def test_datagrams_in_progress_are_bounded_in_number_and_time() -> None:
    joiner = FragmentJoiner(limit=10)
    for number in range(25):
        joiner.add(bytes(IP(src="10.0.0.1", dst="10.0.0.2", id=number, flags="MF") / UDP() / (b"x" * 16)), 1)
    assert joiner.incomplete == 15
    joiner.add(pieces4()[0], 1 + TIMEOUT_NS)
    assert joiner.incomplete == 25


@given(st.binary(max_size=80))
def test_no_bytes_make_it_raise(packet: bytes) -> None:
    FragmentJoiner().add(packet, 1)
    FragmentJoiner().add(b"\x45" + packet, 1)
    FragmentJoiner().add(b"\x60" + packet, 1)
