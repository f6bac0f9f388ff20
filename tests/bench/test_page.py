"""The tables of docs/performance.md: ours beside each peer, and a peer that reported less than there was says so."""

from __future__ import annotations

from bench.page import tables

FACTS = {
    "kind": "a",
    "title": "small",
    "exchanges": 1000,
    "exchanges_per_cpu_s": 900,
    "exchanges_per_cpu_s_without_start": 3000,
    "peak_rss": 5 << 20,
    "start_wall_s": 0.5,
    "stage_us": {"capture": 1.25, "report": 12.0},
    "machine": "m",
    "workers": 2,
    "runs": 3,
    "peers": [
        {"peer": "whole", "reported": 1000, "exchanges_per_cpu_s_without_start": 1000},
        {"peer": "partial", "reported": 990, "exchanges_per_cpu_s_without_start": 6000},
        {"peer": "silent", "reported": 0, "exchanges_per_cpu_s_without_start": 0},
    ],
}


def test_each_kind_has_a_row_with_the_ratio_to_each_peer() -> None:
    assert list(tables([FACTS]))[-1] == "| a | 3,000 | 1,000 (3.0) | 6,000 (0.5, 990 of 1,000 reported) | reported nothing |"


def test_each_kind_has_a_row_with_the_cost_of_each_stage() -> None:
    assert "| a | 1.2 | 12.0 |" in list(tables([FACTS]))


def test_without_peers_there_is_no_comparison() -> None:
    assert not any("peer's" in line for line in tables([FACTS | {"peers": []}]))
