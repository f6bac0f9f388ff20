from __future__ import annotations

import threading

import pytest

from tcpmirror.cloud.audit import AuditFilter, list_audit
from tcpmirror.cloud.database import Database, open_database
from tcpmirror.cloud.housekeeping import turn
from tcpmirror.cloud.retention import Retention, expire, used_bytes
from tests.cloud.running import ADMIN, MINUTE, NOON, READ, RunningCloud, finding, report
from tests.cloud.test_ingest import counts, shown, store

HOUR = 60 * MINUTE
GO_ON = threading.Event()


def test_old_attacks_go_and_younger_stay(database: Database) -> None:
    for number, hours in enumerate((0, 10, 20)):
        store(database, str(number), report(number, time_ns=NOON + hours * HOUR))
    store(database, "empty", report(9, findings=[], time_ns=NOON))
    assert expire(database, Retention(age_ns=15 * HOUR), NOON + 20 * HOUR, GO_ON) == 2
    assert counts(database) == {"reports": 2, "hits": 2, "attacks": 2, "facets": 6, "quarantine": 0}
    assert expire(database, Retention(age_ns=15 * HOUR), NOON + 20 * HOUR, GO_ON) == 0


def test_attack_that_goes_on_loses_old_hits_and_keeps_its_counts(database: Database) -> None:
    for number in range(6):
        store(database, str(number), report(number, time_ns=NOON + number * 50 * MINUTE))
    expire(database, Retention(age_ns=100 * MINUTE), NOON + 250 * MINUTE, GO_ON)
    (attack,) = shown(database)
    assert (attack.hits, attack.first_ns, counts(database)["hits"]) == (6, NOON, 3)


def test_without_limits_nothing_goes(database: Database) -> None:
    store(database, "a", report(1, time_ns=1))
    assert expire(database, Retention(0, 0), NOON, GO_ON) == 0
    assert counts(database)["reports"] == 1


def test_store_that_is_too_large_loses_the_oldest(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = open_database(tmp_path_factory.mktemp("store") / "cloud.db")
    for number in range(30):
        sent = [
            report(number * 100 + each, time_ns=NOON + number * HOUR + each, request_b64="QUFB" * 1_000)
            for each in range(100)
        ]
        store(database, str(number), *sent)
    full = used_bytes(database)
    gone = expire(database, Retention(0, full // 2), NOON, GO_ON)
    assert 1_000 < gone < 2_500
    assert used_bytes(database) <= full // 2
    left = shown(database)
    assert min(attack.last_ns for attack in left) > NOON + (gone // 100 - 1) * HOUR
    assert max(attack.last_ns for attack in left) == NOON + 29 * HOUR + 99
    database.close()


def test_size_is_told_for_both_kinds_of_store(database: Database) -> None:
    assert used_bytes(database) > 0


def test_batches_come_in_while_retention_is_at_work(cloud: RunningCloud) -> None:
    database = cloud.service.database
    for number in range(10):
        sent = [report(number * 500 + each, findings=[finding(point=["get", str(each)])]) for each in range(500)]
        store(database, str(number), *sent)
    at_work = threading.Thread(target=expire, args=(database, Retention(age_ns=1), NOON + 48 * HOUR, GO_ON))
    with cloud.node() as node:
        at_work.start()
        late = [node.post("/api/v1/batches", json={"batch_id": f"late{number}", "reports": [
            report(10_000 + number, time_ns=NOON + 48 * HOUR)]}).status_code for number in range(5)]  # fmt: skip
        at_work.join(60)
    assert late == [200] * 5 and not at_work.is_alive()
    assert counts(database) == {"reports": 5, "hits": 5, "attacks": 1, "facets": 3, "quarantine": 0}


def test_stop_ends_it_after_a_chunk(database: Database) -> None:
    for number in range(3):
        store(database, str(number), *(report(number * 500 + each) for each in range(500)))
    stop = threading.Event()
    stop.set()
    assert expire(database, Retention(age_ns=1), NOON + 48 * HOUR, stop) == 500


def test_refused_records_are_listed(cloud: RunningCloud) -> None:
    with cloud.node() as node, cloud.client(READ) as reader:
        node.post("/api/v1/batches", json={"batch_id": "a", "reports": [7, {"id": "<b>"}]})
        page = reader.get("/api/v1/quarantine", params={"limit": 1}).json()
        older = reader.get("/api/v1/quarantine", params={"limit": 1, "before": page["next_before"]}).json()
    assert [(one["index"], one["record"]) for one in (*page["records"], *older["records"])] == [
        (1, '{"id":"<b>"}'),
        (0, "7"),
    ]
    assert older["next_before"] is None


def test_administrators_change_what_is_kept_and_it_is_kept_so(cloud: RunningCloud) -> None:
    database = cloud.service.database
    store(database, "a", report(1, time_ns=NOON), report(2, time_ns=NOON + 72 * HOUR, host="late.example"))
    cloud.service.clock = lambda: NOON + 72 * HOUR
    with cloud.client(READ) as reader, cloud.client(ADMIN) as admin:
        assert reader.put("/api/v1/retention", json={"days": 1}).status_code == 403
        assert admin.put("/api/v1/retention", json={"days": 40_000}).status_code == 422
        shown = reader.get("/api/v1/retention").json()
        assert (shown["days"], shown["size_bytes"], shown["is_own"]) == (180, 0, False) and shown["used_bytes"] > 0
        turn(cloud.service)
        assert counts(database)["attacks"] == 2
        assert admin.put("/api/v1/retention", json={"days": 2, "size_bytes": 10**12}).status_code == 204
        shown = reader.get("/api/v1/retention").json()
        assert (shown["days"], shown["size_bytes"], shown["is_own"]) == (2, 10**12, True)
        turn(cloud.service)
        assert counts(database)["attacks"] == 1
        admin.put("/api/v1/retention", json={})
        assert reader.get("/api/v1/retention").json()["days"] == 180
    told = list_audit(database, AuditFilter(action="retention"), 9)
    assert [row.details["after"] for row in told] == [None, {"days": 2, "size_bytes": 10**12}]
