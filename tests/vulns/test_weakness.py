"""Weaknesses merge the same in any order and grouping, and survive their way to the cloud."""

from __future__ import annotations

import copy
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.vulns.catalog import KINDS, SEVERITIES
from tcpmirror.vulns.weakness import (
    MARKS,
    Sample,
    Weakness,
    WeaknessKey,
    add,
    decode_weaknesses,
    encode_weaknesses,
    read_row,
)

WEAKNESSES = st.builds(
    Weakness,
    kind=st.sampled_from(["csrf", "cors-any-origin", "secret-in-url"]),
    host=st.sampled_from(["a.example", "b.example"]),
    method=st.just("POST"),
    path=st.just(("orders", "{}")),
    subject=st.sampled_from(["", "token"]),
    count=st.integers(1, 1000),
    first_ns=st.integers(0, 100),
    last_ns=st.integers(0, 100),
    marks=st.frozensets(st.text("abcdefghijkl", min_size=1, max_size=1), max_size=MARKS),
    sample=st.builds(Sample, st.integers(0, 5), st.text(max_size=3), st.sampled_from(["c:1", "c:2"])),
)


def merged(items: list[Weakness]) -> dict[WeaknessKey, dict[str, object]]:
    table: dict[WeaknessKey, Weakness] = {}
    for item in items:
        add(table, copy.copy(item))
    return {key: weakness.row() for key, weakness in table.items()}


@given(st.lists(WEAKNESSES, max_size=4))
def test_any_order_and_any_number_of_workers_come_to_the_same(items: list[Weakness]) -> None:
    whole = merged(items)
    for order in permutations(items):
        assert merged(list(order)) == whole
    for cut in range(len(items) + 1):
        parts = [merged(items[:cut]), merged(items[cut:])]
        assert merged([read_row(row) for part in parts for row in part.values()]) == whole


@given(st.lists(WEAKNESSES, max_size=5))
def test_a_record_reads_as_it_was_written(items: list[Weakness]) -> None:
    record_id, rows = decode_weaknesses(encode_weaknesses("worker-1", items))
    assert (record_id, [row.row() for row in rows]) == ("worker-1", [item.row() for item in items])


BAD = {
    "not JSON": b"{",
    "no rows": b'{"id": "a"}',
    "no id": b'{"id": "", "rows": []}',
    "unknown kind": b'{"id": "a", "rows": [{"kind": "odd"}]}',
    "a row that is none": b'{"id": "a", "rows": [1]}',
    "a name that is too long": encode_weaknesses(
        "a", [Weakness("csrf", "h" * 300, "POST", (), "", 1, 0, 0, frozenset(), Sample(0, ""))]
    ),
    "a negative count": encode_weaknesses("a", [Weakness("csrf", "h", "", (), "", -1, 0, 0, frozenset(), Sample(0, ""))]),
}


@pytest.mark.parametrize("record", BAD.values(), ids=BAD)
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError):
        decode_weaknesses(record)


def test_every_kind_says_what_it_risks_and_what_to_do() -> None:
    for kind in KINDS.values():
        assert kind.severity in SEVERITIES
        assert kind.title and kind.risk.endswith(".") and kind.remediation.endswith(".") and kind.needed <= MARKS
