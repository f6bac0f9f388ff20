"""Shedding: whole flows or nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.ring.shedding import Shedder

SECOND = 10**9


def hashes(count: int, seed: int = 2) -> list[int]:
    source = random.Random(seed)
    return [source.getrandbits(64) for _ in range(count)]


def share_taken(shedder: Shedder, fill: float, ring: int = 0) -> float:
    return sum(shedder.opens(item, fill, ring) for item in hashes(1000, 3)) / 1000


def test_nothing_is_shed_while_rings_have_room() -> None:
    shedder = Shedder()
    assert share_taken(shedder, 0.0) == share_taken(shedder, 0.75) == 1.0
    assert not any(map(shedder.skips, hashes(1000)))


# id -> (fill of the ring, share of new flows that is taken)
FILLS = {
    "a little above the high water": (0.7625, 0.9),
    "half of the way": (0.8125, 0.5),
    "no more than admitted flows may need": (0.875, 0.0),
    "full": (1.0, 0.0),
}


@pytest.mark.parametrize(("fill", "share"), FILLS.values(), ids=FILLS.keys())
def test_the_fuller_the_ring_the_fewer_new_flows(fill: float, share: float) -> None:
    assert abs(share_taken(Shedder(), fill) - share) < 0.05


def test_admitted_flows_are_never_cut_and_skipped_ones_stay_skipped() -> None:
    shedder = Shedder()
    old, new = hashes(1000), hashes(1000, 3)
    assert all(shedder.opens(item, 0.5) for item in old)
    fresh = {item: shedder.opens(item, 0.8125) for item in new}
    assert sum(map(shedder.skips, old)) <= 2, "flows that share a bit with one that is skipped"
    for step in range(1000):
        shedder.rest(0.0, step * SECOND)
    assert all(shedder.skips(item) for item, is_taken in fresh.items() if not is_taken)


def test_what_was_shed_comes_back_in_steps_once_the_ring_is_at_the_low_water() -> None:
    shedder = Shedder()
    assert share_taken(shedder, 1.0) == 0.0
    assert 0.02 < share_taken(shedder, 0.5) < 0.09, "some flows are always taken where there is room"
    for step in range(1000):
        shedder.rest(0.26, step * SECOND)
    assert share_taken(shedder, 0.5) < 0.09, "not yet"
    for step in range(50):
        shedder.rest(0.2, 999 * SECOND + step * SECOND // 100)
    assert 0.45 < share_taken(shedder, 0.2) < 0.6, "after half a second"
    shedder.rest(0.2, 1001 * SECOND)
    assert shedder.threshold == 0
    assert share_taken(shedder, 0.2) == 1.0


def test_a_ring_that_has_room_pays_nothing_for_another() -> None:
    shedder = Shedder()
    assert share_taken(shedder, 0.9, ring=1) == 0.0
    assert share_taken(shedder, 0.1, ring=0) == 1.0
    assert shedder.threshold > 0


def test_switched_off_it_sheds_nothing() -> None:
    shedder = Shedder(is_enabled=False)
    assert share_taken(shedder, 1.0) == 1.0
    assert not any(map(shedder.skips, hashes(1000)))


@given(
    st.floats(0.0, 1.0),
    st.lists(
        st.tuples(st.integers(0, 2**64 - 1), st.floats(0.0, 1.0), st.integers(0, 255), st.integers(0, 2**63)), max_size=50
    ),
)
def test_what_opens_is_what_is_not_skipped(high_water: float, steps: list[tuple[int, float, int, int]]) -> None:
    shedder = Shedder(True, high_water, high_water / 2)
    for item, fill, ring, now_ns in steps:
        assert shedder.opens(item, fill, ring) is not shedder.skips(item)
        shedder.rest(fill, now_ns, ring)
        assert 0 <= shedder.threshold <= 65536
