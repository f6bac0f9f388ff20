"""What an operator sees of the counters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcpmirror.processes.layout import SharedLayout
from tcpmirror.settings.simulation import simulated
from tcpmirror.settings.tree import SECOND, Settings
from tcpmirror.supervisor.credentials import Credentials
from tcpmirror.supervisor.status import _span, describe_tree, render_status
from tcpmirror.supervisor.tree import State, Tree

NOW_NS = 5_000 * SECOND


@pytest.fixture
def tree() -> Tree:
    settings = Settings(workers=2)
    limits = replace(settings.limits, segment_ring_bytes=1 << 16, report_ring_bytes=1 << 16)
    made = Tree(settings, SharedLayout(1, 2, limits), Credentials(), {}, lambda: None, "stderr")
    for number, child in enumerate(made.children):
        child.state, child.pid, child.started_ns = State.RUNNING, 100 + number, NOW_NS - 65 * SECOND
        child.page.set("heartbeat_ns", NOW_NS - SECOND)
    return made


def told(tree: Tree) -> dict[str, object]:
    sensor = {"version": "1", "pid": 99, "uptime_s": 65.0, "console_url": "http://c/"}
    return {**describe_tree(tree, NOW_NS), **sensor}


def test_totals_are_sums_over_the_processes_that_count(tree: Tree) -> None:
    capture, first, second, exporter, _ = tree.children
    capture.page.set("packets", 1000)
    capture.page.set("kernel_dropped", 3)
    capture.page.set("lost_shed", 4)
    capture.page.set("lost_filtered", 500)
    for worker in (first, second):
        worker.page.set("exchanges", 20)
        worker.page.set("attacks", 2)
        worker.page.set("lost_report_ring_full", 1)
    exporter.page.set("backlog", 7)
    assert describe_tree(tree, NOW_NS)["totals"] == {
        "packets": 1000,
        "exchanges": 40,
        "attacks": 4,
        "backlog": 7,
        "drops": 9,
    }, "what a filter left out is no drop"


def test_one_process_in_back_off_makes_a_sensor_degraded(tree: Tree) -> None:
    assert describe_tree(tree, NOW_NS)["state"] == "running"
    capture = tree.children[0]
    capture.state, capture.pid, capture.due_ns, capture.last_error = State.BACKOFF, 0, NOW_NS + 3 * SECOND, "eth7 is gone"
    status = told(tree)
    assert status["state"] == "degraded"
    lines = render_status(status).splitlines()
    assert lines[4].split()[:5] == ["capture-0", "-", "back-off", "-", "0"]
    assert lines[-1] == "capture-0: eth7 is gone"


def test_the_table_lines_up(tree: Tree) -> None:
    tree.children[0].page.set("packets", 123_456_789)
    lines = render_status(told(tree)).splitlines()
    assert lines[0] == "tcpmirror 1: running, pid 99, up 1m05s, console http://c/"
    assert lines[1].startswith("limits.memory ")
    header, *rows = lines[3:9]
    end = header.index("packets") + len("packets")
    assert rows[0][:end].endswith(" 123,456,789")
    assert all(row[end - 1] in "-9" for row in rows)
    assert rows[4].split()[-4:] == ["-"] * 4, "a cloud captures nothing"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (3_599, "59m59s"),
        (3_600, "1h00m"),
        (90_061, "1d01h"),
        (8_640_000, "100d00h"),
    ],
)
def test_a_span_has_two_units(seconds: float, text: str) -> None:
    assert _span(seconds) == text


def test_each_reason_why_something_was_not_analysed_is_told(tree: Tree) -> None:
    capture, first, second, *_ = tree.children
    for name, count in {
        "packets": 2000,
        "lost_not_tcp": 1500,
        "segments": 500,
        "kernel_dropped": 3,
        "tcp_bytes": 900,
    }.items():
        capture.page.set(name, count)
    capture.page.set("segment_bytes", 900)
    first.page.set("segments", 400)
    second.page.set("segments", 90)
    for page, count in ((first.page, 700), (second.page, 150)):
        for name in ("segment_bytes", "published_bytes", "stream_bytes"):
            page.set(name, count)
        page.set("mirror_lost_bytes", 21)
    first.page.set("tls_bytes", 200)
    first.page.set("not_http_bytes", 250)
    first.page.set("emitted", 7)
    first.page.set("inspected", 5)
    first.page.set("bypassed", 2)
    status = told(tree)
    assert status["losses"] == {"lost_not_tcp": 1500, "kernel_dropped": 3}
    assert status["beside"] == {"mirror_lost_bytes": 42}
    assert [ledger["difference"] for ledger in status["ledgers"]] == [0, 0, 0]
    lines = render_status(status).splitlines()
    assert lines[-5:] == [
        "              in  analysed  waiting  difference  not analysed",
        "packets    2,003       490       10           0  kernel_drop 3  not_tcp 1,500",
        "bytes        900       600       50           0  encrypted 200  not_http 50",
        "exchanges      7         5        0           0  filtered 2",
        "beside: mirror_lost_bytes 42",
    ]


def test_a_wrong_count_shows_as_a_difference(tree: Tree) -> None:
    tree.children[0].page.set("packets", 5)
    assert [ledger["difference"] for ledger in told(tree)["ledgers"]] == [5, 0, 0]


def test_faults_on_purpose_are_told(tree: Tree) -> None:
    assert "FAULTS" not in render_status(told(tree))
    tree.settings = simulated(tree.settings, "gap=1%,memory")
    assert render_status(told(tree)).splitlines()[-1] == "FAULTS ON PURPOSE (--simulate): gap=1%,memory"
