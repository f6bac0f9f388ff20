"""Digests merge the same way in any order, grouping and repetition, and one worker or eight come to the same."""

from __future__ import annotations

import itertools
from collections import Counter
from copy import deepcopy

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.discovery.digest import HASHES, EndpointDigest, ParameterDigest, merged, read_row
from tcpmirror.discovery.inventory import Inventory, described, fold
from tcpmirror.discovery.observer import Observer
from tcpmirror.discovery.record import chunks, decode_rows, encode_rows, wire_row
from tests.discovery.exchanges import exchange

COUNTS = st.integers(0, 1000)
NUMBERS = st.none() | st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9)
PARAMETERS = st.builds(
    ParameterDigest,
    count=COUNTS,
    kinds=st.dictionaries(st.sampled_from(["int32", "string", "uuid"]), COUNTS).map(Counter),
    low=NUMBERS,
    high=NUMBERS,
    short=st.none() | COUNTS,
    long=st.none() | COUNTS,
    hashes=st.sets(st.integers(0, 2**32 - 1), max_size=HASHES),
    words=st.dictionaries(st.sampled_from(["on", "off"]), COUNTS).map(Counter),
    classes=st.dictionaries(st.sampled_from(["email", "card"]), COUNTS).map(Counter),
)
ENDPOINTS = st.builds(
    EndpointDigest,
    host=st.sampled_from(["a", "b"]),
    method=st.sampled_from(["GET", "POST"]),
    path=st.sampled_from([("x",), ("x", "{}")]),
    requests=COUNTS,
    first_ns=st.integers(1, 10**18),
    last_ns=st.integers(1, 10**18),
    sampled=COUNTS,
    statuses=st.dictionaries(st.integers(200, 205), COUNTS).map(Counter),
    latency=st.dictionaries(st.integers(0, 31), COUNTS).map(Counter),
    parameters=st.dictionaries(
        st.tuples(st.just("request"), st.sampled_from(["query", "json"]), st.sampled_from(["/a", "/b"])),
        PARAMETERS,
        max_size=3,
    ),
)
DELTAS = st.lists(st.lists(ENDPOINTS, max_size=3), max_size=5)


def counted(inventory: Inventory) -> dict[object, object]:
    """Return what an inventory holds, as JSON values without order."""
    return {key: orjson.loads(orjson.dumps(digest.row(), option=orjson.OPT_SORT_KEYS)) | {
        "parameters": sorted(orjson.loads(orjson.dumps(digest.row()["parameters"], option=orjson.OPT_SORT_KEYS)), key=str)
    } for key, digest in inventory.table.items()}  # fmt: skip


def inventory_of(deltas: list[tuple[str, list[EndpointDigest]]]) -> Inventory:
    found = Inventory()
    for name, rows in deltas:
        found.add(name, rows)
    return found


@given(DELTAS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_order_and_repetition_gives_the_same(deltas: list[list[EndpointDigest]], chance: object) -> None:
    named = [(str(number), rows) for number, rows in enumerate(deltas)]
    again = [*named, *named]
    chance.shuffle(again)  # type: ignore[attr-defined]
    assert counted(inventory_of(again)) == counted(inventory_of(named))


@given(DELTAS, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_any_grouping_gives_the_same(deltas: list[list[EndpointDigest]], cut: int) -> None:
    named = [(str(number), rows) for number, rows in enumerate(deltas)]
    left, right = inventory_of(named[:cut]), inventory_of(named[cut:])
    left.merge(right)
    left.merge(right)
    assert counted(left) == counted(inventory_of(named))


@given(st.lists(ENDPOINTS, max_size=4))
@settings(max_examples=60, deadline=None)
def test_rows_survive_the_wire(digests: list[EndpointDigest]) -> None:
    record = encode_rows("id", map(wire_row, digests))
    assert decode_rows(record) == ("id", digests)


@given(st.lists(ENDPOINTS, max_size=4))
@settings(max_examples=40, deadline=None)
def test_merging_leaves_what_is_merged_as_it_was(digests: list[EndpointDigest]) -> None:
    before = deepcopy(digests)
    merged(digests)
    merged(reversed(digests))
    assert digests == before


BAD = {
    "no map": 7,
    "nothing": {},
    "a negative count": {"requests": -1},
    "a count as text": {"sampled": "1"},
    "a kind that is none": {"kind": "rests"},
    "a long host": {"host": "h" * 300},
    "a parameter without counts": {"parameters": [["request", "query", "a", {}]]},
    "a side that is none": {"parameters": [["left", "query", "a", {"n": 1, "k": {}}]]},
    "a status that is no number": {"statuses": {"ok": 1}},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_row_that_is_none_is_refused(changes: object) -> None:
    row = EndpointDigest("a", "GET", ("x",)).row() | changes if isinstance(changes, dict) and changes else changes
    with pytest.raises(ValueError, match=r".+"):
        read_row(row)


@given(st.binary(max_size=60))
def test_no_bytes_make_reading_a_record_fail_otherwise(raw: bytes) -> None:
    try:
        decode_rows(raw)
    except ValueError:
        return
    raise AssertionError("these bytes are no record")


def test_records_keep_within_their_limit_and_leave_nothing_out_that_fits() -> None:
    rows = [b'"' + b"x" * size + b'"' for size in (10, 500, 900, 100, 2000, 50)]
    found = list(chunks(rows, 1100))
    assert [len(row) - 2 for chunk in found for row in chunk] == [10, 500, 900, 100, 50]
    assert all(len(encode_rows("0123456789abcdef-1234567", chunk)) <= 1100 for chunk in found)


@pytest.mark.parametrize("workers", [2, 8])
def test_one_worker_and_many_give_the_same_inventory(workers: int) -> None:
    """Up to the sample: here every exchange is read."""
    made = [
        exchange(f"/api/{kind}/{word}{number}?page={number % 3}", method, number=number, answer={"id": number, "state": word})
        for number, (kind, word, method) in enumerate(
            itertools.product(("users", "orders"), ("ann", "bob", "joe", "sue"), ("GET", "DELETE"))
        )
    ]  # fmt: skip
    answers = []
    for count in (1, workers):
        observers = [Observer() for _ in range(count)]
        for number, each in enumerate(made):
            observers[number % count].observe(each, False)
        whole = Inventory()
        for number, observer in enumerate(observers):
            whole.add(str(number), observer.take())
        found = fold(whole.table.values())
        answers.append(
            sorted((described(digest) for digest in found.values()), key=lambda endpoint: (endpoint.path, endpoint.method))
        )
    assert answers[0] == answers[1]
    assert [endpoint.path for endpoint in answers[0]][:1] == ["/api/orders/{order_name}"]
