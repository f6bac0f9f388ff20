"""Shedding: whole flows or nothing."""

from __future__ import annotations

import random

from tcpmirror.ring.shedding import Shedder


def test_nothing_is_shed_while_rings_have_room() -> None:
    shedder = Shedder()
    for _ in range(100):
        shedder.observe(0.5)
    assert not any(shedder.skips(random.getrandbits(64), True) for _ in range(1000))


def test_overload_sheds_new_flows_and_never_cuts_admitted_ones() -> None:
    shedder = Shedder()
    source = random.Random(2)
    hashes = [source.getrandbits(64) for _ in range(2000)]
    old = hashes[:1000]
    assert not any(shedder.skips(item, True) for item in old)
    for _ in range(5):
        shedder.observe(0.95)
    fresh = {item: shedder.skips(item, True) for item in hashes[1000:]}
    assert 0.4 < sum(fresh.values()) / len(fresh) < 0.6
    assert sum(shedder.skips(item, False) for item in old) <= 2  # flows that share a bit with a shed one
    assert all(shedder.skips(item, False) == fate for item, fate in fresh.items() if fate)


def test_some_flows_are_always_taken_and_all_again_when_the_load_is_over() -> None:
    shedder = Shedder()
    for _ in range(1000):
        shedder.observe(1.0)
    assert any(not shedder.skips(random.getrandbits(64), True) for _ in range(1000))
    for _ in range(1000):
        shedder.observe(0.0)
    assert shedder.threshold == 0
    assert not any(shedder.skips(random.getrandbits(64), True) for _ in range(1000))


def test_switched_off_it_sheds_nothing() -> None:
    shedder = Shedder(is_enabled=False)
    for _ in range(100):
        shedder.observe(1.0)
    assert not any(shedder.skips(random.getrandbits(64), True) for _ in range(1000))
