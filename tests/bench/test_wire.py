"""Made-up frames have right checksums, also as another client's."""

from __future__ import annotations

from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.wire import ACK, frame, moved


def assert_right(packet: bytes) -> None:
    ethernet: Any = dpkt.ethernet.Ethernet(packet)
    noted = ethernet.data.sum, ethernet.data.data.sum
    ethernet.data.sum = ethernet.data.data.sum = 0  # computed anew from here on
    again: Any = dpkt.ethernet.Ethernet(bytes(ethernet))
    assert (again.data.sum, again.data.data.sum) == noted


@given(st.integers(0, 1), st.binary(max_size=60), st.integers(0, 2**32 - 1), st.integers(0, 5_000_000))
def test_checksums_are_right(side: int, payload: bytes, sequence: int, number: int) -> None:
    packet = frame(side, (20_000, 80), sequence, 7, ACK, payload)
    assert_right(packet)
    assert_right(moved(packet, side, number))


@pytest.mark.parametrize("side", [0, 1])
def test_each_number_is_another_client(side: int) -> None:
    packet = frame(side, (20_000, 80), 1, 7, ACK, b"")
    address, port = (slice(26, 30), slice(34, 36)) if side == 0 else (slice(30, 34), slice(36, 38))
    clients = {(each[address], each[port]) for each in (moved(packet, side, number) for number in range(0, 500_000, 7919))}
    assert len(clients) == len(range(0, 500_000, 7919))
