"""Sorting lines: the same order in memory and over runs on disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.processes.sorting import LineSorter


@given(st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=30))), st.sampled_from([1, 500, 1 << 20]))
def test_lines_come_back_by_key_then_line_whatever_is_held(pairs: list[tuple[bytes, bytes]], run_bytes: int) -> None:
    sorter = LineSorter(run_bytes)
    for key, line in pairs:
        sorter.add(key, line)
    assert list(sorter.lines()) == [line for _, line in sorted(pairs)]
    assert list(sorter.lines()) == []
