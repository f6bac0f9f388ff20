"""Fragments: any order gives the datagram back, nothing else does, and memory is bounded."""

from __future__ import annotations

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
