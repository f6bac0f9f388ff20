"""Reports: the ring's bytes give the same report back, and nothing else is taken for one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report, decode_report, encode_report, report_id

FINDING = st.builds(
    Finding, st.text(), st.lists(st.text()).map(tuple), st.text(), st.text(), st.floats(0, 1, allow_nan=False)
)
REPORT = st.builds(
    Report,
    id=st.text(), time_ns=st.integers(0, 2**63), duration_ns=st.none() | st.integers(0, 2**40),
    client=st.text(), server=st.text(), real_ip=st.text(), encapsulation=st.text(), protocol=st.text(),
    method=st.none() | st.text(), host=st.none() | st.text(), uri=st.none() | st.text(), status=st.none() | st.integers(0, 999),
    request_bytes=st.integers(0, 2**40), response_bytes=st.integers(0, 2**40), application=st.integers(-1, 1000),
    anomalies=st.lists(st.text()).map(tuple), findings=st.lists(FINDING, max_size=3).map(tuple),
    request=st.binary(), response=st.binary(),
)  # fmt: skip


@given(REPORT)
def test_encoding_is_undone_by_decoding(report: Report) -> None:
    assert decode_report(encode_report(report)) == report


@given(REPORT, st.data())
def test_a_cut_or_lengthened_report_is_refused(report: Report, data) -> None:
    record = encode_report(report)
    with pytest.raises(ValueError):
        decode_report(record[: data.draw(st.integers(0, len(record) - 1))])
    with pytest.raises(ValueError):
        decode_report(record + b"x")


@given(st.binary(max_size=100))
def test_other_bytes_are_refused_with_the_same_error(meta: bytes) -> None:
    with pytest.raises(ValueError):
        decode_report(len(meta).to_bytes(4, "little") + bytes(8) + meta)


def test_the_id_is_the_same_whenever_the_same_exchange_is_read_again() -> None:
    assert report_id("a", "b", 1, 0) == report_id("a", "b", 1, 0)
    assert (
        len({report_id("a", "b", 1, 0), report_id("a", "b", 1, 1), report_id("a", "b", 2, 0), report_id("b", "a", 1, 0)})
        == 4
    )


def test_ids_come_in_the_order_of_time() -> None:
    times = [0, 999_999, 5_000_000, 1_790_000_000_000_000_000, 1_790_000_000_001_000_000, 2**63 - 1]
    ids = [report_id("a", "b", time_ns, 0) for time_ns in times]
    assert [found[:12] for found in ids] == sorted(found[:12] for found in ids)
    assert all(re.fullmatch("[0-9a-f]{32}", found) for found in ids)
    assert [int(found[:12], 16) for found in ids] == [time_ns // 10**6 for time_ns in times]
