from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from tcpmirror.cloud.batch import parse_batch
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ingest import store_batch
from tcpmirror.cloud.nodes import record_heartbeat, register_node
from tcpmirror.cloud.schema import traffic
from tcpmirror.cloud.trends import BUCKET_NS, KEPT_BUCKETS, trend
from tests.cloud.running import MINUTE, NOON, finding, report

HOUR = 60 * MINUTE
START = NOON - NOON % HOUR


@pytest.fixture
def beat(database: Database) -> Callable[..., None]:
    about = dict.fromkeys(("name", "group_name", "version", "mode", "hostname"), "n")
    node = register_node(database, about, START).node_id

    def tell(minutes: int, requests: Any, coverage: Any = 1.0) -> None:
        record_heartbeat(database, node, {"worker_exchanges": requests, "coverage": coverage}, START + minutes * MINUTE)

    return tell


def test_hits_are_counted_at_their_own_times_by_type(database: Database) -> None:
    both = [finding(), finding(type="xss")]
    sent = [report(number, time_ns=START + number * 20 * MINUTE, findings=both[: 1 + number % 2]) for number in range(6)]
    for name in ("a", "b"):  # the second time every report is known
        store_batch(database, "n1", parse_batch(orjson.dumps({"batch_id": name, "reports": sent})), START)
    found = trend(database, 2 * HOUR, 2, START + 2 * HOUR - 1)
    assert [step.hits for step in found.steps] == [{"sqli": 3, "xss": 1}, {"sqli": 3, "xss": 2}]
    assert (found.by_type, found.step_ns, found.steps[0].start_ns) == ({"sqli": 6, "xss": 3}, HOUR, START)


def test_requests_are_the_rise_between_heartbeats(database: Database, beat: Callable[..., None]) -> None:
    beat(1, 100)
    beat(2, 150, 0.75)
    beat(7, 400)
    beat(8, 30)  # its workers began anew
    found = trend(database, 15 * MINUTE, 3, START + 14 * MINUTE)
    assert [(step.requests, step.coverage) for step in found.steps] == [(50, 0.75), (280, 1.0), (0, None)]
    assert (found.requests, found.coverage) == (330, 0.75)


def test_what_came_in_over_a_long_silence_is_told_to_no_bucket(database: Database, beat: Callable[..., None]) -> None:
    beat(1, 100)
    beat(600, 1_000_000)
    beat(601, 1_000_010)
    assert trend(database, HOUR, 4, START + 601 * MINUTE).requests == 10


@pytest.mark.parametrize("odd", [None, "many", -5, 2**63, 1.5, True])
def test_odd_heartbeats_count_nothing(database: Database, beat: Callable[..., None], odd: Any) -> None:
    beat(1, odd, odd)
    beat(2, 7, "all")
    beat(3, 9, "all")
    found = trend(database, 5 * MINUTE, 1, START + 2 * MINUTE)
    assert found.requests == (9 if type(odd) is int else 2)
    assert found.coverage in (None, 1.0)


def test_buckets_that_are_too_old_are_forgotten(database: Database, beat: Callable[..., None]) -> None:
    beat(1, 1)
    later = KEPT_BUCKETS * BUCKET_NS // MINUTE + 10
    beat(later, 2)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(traffic)).scalar_one() == 1
