"""Counters merge in any order, and say what lies above a threshold."""

from __future__ import annotations

from copy import deepcopy
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.behavior.counter import (
    HASHES,
    SLOTS,
    Counter,
    CounterKey,
    Sample,
    Slot,
    add,
    distinct,
    merged,
    read_row,
    row_of,
    smallest,
)
from tcpmirror.behavior.record import decode_rows, encode_rows, records

SECOND = 10**9
KEY = CounterKey("c", "brute", "requests", 60 * SECOND, 10, "192.0.2.1", "shop.example", "/login")
VALUES = KEY._replace(unit="values", point=("post", "form_urlencoded", "password"))

slots = st.builds(
    Slot,
    st.integers(1, 50),
    st.integers(1, 10**12),
    st.integers(1, 10**12),
    st.sets(st.integers(0, 2**32 - 1), max_size=12),
)
counters = st.builds(
    Counter,
    st.sampled_from([KEY, VALUES, KEY._replace(subject="192.0.2.2")]),
    st.dictionaries(st.integers(100, 130), slots, min_size=1, max_size=8),
    st.sets(st.builds(Sample, st.integers(0, 99), st.sampled_from("abcdef"), st.just(b"{}")), max_size=4),
)


def requests(*counts: int, key: CounterKey = KEY) -> Counter:
    """Return a counter with so many requests in slots one after another."""
    made = {100 + at: Slot(n, (100 + at) * key.slot_ns, (100 + at) * key.slot_ns + n) for at, n in enumerate(counts) if n}
    return Counter(key, made)


@given(st.lists(counters, max_size=6), st.randoms(use_true_random=False))
def test_any_order_of_merging_gives_the_same(found: list[Counter], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merged(shuffled) == merged(found)


@given(counters, counters, counters)
def test_merging_is_associative(a: Counter, b: Counter, c: Counter) -> None:
    b.key = c.key = a.key
    left, right = deepcopy(a), deepcopy(b)
    left.merge(b)
    left.merge(c)
    right.merge(c)
    whole = deepcopy(a)
    whole.merge(right)
    assert left == whole


@given(st.lists(counters, max_size=5))
def test_merging_leaves_what_is_merged_as_it_was(found: list[Counter]) -> None:
    before = deepcopy(found)
    merged(found)
    assert found == before


@given(st.lists(counters, max_size=5))
def test_rows_survive_the_wire(found: list[Counter]) -> None:
    rows = [row for chunk in records(found, 1 << 20) for row in chunk]
    assert decode_rows(encode_rows("id", rows)) == ("id", found)


@given(st.lists(counters, min_size=2, max_size=6))
def test_more_counters_never_mark_fewer_requests(found: list[Counter]) -> None:
    for counter in found:
        counter.key = KEY
    whole, before = Counter(KEY), 0
    for counter in found:
        whole.merge(counter)
        judged = whole.judged()
        now = judged.marked if judged else 0
        assert now >= before
        before = now


EXCESS = {
    "as many as are accepted": ((10,), {}),
    "one more": ((11,), {100: 1}),
    "spread over a window": ((2, 2, 2, 2, 2, 2), {105: 2}),
    "all that follow": ((12, 5, 5), {100: 2, 101: 5, 102: 5}),
    "too slow for the window": ((4, 0, 0, 4, 0, 0, 4, 0, 0, 4), {}),
    "again after a quiet time": ((12, 0, 0, 0, 0, 0, 0, 0, 12), {100: 2, 108: 2}),
    "below and above again": ((9, 0, 0, 0, 0, 3, 3), {105: 2}),
    "below in between, where nothing came": ((9, 0, 0, 0, 3, 0, 0, 0, 0, 8), {104: 2, 109: 1}),
    "below in between, where one came": ((9, 0, 0, 0, 3, 0, 0, 1, 0, 8), {104: 2, 109: 2}),
}


@pytest.mark.parametrize(("counts", "expected"), EXCESS.values(), ids=EXCESS)
def test_only_what_follows_the_threshold_is_marked(counts: tuple[int, ...], expected: dict[int, int]) -> None:
    assert requests(*counts).excess() == expected


def test_values_count_once_however_often_they_come() -> None:
    same = Counter(VALUES, {100: Slot(500, 1, 2, {7}), 101: Slot(500, 3, 4, {7, 8})})
    assert (same.peak, same.judged()) == (2, None)
    many = Counter(VALUES, {100: Slot(9, 1, 2, set(range(9))), 101: Slot(9, 3, 4, set(range(9, 18)))})
    judged = many.judged()
    assert judged is not None
    assert (judged.marked, judged.peak, judged.first_ns) == (8, 18, 3)


@pytest.mark.parametrize("different", [0, 1, HASHES - 1, 1000, 100_000])
def test_how_many_values_are_different_is_exact_below_and_close_above(different: int) -> None:
    hashes = smallest({(number * 2654435761) % 2**32 for number in range(different)})
    estimate = distinct(hashes)
    assert estimate == different if different < HASHES else abs(estimate - different) < different / 3


def test_a_counter_keeps_its_newest_slots() -> None:
    whole = reduce(lambda left, right: add({KEY: left}, right), [requests(*[1] * 200), requests(1)])
    assert sorted(whole.slots) == list(range(300 - SLOTS, 300))


BROKEN = {
    "no list": b'{"id": "a", "rows": [7]}',
    "too short": b'{"id": "a", "rows": [[1, 2]]}',
    "no id": b'{"rows": []}',
    "a hash too large": b'{"id":"a","rows":[["c","brute","values",1,1,"s","h","p",[],[[1,1,1,1,[4294967296]]],[]]]}',
    "an unknown unit": b'{"id":"a","rows":[["c","brute","things",1,1,"s","h","p",[],[],[]]]}',
    "a negative count": b'{"id":"a","rows":[["c","brute","values",1,1,"s","h","p",[],[[1,-1,1,1,[]]],[]]]}',
    "text for a number": b'{"id":"a","rows":[["c","brute","values","1",1,"s","h","p",[],[],[]]]}',
}


@pytest.mark.parametrize("record", BROKEN.values(), ids=BROKEN)
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError):
        decode_rows(record)


def test_a_row_too_large_goes_without_its_samples() -> None:
    counter = requests(5)
    counter.samples.add(Sample(1, "a", b'{"x": "' + b"y" * 3000 + b'"}'))
    ((row,),) = records([counter], 1000)
    assert decode_rows(encode_rows("id", [row]))[1] == [requests(5)]
    assert read_row(row_of(counter)) == counter
