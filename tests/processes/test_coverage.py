"""Coverage: the share of the traffic that is analysed, of the last seconds."""

from __future__ import annotations

from tcpmirror.processes.coverage import SPAN_S, Coverage
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.tree import Limits
from tcpmirror.telemetry.counters import CounterPage


def a_page() -> CounterPage:
    return SharedLayout(1, 1, Limits(segment_ring_bytes=1 << 16, report_ring_bytes=1 << 16)).counters(
        ProcessName("capture", 0)
    )


def test_where_nothing_came_nothing_was_missed() -> None:
    page = a_page()
    coverage = Coverage(page)
    assert page.get("coverage_permille") == 1000
    coverage.measure(1.0)
    assert page.get("coverage_permille") == 1000


def test_each_way_in_which_overload_costs_segments_lowers_it() -> None:
    for lost in ("lost_shed", "lost_ring_full", "kernel_dropped"):
        page = a_page()
        page.add("segments", 1000)
        coverage = Coverage(page)
        coverage.measure(0.0)
        page.add("segments", 300)
        page.add(lost, 100)
        coverage.measure(0.5)
        assert page.get("coverage_permille") == 750, lost


def test_what_is_longer_ago_counts_no_more() -> None:
    page = a_page()
    coverage = Coverage(page)
    coverage.measure(0.0)
    page.add("segments", 100)
    page.add("lost_shed", 300)
    coverage.measure(1.0)
    page.add("segments", 100)
    coverage.measure(SPAN_S)
    assert page.get("coverage_permille") == 400
    coverage.measure(SPAN_S + 0.5)
    assert page.get("coverage_permille") == 1000
    coverage.measure(3 * SPAN_S)
    assert page.get("coverage_permille") == 1000
