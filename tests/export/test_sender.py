from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tcpmirror.export.client import CloudClient
from tcpmirror.export.delivery import BackOff
from tcpmirror.export.sender import Sender
from tcpmirror.export.spool import Spool
from tcpmirror.model.report import encode_report
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import EXPORTER
from tests.export import cloud as answers
from tests.export.cloud import TOKEN, TestCloud
from tests.export.reports import numbered_report
from tests.export.test_client import IDENTITY

Eventually = Callable[..., None]


@dataclass
class Road:
    """A spool, the sender that empties it, and its counters."""

    spool: Spool
    sender: Sender
    counters: CounterPage

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.spool.append(encode_report(numbered_report(number)))
        self.sender.rounds.wake()

    @property
    def is_empty(self) -> bool:
        return self.spool.reader().backlog == 0


def road_to(url: str, directory: Path, batch_reports: int = 10, interval_s: float = 0.05, timeout_s: float = 0.3) -> Road:
    client = CloudClient(
        url=url, token=TOKEN, identity=IDENTITY, credential_path=directory / "node.json", timeout_s=timeout_s, direct=True
    )
    spool = Spool(directory / "spool", 1 << 26, 1 << 20, fsync=False)
    counters = CounterPage.private(EXPORTER)
    back_off = BackOff(first_s=0.02, limit_s=0.1)
    return Road(
        spool, Sender(spool.reader(), client, counters, batch_reports, interval_s, lambda: {"alive": 1}, back_off), counters
    )


@pytest.fixture
def road(cloud: TestCloud, tmp_path: Path) -> Iterator[Road]:
    made = road_to(cloud.url, tmp_path)
    made.sender.start()
    yield made
    assert made.sender.rounds.finish(30.0)


def ids(*numbers: int) -> set[str]:
    return {f"{number:032x}" for number in numbers}


def test_what_is_spooled_arrives(cloud: TestCloud, road: Road, eventually: Eventually) -> None:
    road.add(*range(25))
    eventually(lambda: road.is_empty)
    assert set(cloud.stored) == ids(*range(25))
    assert (road.counters.get("reports_sent"), road.counters.get("cloud_up")) == (25, 1)


def test_a_node_shows_itself_before_it_has_anything_to_report(cloud: TestCloud, road: Road, eventually: Eventually) -> None:
    eventually(lambda: cloud.heartbeats == [{"alive": 1}])


def test_few_reports_wait_for_more_as_long_as_the_interval(cloud: TestCloud, tmp_path: Path, eventually: Eventually) -> None:
    road = road_to(cloud.url, tmp_path, batch_reports=3, interval_s=600.0, timeout_s=20.0)
    road.add(0)
    road.sender.start()
    eventually(lambda: road.counters.get("reports_sent") == 1)  # what comes after a pause goes at once
    road.add(1, 2)
    assert len(cloud.stored) == 1
    road.add(3)
    eventually(lambda: len(cloud.stored) == 4)
    assert len(cloud.batches) == 2
    assert road.sender.rounds.finish(30.0)


FAULTS = {
    "server error": answers.status(500),
    "asked to wait": answers.status(429, Retry_After="0"),
    "reset": answers.reset,
    "garbage": answers.garbage,
    "not HTTP": answers.not_http,
    "silence": answers.silent(1.0),
    "unauthorised": answers.status(401),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_no_fault_loses_a_report(cloud: TestCloud, road: Road, eventually: Eventually, fault: object) -> None:
    cloud.scripted.extend([fault, fault])
    road.add(*range(5))
    eventually(lambda: road.is_empty)
    assert set(cloud.stored) == ids(*range(5))
    assert road.counters.get("batch_failures") > 0
    assert cloud.duplicates == 0


def test_a_batch_stored_without_a_receipt_comes_again_under_its_id(
    cloud: TestCloud, road: Road, eventually: Eventually
) -> None:
    cloud.scripted.append(answers.stored_and_reset)
    road.add(1, 2)
    eventually(lambda: road.is_empty)
    first, second = cloud.batches
    assert first == second
    assert set(cloud.stored) == ids(1, 2)


def test_the_cloud_is_left_alone_as_long_as_it_asks(cloud: TestCloud, road: Road, eventually: Eventually) -> None:
    cloud.scripted.append(answers.status(429, Retry_After="1"))
    road.add(1)
    eventually(lambda: road.is_empty)
    first, second = [at for path, at in cloud.calls if path == "/api/v1/batches"]
    assert second - first >= 1.0


@pytest.mark.parametrize("code", [400, 413])
def test_one_bad_report_does_not_hold_up_the_others(cloud: TestCloud, road: Road, eventually: Eventually, code: int) -> None:
    bad = f"{6:032x}"
    cloud.refuses = lambda reports: code if any(report["id"] == bad for report in reports) else 0
    road.add(*range(10))
    eventually(lambda: road.is_empty)
    assert set(cloud.stored) == ids(*range(10)) - {bad}
    (line,) = (road.spool.directory / "rejected.jsonl").read_text().splitlines()
    assert str(code) in json.loads(line)["reason"]
    assert (road.counters.get("batch_rejected"), road.counters.get("reports_sent")) == (1, 9)


def test_a_batch_that_is_too_large_as_a_whole_arrives_in_parts(cloud: TestCloud, road: Road, eventually: Eventually) -> None:
    cloud.refuses = lambda reports: 413 if len(reports) > 3 else 0
    road.add(*range(10))
    eventually(lambda: road.is_empty)
    assert set(cloud.stored) == ids(*range(10))
    assert road.counters.get("batch_rejected") == 0


def test_a_spooled_record_that_is_no_report_is_set_aside(cloud: TestCloud, road: Road, eventually: Eventually) -> None:
    road.spool.append(b"no report")
    road.add(1)
    eventually(lambda: road.is_empty)
    assert set(cloud.stored) == ids(1)
    assert road.counters.get("batch_rejected") == 1


def test_a_node_the_cloud_forgot_registers_and_goes_on(cloud: TestCloud, tmp_path: Path, eventually: Eventually) -> None:
    first = road_to(cloud.url, tmp_path)
    first.sender.start()
    first.add(1)
    eventually(lambda: first.is_empty)
    assert first.sender.rounds.finish(30.0)
    first.spool.close()
    cloud.forget_nodes()
    second = road_to(cloud.url, tmp_path)
    second.sender.start()
    second.add(2)
    eventually(lambda: second.is_empty)
    assert set(cloud.stored) == ids(1, 2)
    assert second.sender.rounds.finish(30.0)


def test_a_cloud_that_is_away_is_counted_and_everything_waits(tmp_path: Path, eventually: Eventually) -> None:
    gone = TestCloud()
    gone.close()
    road = road_to(gone.url, tmp_path)
    road.sender.start()
    road.add(*range(5))
    eventually(lambda: road.counters.get("batch_connect_failures") >= 3)
    assert road.counters.get("cloud_up") == 0
    assert road.spool.reader().backlog == 5
    assert road.sender.rounds.finish(30.0)


def test_the_end_sends_what_is_left_without_waiting(cloud: TestCloud, tmp_path: Path) -> None:
    road = road_to(cloud.url, tmp_path, batch_reports=100, interval_s=60.0)
    road.sender.start()
    road.add(*range(7))
    assert road.sender.rounds.finish(30.0)
    assert set(cloud.stored) == ids(*range(7))


def test_the_end_does_not_wait_for_a_cloud_that_is_away(tmp_path: Path) -> None:
    gone = TestCloud()
    gone.close()
    road = road_to(gone.url, tmp_path)
    road.sender.back_off = BackOff(first_s=60.0, limit_s=60.0)
    road.sender.start()
    road.add(1)
    assert road.sender.rounds.finish(30.0)
    assert road.spool.reader().backlog == 1


def test_a_cloud_that_comes_up_beside_the_sensor_is_waited_for_quietly(
    cloud: TestCloud, tmp_path: Path, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    cloud.close()
    road = road_to(cloud.url, tmp_path)
    road.sender.start_patience_s = 30.0
    with caplog.at_level(logging.DEBUG, "tcpmirror.export.sender"):
        road.sender.start()
        eventually(lambda: len(caplog.records) >= 3)
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}
    assert road.counters.get("batch_failures") == 0
    assert road.sender.rounds.finish(30.0)
