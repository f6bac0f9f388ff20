"""What is usual: whoever counted it, and in whatever order it was merged, the same is far from it."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.behavior.controls import BUILT_IN
from tcpmirror.behavior.counter import USUAL_SLOTS, Counter, CounterKey, Excess, Slot, add, merged
from tcpmirror.behavior.history import (
    BLOCK_NS,
    WAITS_FROM,
    answers_key,
    complete,
    exceeding,
    least_of,
    needed,
    requests_key,
    resource_of,
    route_key,
)
from tcpmirror.behavior.record import decode_rows, encode_rows, records
from tcpmirror.behavior.watch import Watch
from tcpmirror.model.exchange import Exchange
from tests.behavior.exchanges import NOON, exchange

SIZES = (100, 2_000, 30_000, 100_000, 700_000, 9_000_000)
WAITS_S = (0.001, 0.05, 0.4, 1.2, 6.0, 40.0)


def made(kind: int, at_s: float, size: int, wait_s: float, client: int) -> Exchange:
    """Return one of a few sorts of exchanges, as traffic has them."""
    source = f"192.0.2.{client}"
    if kind == 0:
        each = exchange("/report", at_s=at_s, client=source)
    elif kind == 1:
        each = exchange(
            f"/api/users/{client}", at_s=at_s, client=source, answer=b'{"id": 1, "role": "user", "isAdmin": false}'
        )
    else:
        more = b', "isAdmin": true' if kind == 3 else b""
        each = exchange(f"/api/users/{client}", "PATCH", b'{"name": "n"%b}' % more, at_s=at_s, client=source)
    assert each.request is not None
    assert each.response is not None
    each.response.body_length = size
    each.response.time_ns = each.request.time_ns + round(wait_s * 1e9)
    return each


# So many of a kind, from a second on, so far apart: histories that hold, attacks that stand out, and much in between.
trains = st.tuples(
    st.integers(0, 3),
    st.integers(0, 900),
    st.sampled_from((0.01, 0.05, 0.5, 1.0)),
    st.integers(1, 300),
    st.sampled_from(SIZES),
    st.sampled_from(WAITS_S),
    st.integers(1, 3),
)


def traffic(drawn: list[tuple[int, int, float, int, int, float, int]]) -> list[Exchange]:
    found = [
        made(kind, begin + number * apart, size + number % 50, wait, client if kind else 1 + number % client)
        for kind, begin, apart, count, size, wait, client in drawn
        for number in range(count)
    ]
    return sorted(found, key=lambda each: each.request.time_ns if each.request else 0)


def counted_by(exchanges: list[Exchange], workers: int, rounds: int = 1) -> list[Counter]:
    """Return what *workers* that take turns count, handed on *rounds* times, as it arrives from the wire."""
    watches = [Watch(BUILT_IN, 0) for _ in range(workers)]
    found: list[Counter] = []
    share = len(exchanges) // rounds + 1
    for begin in range(0, len(exchanges), share):
        for number, each in enumerate(exchanges[begin : begin + share]):
            watches[number * 7 % workers].observe(each, [])
        for watch in watches:
            for rows in records((counter for counter, _ in watch.take()), 1 << 18):
                found += decode_rows(encode_rows("id", rows))[1]
    return found


def told(counters: list[Counter]) -> dict[CounterKey, Excess]:
    whole = merged(counters)
    far = {key: exceeding(counter, whole.get).judged() for key, counter in whole.items()}
    return {key: excess for key, excess in far.items() if excess is not None}


@settings(max_examples=25, deadline=None)
@given(st.lists(trains, min_size=1, max_size=6), st.integers(2, 8), st.integers(1, 4), st.randoms(use_true_random=False))
def test_eight_workers_tell_what_one_tells(drawn, workers: int, rounds: int, chance) -> None:  # type: ignore[no-untyped-def]
    exchanges = traffic(drawn)
    many = counted_by(exchanges, workers, rounds)
    chance.shuffle(many)
    assert merged(many) == merged(counted_by(exchanges, 1))
    assert told(many) == told(counted_by(exchanges, 1))


USUAL = [(0, 0, 1.0, 300, 2_000, 0.05, 3), (0, 300, 1.0, 300, 2_000, 0.05, 3)]
ATTACKS = {
    "large-answers": (0, 720, 0.5, 60, 700_000, 0.05, 1),
    "slow-answers": (0, 720, 0.5, 60, 2_000, 6.0, 1),
    "surge-of-endpoint": (0, 720, 0.01, 900, 2_000, 0.05, 1),
    "assigned-fields": (3, 720, 1.0, 1, 100, 0.01, 1),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_each_is_told_by_one_worker_and_by_eight_alike(name: str) -> None:
    fields = [(1, 0, 5.0, 20, 100, 0.01, 1), (2, 100, 5.0, 40, 100, 0.01, 2)]
    exchanges = traffic([*USUAL, *fields, ATTACKS[name]])
    one, eight = told(counted_by(exchanges, 1)), told(counted_by(exchanges, 8, 3))
    assert {key.control for key in one} == {name}
    assert one == eight
    assert told(counted_by(traffic([*USUAL, *fields]), 8)) == {}


def test_what_several_sensors_hold_together_is_usual_for_all() -> None:
    """Each sensor saw half of the answers: alone it knows too few of them to call any large."""
    exchanges = traffic([*USUAL[:1], ATTACKS["large-answers"]])
    halves = [counted_by(exchanges[at::2], 2) for at in (0, 1)]
    assert [told(half) for half in halves] == [{}, {}]
    assert {key.control for key in told([*halves[0], *halves[1]])} == {"large-answers"}


histories = st.builds(
    Counter,
    st.just(route_key("h", "/", "GET")),
    st.dictionaries(
        st.integers(0, 30),
        st.builds(
            Slot,
            st.integers(1, 90),
            st.integers(1, 10**12),
            st.integers(1, 10**12),
            st.just(frozenset()),
            st.dictionaries(st.integers(0, 255), st.integers(1, 50), max_size=5),
        ),
        min_size=1,
        max_size=20,
    ),
)


@given(histories, histories, histories)
def test_histories_merge_in_any_grouping_and_order(a: Counter, b: Counter, c: Counter) -> None:
    def joined(*found: Counter) -> Counter:
        table: dict[CounterKey, Counter] = {}
        for each in found:
            add(table, deepcopy(each))
        (whole,) = table.values()
        return whole

    assert joined(joined(a, b), c) == joined(a, joined(b, c)) == joined(c, b, a)
    assert len(joined(a, b, c).slots) <= USUAL_SLOTS


def test_bins_hold_what_their_names_say() -> None:
    edges = [least_of(number) for number in range(WAITS_FROM)]
    assert edges[:8] == [1, 1, 2, 3, 4, 6, 8, 12]
    assert edges[2:] == sorted(set(edges[2:]))
    sent = exchange("/x", answer=b"")
    assert sent.response is not None
    for size in (0, 1, 2, 3, 5, 1023, 1024, 1535, 1536, 1 << 40):
        sent.response.body_length = size
        watch = Watch(BUILT_IN, 0)
        watch.observe(sent, [])
        (history,) = (counter for counter, _ in watch.take() if counter.key.control == "route")
        ((_, slot),) = history.slots.items()
        (found,) = (each for each in slot.bins if each < WAITS_FROM)
        assert least_of(found) <= max(1, size) < max(2, least_of(found + 1))


def test_a_history_is_named_by_route_and_resource() -> None:
    key = CounterKey("c", "mass_assignment", "fields", 6, 0, "s", "h", "/users/{}", ("post", "role"), 0, "PATCH")
    assert [each.path for each in needed(key)] == ["/users"] * 3
    assert needed(key) == (
        answers_key("h", "/users", "role"),
        requests_key("h", "/users", "PATCH"),
        requests_key("h", "/users/{}", "PATCH", "role"),
    )
    assert resource_of("/a/me") == resource_of("/a/{}") == resource_of("/a/") == "/a"


def test_what_is_told_waits_for_the_end_of_its_block_only_where_nothing_asks() -> None:
    block = NOON // BLOCK_NS
    history = Counter(route_key("h", "/", "GET"), {block: Slot(1, NOON, NOON)})
    assert not complete(history, NOON)
    assert complete(history, (block + 1) * BLOCK_NS)


def test_where_nothing_is_known_a_part_is_worth_telling_and_nothing_is_marked() -> None:
    key = CounterKey("c", "api_abuse", "sizes", 60 * 10**9, 20, "s", "h", "/", (), 10, "GET")
    counter = Counter(key, {NOON // key.slot_ns: Slot(5, NOON, NOON, frozenset(), {40: 5})})
    assert exceeding(counter, {}.get).slots == {}
    assert exceeding(counter, {}.get, 8).peak == 5
