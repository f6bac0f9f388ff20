"""Digests of sessions merge in any order."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.sessions.digest import EVENTS, Event, SessionDigest, merged
from tcpmirror.sessions.record import chunks, decode_rows, encode_rows, wire_row

names = st.sampled_from([f"v{number}" for number in range(20)])
events = st.builds(
    Event,
    st.integers(0, 10**6),
    names,
    st.just("GET"),
    names,
    names,
    st.integers(-1, 599),
    st.integers(-1, 10**6),
    st.integers(0, 10**6),
    st.sampled_from(["", "sqli", "sqli xss"]),
)
digests = st.builds(
    SessionDigest,
    id=st.sampled_from(["a" * 16, "b" * 16]),
    day=st.integers(20000, 20001),
    kind=st.sampled_from(["cookie sid", "header authorization"]),
    first_ns=st.integers(1, 10**9),
    last_ns=st.integers(1, 10**9),
    requests=st.integers(0, 99),
    sources=st.sets(names, max_size=8),
    users=st.sets(names, max_size=8),
    context=st.sets(names, max_size=8),
    endpoints=st.dictionaries(names, st.integers(1, 9)).map(Counter),
    attacks=st.dictionaries(names, st.integers(1, 9)).map(Counter),
    events=st.sets(events, max_size=5),
    attack_events=st.sets(events, max_size=5),
)


@given(st.lists(digests, max_size=6), st.randoms(use_true_random=False))
def test_any_order_of_merging_gives_the_same(found: list[SessionDigest], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merged(shuffled) == merged(found)


@given(st.lists(digests, max_size=4), st.lists(digests, max_size=4))
def test_merging_what_was_merged_is_merging_all(left: list[SessionDigest], right: list[SessionDigest]) -> None:
    before = deepcopy((left, right))
    assert merged([*merged(left).values(), *merged(right).values()]) == merged([*left, *right])
    assert (left, right) == before


@given(st.lists(digests, max_size=4))
def test_rows_survive_the_wire(found: list[SessionDigest]) -> None:
    rows = [row for chunk in chunks(map(wire_row, found), 1 << 20) for row in chunk]
    assert decode_rows(encode_rows("id", rows)) == ("id", found)


def test_the_time_line_keeps_the_newest_and_those_with_attacks() -> None:
    def event(number: int, attacks: str = "") -> Event:
        return Event(number, "s", "GET", "h", "/", 200, 1, 1, attacks)

    whole = SessionDigest("a" * 16, 1, "k")
    whole.merge(SessionDigest("a" * 16, 1, "k", attack_events={event(1, "sqli")}, events={event(1, "sqli")}))
    whole.merge(SessionDigest("a" * 16, 1, "k", events={event(number) for number in range(100, 100 + 2 * EVENTS)}))
    assert len(whole.events) == EVENTS
    assert whole.time_line[0].time_ns == 99 + 2 * EVENTS
    assert whole.time_line[-1] == event(1, "sqli")


BROKEN = {
    "no list": b'{"id": "a", "rows": [7]}',
    "no id": b'{"rows": []}',
    "a row that lacks fields": b'{"id": "a", "rows": [{"id": "b"}]}',
}


@pytest.mark.parametrize("record", BROKEN.values(), ids=BROKEN)
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError):
        decode_rows(record)
