"""Behaviour's road: packets or exchanges to a worker's counters, through the exporter, to an attack in the cloud."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zstandard

from tcpmirror.behavior.counter import Counter, CounterKey, Slot
from tcpmirror.behavior.record import encode_rows, records
from tcpmirror.export.client import CloudClient, Identity
from tcpmirror.model.exchange import Exchange
from tcpmirror.processes.behavior_news import BehaviorNews
from tcpmirror.processes.behavior_outbox import BehaviorOutbox
from tcpmirror.processes.judging import Judge
from tcpmirror.processes.learning import Learning
from tcpmirror.settings.tree import Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER
from tests.behavior.exchanges import NOON, every
from tests.cloud.running import DEPLOY, READ, RunningCloud

SETTINGS = Settings()


def counted(exchanges: Iterable[Exchange], workers: int = 1) -> BehaviorOutbox:
    """Return the outbox of a sensor whose *workers* took turns with *exchanges*."""
    outbox, page = BehaviorOutbox(), CounterPage.private(WORKER)
    judges: list[tuple[Judge, BehaviorNews]] = []
    reporter = Judge(SETTINGS, None, lambda exchange, findings: None, page)
    for _ in range(workers):
        news = BehaviorNews(SETTINGS, page, reporter.report)
        judges.append(
            (Judge(SETTINGS, None, lambda exchange, findings: None, page, learn=Learning(page, behavior=news)), news)
        )
    for number, each in enumerate(exchanges):
        judges[number % workers][0](each)
    for _, news in judges:
        for record in news.records(1 << 20):
            outbox.add(record)
    assert page.get("bugs") == 0
    return outbox


def logins(numbers: Iterable[int]) -> list[Exchange]:
    made = list(
        every(
            0.5,
            60,
            target="/login",
            method="POST",
            status=401,
            body=lambda number: b'{"user":"u","password":"p%d"}' % number,
        )
    )
    return [made[number] for number in numbers]


def sensor(cloud: RunningCloud, directory: Path, name: str) -> CloudClient:
    identity = Identity(name, "", "1", "tcp-capture", name)
    return CloudClient(url=cloud.url, token=DEPLOY, identity=identity, credential_path=directory / name)


def attacks(cloud: RunningCloud) -> list[dict[str, Any]]:
    """Return the brute force attacks; that all of it is aimed at one account is another."""
    with cloud.client(READ) as reader:
        found: list[dict[str, Any]] = reader.get("/api/v1/attacks").raise_for_status().json()["attacks"]
    return [attack for attack in found if attack["type"] == "brute"]


def test_a_brute_force_is_one_attack_with_a_few_of_its_requests(tmp_path: Path) -> None:
    outbox = counted(logins(range(60)), workers=3)
    with RunningCloud(tmp_path) as cloud:
        client = sensor(cloud, tmp_path, "one")
        while (call := outbox.next()) is not None:
            client.send_digests(call[0], outbox.path)
            client.send_digests(call[0], outbox.path)  # the answer was lost
            outbox.done()
        client.close()
        (found,) = attacks(cloud)
        with cloud.client(READ) as reader:
            hits = reader.get(f"/api/v1/attacks/{found['id']}/hits").raise_for_status().json()["hits"]
    assert (found["type"], found["host"], found["path"]) == ("brute", "shop.example", "/login")
    assert found["hits"] == 50
    assert 1 <= len(hits) <= 8


def test_two_sensors_that_each_see_half_of_a_brute_force_detect_it_as_one(tmp_path: Path) -> None:
    """Sixteen guesses in eight seconds, eight at each: neither sees more than the ten that are accepted."""
    halves = [counted(logins(range(start, 16, 2))) for start in (0, 1)]
    with RunningCloud(tmp_path) as cloud:
        for number, outbox in enumerate(halves):
            assert attacks(cloud) == []
            client = sensor(cloud, tmp_path, str(number))
            call = outbox.next()
            assert call is not None
            client.send_digests(call[0], outbox.path)
            client.close()
        (found,) = attacks(cloud)
    assert (found["type"], found["hits"]) == ("brute", 6)


def test_an_attack_that_goes_on_stays_one_and_counts_on(tmp_path: Path) -> None:
    with RunningCloud(tmp_path) as cloud:
        client = sensor(cloud, tmp_path, "one")
        for start in range(0, 60, 20):
            outbox = counted(logins(range(start, start + 20)))
            call = outbox.next()
            assert call is not None
            client.send_digests(call[0], outbox.path)
        client.close()
        (found,) = attacks(cloud)
    assert found["hits"] == 50


def few(subject: str, count: int) -> bytes:
    key = CounterKey("c", "brute", "requests", 30 * 10**9, 1000, subject, "h", "/")
    (rows,) = records([Counter(key, {NOON // key.slot_ns: Slot(count, NOON, NOON)})], 1 << 20)
    return encode_rows("id", rows)


def test_what_stays_far_below_a_threshold_is_not_sent() -> None:
    outbox = BehaviorOutbox()
    outbox.add(few("a", 100))
    assert outbox.next() is None
    outbox.add(few("a", 100))
    assert outbox.next() is not None


def test_a_flood_of_subjects_is_bounded_and_hides_nobody() -> None:
    outbox = BehaviorOutbox(limit=1000)
    outbox.add(few("steady", 120))
    for number in range(5000):
        outbox.add(few(f"s{number}", 1))
    assert len(outbox) <= 1001
    assert outbox.dropped > 3000
    outbox.add(few("steady", 120))
    call = outbox.next()
    assert call is not None and call[1] == 1


def test_attacks_withheld_are_logged_and_not_sent(caplog) -> None:  # type: ignore[no-untyped-def]
    outbox = BehaviorOutbox(withhold=True)
    for _ in range(3):
        outbox.add(few("203.0.113.9", 2000))
    assert outbox.next() is None
    (line,) = caplog.records
    assert (line.getMessage(), line.type, line.real_ip) == ("attack", "brute", "203.0.113.9")


def test_a_field_that_only_answers_know_is_an_attack_in_the_cloud(tmp_path: Path) -> None:
    answer = b'{"id": 1, "name": "n", "role": "user", "isAdmin": false}'
    sent = [
        *every(1.0, 5, target="/api/users/1", answer=answer),
        *every(1.0, 30, target="/api/users/1", method="PATCH", body=lambda n: b'{"name":"n%d"}' % n),
        *every(1.0, 1, target="/api/users/1", method="PATCH", body=b'{"name":"n","isAdmin":true}'),
    ]
    with RunningCloud(tmp_path) as cloud:
        client = sensor(cloud, tmp_path, "one")
        call = counted(sent).next()
        assert call is not None
        client.send_digests(call[0], BehaviorOutbox.path)
        client.close()
        with cloud.client(READ) as reader:
            (attack,) = reader.get("/api/v1/attacks").raise_for_status().json()["attacks"]
    assert (attack["type"], attack["path"], attack["hits"]) == ("mass_assignment", "/api/users/{}", 1)


def test_two_sensors_that_each_know_half_of_what_is_usual_tell_of_large_answers_together(tmp_path: Path) -> None:
    sent = [*every(1.0, 300, target="/export"), *every(0.5, 60, target="/export", client="192.0.2.66")]
    for number, each in enumerate(sent):
        assert each.request is not None
        assert each.response is not None
        late = 400 * 10**9 if number >= 300 else 0
        for message in (each.request, each.response):
            message.time_ns += late
            message.end_ns += late
        each.response.body_length = 900_000 if late else 1_500
    with RunningCloud(tmp_path) as cloud:
        for half in (0, 1):
            client = sensor(cloud, tmp_path, str(half))
            outbox = counted(sent[half::2], workers=2)
            while (call := outbox.next()) is not None:
                client.send_digests(call[0], outbox.path)
                outbox.done()
            client.close()
        with cloud.client(READ) as reader:
            (attack,) = reader.get("/api/v1/attacks").raise_for_status().json()["attacks"]
    assert (attack["type"], attack["path"], attack["hits"]) == ("api_abuse", "/export", 40)


def test_a_cloud_that_is_sent_what_is_still_to_be_asked_about_leaves_it_out(tmp_path: Path) -> None:
    key = CounterKey("c", "credential_stuffing", "unchecked", 60 * 10**9, 3, "192.0.2.1", "h", "/", (), 0, "f" * 40)
    (rows,) = records([Counter(key, {NOON // key.slot_ns: Slot(900, NOON, NOON)})], 1 << 20)
    with RunningCloud(tmp_path) as cloud:
        client = sensor(cloud, tmp_path, "one")
        client.send_digests(zstandard.ZstdCompressor().compress(encode_rows("id", rows)), BehaviorOutbox.path)
        client.close()
        assert attacks(cloud) == []
    assert b"f" * 40 not in (tmp_path / "cloud.db").read_bytes()
