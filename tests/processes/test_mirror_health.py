"""Mirror health: a running sensor says of its mirror what the doctor would."""

from __future__ import annotations

import json

import pytest

from tcpmirror.export.metrics import ProcessPage
from tcpmirror.export.tallies import Tallies
from tcpmirror.model.digest import MirrorNews
from tcpmirror.processes.mirror_health import TROUBLE, mirror_health
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.ledger import read_ledgers
from tcpmirror.telemetry.names import CAPTURE, WORKER
from tcpmirror.telemetry.notes import Note

HEALTHY = {"packets": 1000, "segments": 1000}, {"segments": 1000, "segment_bytes": 9, "requests": 5}
# id -> (counters of the capture, counters of the worker, rows about the mirror, codes that must be told)
STATES: dict[str, tuple[dict[str, int], dict[str, int], list[MirrorNews], set[str]]] = {
    "healthy": (*HEALTHY, [MirrorNews(0, 0, 0, -1, 1000, 0, 50, 1, 1)], set()),
    "nothing came": ({}, {}, [], {"no-packets"}),
    "no TCP": ({"packets": 5, "lost_not_tcp": 5}, {}, [], {"no-tcp"}),
    "no HTTP": ({"packets": 5, "segments": 5}, {"segments": 5, "segment_bytes": 9}, [], {"no-http"}),
    "TLS": (*HEALTHY[:1], HEALTHY[1] | {"tls_flows": 3}, [], {"encrypted"}),
    "kernel drops": (HEALTHY[0] | {"kernel_dropped": 1}, HEALTHY[1], [], {"kernel_drop"}),
    "second copies": ({"packets": 1100, "segments": 1000, "duplicates": 100}, HEALTHY[1], [], {"duplicates"}),
    "a mirror that loses": (*HEALTHY, [MirrorNews(0, 7, 0, -1, 900, 100, 9, 0, 0)], {"mirror-loss"}),
    "one direction": (*HEALTHY, [MirrorNews(0, 0, 0, 42, 900, 0, 9, 9, 9)], {"one-sided", "missing-syn"}),
    "wrong count": ({"packets": 1001, "segments": 1000}, HEALTHY[1], [], {"difference"}),
}


@pytest.mark.parametrize(("captured", "worked", "news", "codes"), STATES.values(), ids=STATES.keys())
def test_what_is_wrong_is_told_and_nothing_else(
    captured: dict[str, int], worked: dict[str, int], news: list[MirrorNews], codes: set[str]
) -> None:
    capture, worker = CounterPage.private(CAPTURE), CounterPage.private(WORKER)
    for page, counts in ((capture, captured), (worker, worked)):
        for name, count in counts.items():
            page.set(name, count)
    tallies = Tallies(sources=("eth1",))
    tallies.add_mirror_news(news)
    told = mirror_health((ProcessPage("c", "capture", capture), ProcessPage("w", "worker", worker)), tallies)
    assert {advice["code"] for advice in told["advice"]} == codes
    assert [place["seen_bytes"] for place in told["places"]] == [row.seen_bytes for row in news]


def test_what_capture_processes_noted_is_told_in_its_order() -> None:
    capture, worker = CounterPage.private(CAPTURE), CounterPage.private(WORKER)
    capture.set("packets", 5)
    notes = [Note.private(), Note.private()]
    advice = {"code": "filtered", "where": "eth1", "what": "What.", "todo": "Do."}
    notes[1].write(json.dumps({"frames": 9, "advice": [advice | {"level": "note"}, advice | {"level": "problem"}]}).encode())
    pages = (ProcessPage("c", "capture", capture), ProcessPage("w", "worker", worker))
    told = mirror_health(pages, Tallies(sources=("eth1",)), notes)["advice"]
    assert [one["level"] for one in told if one["code"] == "filtered"] == ["problem", "note"]
    assert told[-1]["level"] == "note"


def test_each_trouble_is_a_reason_of_the_ledger_of_packets() -> None:
    packets, *_ = read_ledgers([], [])
    assert packets.reasons.keys() >= TROUBLE.keys()
