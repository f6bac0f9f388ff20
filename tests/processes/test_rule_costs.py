from __future__ import annotations

from pathlib import Path

from tcpmirror.processes.detection import build_detector
from tcpmirror.processes.judging import Judge
from tcpmirror.processes.rule_costs import TOLD, RuleCosts, read_costs
from tcpmirror.settings.tree import Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import KINDS
from tcpmirror.telemetry.notes import Note
from tests.detect.requests import request

CACHE = Path(__file__).parents[2] / "build" / "rules"


def test_rules_that_opened_one_request_share_its_time_and_workers_add_up() -> None:
    notes = [Note.private(), Note.private()]
    for note in notes:
        costs = RuleCosts()
        costs.add({"rce-a", "xss-b"}, 1000, 16)
        costs.add({"xss-b"}, 700, 16)
        costs.write(note)
    assert read_costs(notes) == [
        {"rule": "xss-b", "cost_ns": 2400, "requests": 64},
        {"rule": "rce-a", "cost_ns": 1000, "requests": 32},
    ]


def test_a_note_holds_the_dearest_of_many_rules_with_long_names() -> None:
    costs, note = RuleCosts(), Note.private()
    for number in range(500):
        costs.add({f"own-{number}-" + "x" * 300}, number, 1)
    costs.write(note)
    told = read_costs([note])
    assert [row["cost_ns"] for row in told] == list(range(499, 499 - TOLD, -1))


def test_a_worker_that_has_told_nothing_yet_costs_nothing() -> None:
    assert read_costs([Note.private()]) == []


def test_the_judge_learns_which_rule_had_requests_judged_in_full() -> None:
    judge = Judge(
        Settings(), build_detector(Settings(), CACHE), lambda exchange, findings: None, CounterPage.private(KINDS["worker"])
    )
    for number in range(320):
        judge(request(b"GET", b"/find?q=%d" % number))
        judge(request(b"GET", b"/find?q=..%2f..%2f..%2fetc%2fpasswd"))
        judge(request(b"GET", b"/find?n=%d" % number))  # an odd number of requests in a round: each is timed now and then
    note = Note.private()
    judge.costs.write(note)
    (dearest, *_) = read_costs([note])
    assert dearest["rule"].startswith("ptrav-")
    assert dearest["requests"] in range(160, 480), "some sixteenth of 320, times sixteen"
