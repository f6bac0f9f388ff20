"""The flow hash: one worker for both directions, and no way to choose it from outside."""

from __future__ import annotations

import collections

from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.ring.flow_hash import hash_endpoints

KEY = bytes(range(16))
ADDRESS = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
PORT = st.integers(0, 65535)


@given(st.data(), st.sampled_from([4, 16]), PORT, PORT, st.binary(min_size=16, max_size=16))
def test_both_directions_have_the_same_hash(data, size, sport, dport, key) -> None:
    src, dst = (data.draw(st.binary(min_size=size, max_size=size)) for _ in range(2))
    assert hash_endpoints(src, sport, dst, dport, key) == hash_endpoints(dst, dport, src, sport, key)


def test_every_part_of_the_tuple_and_the_key_matter() -> None:
    base = hash_endpoints(b"\x0a\0\0\1", 1000, b"\x0a\0\0\2", 80, KEY)
    others = [
        hash_endpoints(b"\x0a\0\0\3", 1000, b"\x0a\0\0\2", 80, KEY),
        hash_endpoints(b"\x0a\0\0\1", 1001, b"\x0a\0\0\2", 80, KEY),
        hash_endpoints(b"\x0a\0\0\1", 80, b"\x0a\0\0\2", 1000, KEY),
        hash_endpoints(b"\x0a\0\0\1", 1000, b"\x0a\0\0\2", 80, KEY, domain=1),
        hash_endpoints(b"\x0a\0\0\1", 1000, b"\x0a\0\0\2", 80, KEY, tags=1),
        hash_endpoints(b"\x0a\0\0\1", 1000, b"\x0a\0\0\2", 80, KEY[::-1]),
    ]
    assert base not in others
    assert len(set(others)) == len(others)


def test_flows_spread_evenly_over_workers() -> None:
    counts = collections.Counter(
        (hash_endpoints(b"\x0a\0\0\1", port, b"\x0a\0\0\2", 80, KEY) >> 48) * 8 >> 16 for port in range(1024, 17408)
    )
    assert set(counts) == set(range(8))
    assert max(counts.values()) < 1.15 * min(counts.values())
