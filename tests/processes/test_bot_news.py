"""Bots on their road: from a worker's profiles through the exporter to attacks in the cloud, with the votes as evidence."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tcpmirror.export.client import CloudClient, Identity
from tcpmirror.model.exchange import Exchange
from tcpmirror.processes import behavior_outbox
from tcpmirror.processes.behavior_news import BehaviorNews
from tcpmirror.processes.behavior_outbox import BehaviorOutbox
from tcpmirror.processes.judging import Judge
from tcpmirror.processes.learning import Learning
from tcpmirror.settings.tree import Behavior, ProfileException, Profiles, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER
from tests.behavior.exchanges import exchange
from tests.behavior.test_bots import PYTHON, crawler, person, rotating, scraper
from tests.cloud.running import DEPLOY, READ, RunningCloud

SETTINGS = Settings(behavior=Behavior(profiles=Profiles(sensitivity="normal")))


class Sensor:
    """Workers that take turns with exchanges, and the outbox of their exporter."""

    def __init__(self, settings: Settings = SETTINGS, workers: int = 2, withhold: bool = False) -> None:
        self.outbox, self._page = BehaviorOutbox(withhold), CounterPage.private(WORKER)
        reporter = Judge(settings, None, lambda exchange, findings: None, self._page)
        self._news = [BehaviorNews(settings, self._page, reporter.report) for _ in range(workers)]
        self._judges = [
            Judge(settings, None, lambda exchange, findings: None, self._page, learn=Learning(self._page, behavior=news))
            for news in self._news
        ]

    def see(self, exchanges: Iterable[Exchange]) -> None:
        """Judge *exchanges*; what was counted is handed on now and then."""
        for number, each in enumerate(exchanges):
            self._judges[number % len(self._judges)](each)
            if number % 50 == 49:
                self.hand_on()
        self.hand_on()
        assert self._page.get("bugs") == 0

    def hand_on(self) -> None:
        for news in self._news:
            for record in news.records(1 << 20):
                self.outbox.add(record)

    def tell(self, cloud: RunningCloud, directory: Path, name: str = "one") -> int:
        """Make all calls to the cloud, each twice as if its answer was lost; return how many."""
        identity = Identity(name, "", "1", "tcp-capture", name)
        client = CloudClient(url=cloud.url, token=DEPLOY, identity=identity, credential_path=directory / name)
        calls = 0
        while (call := self.outbox.next()) is not None:
            for _ in range(2):
                client.send_digests(call[0], self.outbox.path)
            self.outbox.done()
            calls += 1
        client.close()
        return calls


@pytest.fixture(autouse=True)
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behavior_outbox, "PROFILES_EVERY_S", 0.0)


def bots(cloud: RunningCloud) -> list[dict[str, Any]]:
    """Return the attacks that profiles made, each with its hits; what controls tell of the same traffic is left out."""
    with cloud.client(READ) as reader:
        attacks: list[dict[str, Any]] = reader.get("/api/v1/attacks").raise_for_status().json()["attacks"]
        for attack in attacks:
            attack["all_hits"] = reader.get(f"/api/v1/attacks/{attack['id']}/hits").raise_for_status().json()["hits"]
    return [attack for attack in attacks if attack["all_hits"][0]["rule"] == "profiles"]


def test_a_scraper_is_an_attack_with_its_votes_and_its_requests(tmp_path: Path) -> None:
    sensor = Sensor()
    with RunningCloud(tmp_path) as cloud:
        sensor.see(scraper(4.0, 300, PYTHON, lambda number: "192.0.2.7"))
        assert sensor.tell(cloud, tmp_path) > 0
        (attack,) = bots(cloud)
        assert (attack["type"], attack["host"], attack["last_source"]) == ("scraping", "shop.example", "192.0.2.7")
        assert 200 <= attack["hits"] <= 270
        hit = attack["all_hits"][0]
        assert "votes: " in hit["payloads"][0] and "bad_agent 1 (normal 0.05)" in hit["payloads"][0]
        # More of the same is the same attack.
        sensor.see(scraper(4.0, 380, PYTHON, lambda number: "192.0.2.7"))
        sensor.tell(cloud, tmp_path)
        (again,) = bots(cloud)
        assert again["id"] == attack["id"] and again["hits"] > attack["hits"]


def test_a_crawler_is_no_scraper(tmp_path: Path) -> None:
    sensor = Sensor()
    with RunningCloud(tmp_path) as cloud:
        sensor.see(crawler())
        sensor.tell(cloud, tmp_path)
        assert {attack["type"] for attack in bots(cloud)} == {"security_crawlers"}


def test_two_sensors_that_see_half_of_a_scraper_find_it_together(tmp_path: Path) -> None:
    whole = list(scraper(20.0, 170, PYTHON, rotating))
    one, other = Sensor(workers=1), Sensor(workers=1)
    with RunningCloud(tmp_path) as cloud:
        one.see(whole[::2])
        one.tell(cloud, tmp_path, "one")
        assert bots(cloud) == []
        other.see(whole[1::2])
        other.tell(cloud, tmp_path, "other")
        (attack,) = bots(cloud)
        assert attack["type"] == "scraping" and attack["hits"] > 60


def test_people_are_not_told_of(tmp_path: Path) -> None:
    sensor = Sensor()
    with RunningCloud(tmp_path) as cloud:
        sensor.see(person(Random(3)))
        sensor.tell(cloud, tmp_path)
        assert bots(cloud) == []


def test_nobody_looks_where_it_is_off() -> None:
    sensor = Sensor(Settings())
    sensor.see(scraper(4.0, 300, PYTHON, lambda number: "192.0.2.7"))
    assert not any(key.unit == "profile" for key in sensor.outbox._histories)
    assert len(sensor.outbox._profiles) == 0


@pytest.mark.parametrize(
    "exception",
    [
        ProfileException(networks=("192.0.2.0/24",)),
        ProfileException(host="*.example", path="/item/*"),
        ProfileException(path="~^/item/[{0-9]", networks=("192.0.2.7",)),
    ],
    ids=["an address", "a path of a host", "a path for an address"],
)
def test_who_is_an_exception_is_left_out(exception: ProfileException) -> None:
    profiles = Profiles(sensitivity="paranoid", exceptions=(ProfileException(host="other.example"), exception))
    sensor = Sensor(Settings(behavior=Behavior(profiles=profiles)))
    sensor.see(scraper(4.0, 300, PYTHON, lambda number: "192.0.2.7"))
    assert len(sensor.outbox._profiles) == 0
    sensor.see([exchange("/other", client="198.51.100.1")])
    assert len(sensor.outbox._profiles) > 0


def test_what_is_withheld_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    sensor = Sensor(withhold=True)
    sensor.see(scraper(4.0, 300, PYTHON, lambda number: "192.0.2.7"))
    with caplog.at_level(logging.WARNING, "tcpmirror.attacks"):
        assert sensor.outbox.next() is None
        assert sensor.outbox.next() is None
    (line,) = [record for record in caplog.records if record.__dict__.get("rule") == "profiles"]
    assert (line.__dict__["type"], line.__dict__["real_ip"]) == ("scraping", "192.0.2.7")


def test_the_exporter_keeps_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behavior_outbox, "PROFILE_SLOTS", 100)
    sensor = Sensor(workers=1)
    sensor.see(scraper(0.01, 2_000, PYTHON, lambda number: f"10.0.{number % 8}.{number % 250}"))
    assert len(sensor.outbox._new_profiles) <= 100  # what waits is bounded before any of it is looked at
    sensor.outbox.next()
    assert len(sensor.outbox._profiles) <= 100
    assert sensor.outbox._new_profiles.keys() <= {profile.key for profile in sensor.outbox._profiles}
    assert sensor.outbox.dropped > 0
