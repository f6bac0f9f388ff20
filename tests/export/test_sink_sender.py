from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tcpmirror.export.delivery import BackOff, DeliveryError, RefusedError
from tcpmirror.export.sink_sender import SinkSender, sink_senders
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.selection import Selection
from tcpmirror.export.spool import Spool
from tcpmirror.export.tallies import SinkTally, Tallies
from tcpmirror.model.report import encode_report
from tcpmirror.settings import tree
from tests.export.reports import numbered_report

Eventually = Callable[..., None]


@dataclass
class Addressee:
    """Keeps what it is given; *faults* come first, reports in *unwanted* are refused."""

    taken: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    unwanted: frozenset[str] = frozenset()

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        self.batches.append(batch_id)
        if self.faults:
            raise self.faults.pop(0)
        if self.unwanted & {hit.report.id for hit in hits}:
            raise RefusedError("no")
        self.taken += [hit.report.id for hit in hits]

    def close(self) -> None: ...


@dataclass
class Road:
    spool: Spool
    addressee: Addressee
    sender: SinkSender

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.spool.append(encode_report(numbered_report(number)))
        self.sender.rounds.wake()


@pytest.fixture
def make_road(tmp_path: Path) -> Iterator[Callable[..., Road]]:
    made: list[Road] = []

    def make(selection: Selection | None = None, **addressee: object) -> Road:
        spool = Spool(tmp_path / "spool", 1 << 24, 1 << 20, fsync=False, names=("cloud", "siem"))
        to = Addressee(**addressee)
        sender = SinkSender(
            spool.reader("siem"), to, selection or Selection(), SinkTally(), 10, 0.02, BackOff(first_s=0.02, limit_s=0.1)
        )
        made.append(Road(spool, to, sender))
        sender.start()
        return made[-1]

    yield make
    for road in made:
        assert road.sender.rounds.finish(30.0)


def ids(*numbers: int) -> list[str]:
    return [f"{number:032x}" for number in numbers]


def test_a_sink_gets_every_report_in_order(make_road: Callable[..., Road], eventually: Eventually) -> None:
    road = make_road()
    road.add(*range(25))
    eventually(lambda: road.addressee.taken == ids(*range(25)))
    eventually(lambda: (road.sender.tally.sent, road.sender.tally.backlog) == (25, 0))


def test_a_failed_delivery_is_tried_again_under_its_id(make_road: Callable[..., Road], eventually: Eventually) -> None:
    road = make_road(faults=[DeliveryError("x", "dns"), DeliveryError("x", "timeout")])
    road.add(1, 2)
    eventually(lambda: road.addressee.taken == ids(1, 2))
    assert len(road.addressee.batches) == 3
    assert len(set(road.addressee.batches)) == 1
    eventually(lambda: road.sender.tally.up == 1)
    assert {word: n for word, n in road.sender.tally.failures.items() if n} == {"dns": 1, "timeout": 1}


def test_a_refused_report_is_set_aside_and_holds_up_nobody(make_road: Callable[..., Road], eventually: Eventually) -> None:
    road = make_road(unwanted=frozenset(ids(3)))
    road.add(*range(8))
    eventually(lambda: road.addressee.taken == ids(0, 1, 2, 4, 5, 6, 7))
    eventually(lambda: road.sender.tally.rejected == 1)
    (line,) = (road.spool.directory / "rejected-siem.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "no"


def test_what_it_did_not_ask_for_is_passed_without_a_call(make_road: Callable[..., Road], eventually: Eventually) -> None:
    road = make_road(Selection(types=("xss",)))
    road.add(1, 2)
    eventually(lambda: road.spool.reader("siem").backlog == 0)
    assert road.addressee.batches == []
    assert road.spool.reader("cloud").backlog == 2


def test_a_record_that_is_no_report_holds_up_nobody(make_road: Callable[..., Road], eventually: Eventually) -> None:
    road = make_road()
    road.spool.append(b"no report")
    road.add(1)
    eventually(lambda: road.addressee.taken == ids(1))


def test_settings_become_senders(tmp_path: Path) -> None:
    sinks = (
        tree.Sink(name="audit", type="file", url=str(tmp_path / "hits.jsonl"), types=("sqli",)),
        tree.Sink(name="siem", type="syslog", url="udp://127.0.0.1:514", batch_interval_ns=tree.SECOND),
    )
    spool = Spool(tmp_path / "spool", 1 << 24, 1 << 20, names=("cloud", "audit", "siem"))
    tallies = Tallies()
    made = sink_senders(sinks, spool, tallies, "0.1")
    assert [sender.reader.name for sender in made] == ["audit", "siem"]
    assert made[0].selection == Selection(types=("sqli",))
    assert set(tallies.sinks) == {"audit", "siem"}
