"""Behaviour in files that are analysed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tcpmirror.behavior.counter import Counter, CounterKey, Slot
from tcpmirror.behavior.record import encode_rows, records
from tcpmirror.processes.behavior_summary import BehaviorSummary
from tcpmirror.settings.tree import Behavior, Inspection, Mask, Settings
from tests.processes.test_analysis import analyse
from tests.traffic import EPOCH, conversation, request, response, write_capture

TRIES = 40


@pytest.fixture(scope="module")
def brute_force(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logins with other passwords, a connection each, half a second apart."""
    talks = []
    for number in range(TRIES):
        body = b'{"user": "ann", "password": "guess-%d"}' % number
        turns = [
            (0, request("/login/s3cret-tenant", "POST", body, Content_Type="application/json")),
            (1, response(b"{}", 401)),
        ]
        talks.append(conversation(turns, port=41000 + number, start=EPOCH + number / 2))
    return write_capture(tmp_path_factory.mktemp("captures") / "brute.pcap", *talks)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_brute_force_in_a_file_is_told_once_whoever_counted_it(brute_force: Path, workers: int) -> None:
    summary, _, findings = analyse(brute_force, workers=workers)
    told = {row["control"]: row for row in summary["behavior"]}
    guesses = told["brute-passwords"]
    assert (guesses["type"], guesses["path"], guesses["requests"]) == ("brute", "/login/s3cret-tenant", TRIES - 10)
    assert guesses["last"] - guesses["first"] < TRIES
    assert findings == []
    assert summary["bugs"] == 0


def test_what_masks_cover_is_not_told(brute_force: Path) -> None:
    masked = Settings(inspection=Inspection(mask=(Mask("tenant", pattern="s3cret-[a-z]+"),)))
    summary, _, _ = analyse(brute_force, settings=masked)
    assert summary["behavior"]
    assert "s3cret" not in str(summary)


def test_nothing_is_counted_where_behaviour_is_off_or_the_road_ends_before(brute_force: Path) -> None:
    off = replace(Settings(), behavior=Behavior(enabled=False))
    assert analyse(brute_force, settings=off)[0]["behavior"] == []
    assert analyse(brute_force, until="detect")[0]["behavior"] == []


def test_more_counters_than_there_is_room_for_cost_those_that_count_least() -> None:
    summary = BehaviorSummary(limit=100)
    for number in range(500):
        key = CounterKey("c", "brute", "requests", 60 * 10**9, 10, f"source {number}", "h", "/")
        counter = Counter(key, {1: Slot(500 if number == 7 else 1, 1, 2)})
        for rows in records([counter], 1 << 20):
            summary.add(encode_rows(str(number), rows))
    (row,) = summary.rows()
    assert (row["subject"], row["requests"]) == ("source 7", 490)
