"""Sessions' road: from exchanges through workers, the exporter and the cloud to what the API says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tcpmirror.cloud.sessions.intake import KEPT_NS, forget_old_sessions
from tcpmirror.export.client import CloudClient, Identity
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.processes.session_news import SessionNews
from tcpmirror.processes.session_outbox import SessionOutbox
from tcpmirror.settings.tree import Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER
from tests.behavior.exchanges import NOON, every, exchange
from tests.cloud.running import DEPLOY, READ, RunningCloud

SQLI = Finding("sqli", ("get", "q"), "' or 1=1", "r", 0.9)


def noted(exchanges: Iterable[Exchange], workers: int = 2, outbox: SessionOutbox | None = None) -> SessionOutbox:
    outbox, page = outbox or SessionOutbox(), CounterPage.private(WORKER)
    news = [SessionNews(Settings(), page) for _ in range(workers)]
    for number, each in enumerate(exchanges):
        request = each.request
        assert request is not None
        news[number % workers].observe(each, [SQLI] if b"or" in request.target else [])
    for worker in news:
        for record in worker.records(1 << 20):
            outbox.add(record)
    assert page.get("bugs") == 0
    return outbox


def sent(cloud: RunningCloud, directory: Path, outbox: SessionOutbox) -> None:
    cloud.service.clock = lambda: NOON + 3600 * 10**9  # sessions of last week are not taken
    identity = Identity("n", "", "1", "tcp-capture", "h")
    client = CloudClient(url=cloud.url, token=DEPLOY, identity=identity, credential_path=directory / "node")
    while (call := outbox.next()) is not None:
        client.send_digests(call[0], outbox.path)
        client.send_digests(call[0], outbox.path)  # the answer was lost
        outbox.done()
    client.close()


def visits() -> list[Exchange]:
    bob = every(1.0, 12, target=lambda n: f"/items/{1000 + n}", Cookie="sid=bobs", status=lambda n: 404 if n == 3 else 200)
    attack = exchange("/items?q=' or 1=1", at_s=20.0, Cookie="sid=bobs", status=500)
    eve = every(1.0, 3, target="/login", client="198.51.100.9", host="other.example")
    return [*bob, attack, *eve]


def test_sessions_come_to_the_cloud_once_with_their_time_line(tmp_path: Path) -> None:
    with RunningCloud(tmp_path) as cloud:
        sent(cloud, tmp_path, noted(visits()))
        with cloud.client(READ) as reader:
            page = reader.get("/api/v1/sessions?sort=requests").raise_for_status().json()
            bob, eve = page["sessions"]
            detail = reader.get(f"/api/v1/sessions/{bob['key']}").raise_for_status().json()
            lines = reader.get(f"/api/v1/sessions/{bob['key']}/events.csv").raise_for_status().text.splitlines()
            missing = reader.get("/api/v1/sessions/0000000000000000-1").status_code
    assert (page["total"], bob["requests"], bob["errors"], bob["attacks"], bob["types"]) == (2, 13, 2, 1, ["sqli"])
    assert (bob["kind"], eve["kind"], eve["sources"]) == ("cookie sid", "address and user agent", ["198.51.100.9"])
    assert detail["endpoints"] == {"GET shop.example/items/{}": 12, "GET shop.example/items": 1}
    assert detail["statuses"] == {"2xx": 11, "4xx": 1, "5xx": 1}
    assert (detail["events"][0]["attacks"], detail["events"][0]["path"]) == (["sqli"], "/items")
    assert len(detail["events"]) == 13 and len(lines) == 14
    assert detail["days"] == [bob["key"]]
    assert missing == 404


FILTERS = {
    "attacks only": ("attacks_only=true", {"cookie sid"}),
    "of a type": ("attack=sqli", {"cookie sid"}),
    "of no such type": ("attack=xss", set()),
    "a source": ("source=198.51.100.9", {"address and user agent"}),
    "part of a source is none": ("source=198.51.100", set()),
    "text": ("text=198.51", {"address and user agent"}),
    "a wildcard is a letter": ("text=%25", set()),
    "a host": ("host=shop.example", {"cookie sid"}),
    "too late": ("since=2100-01-01T00:00:00Z", set()),
}


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("cloud")
    with RunningCloud(directory) as cloud:
        sent(cloud, directory, noted(visits()))
        yield cloud


@pytest.mark.parametrize(("query", "kinds"), FILTERS.values(), ids=FILTERS)
def test_lists_are_filtered(listing: RunningCloud, query: str, kinds: set[str]) -> None:
    with listing.client(READ) as reader:
        page = reader.get(f"/api/v1/sessions?{query}").raise_for_status().json()
    assert {row["kind"] for row in page["sessions"]} == kinds
    assert page["total"] == len(kinds)


def test_sessions_go_after_seven_days(tmp_path: Path) -> None:
    with RunningCloud(tmp_path) as cloud:
        sent(cloud, tmp_path, noted(visits()))
        for at_ns, left in ((NOON + KEPT_NS, 2), (NOON + KEPT_NS + 3600 * 10**9, 0)):
            forget_old_sessions(cloud.service.database, at_ns)
            with cloud.client(READ) as reader:
                assert reader.get("/api/v1/sessions").json()["total"] == left


def test_withheld_attacks_are_in_no_digest(tmp_path: Path) -> None:
    with RunningCloud(tmp_path) as cloud:
        sent(cloud, tmp_path, noted(visits(), outbox=SessionOutbox(withhold_attacks=True)))
        with cloud.client(READ) as reader:
            page = reader.get("/api/v1/sessions?sort=requests").json()
            detail = reader.get(f"/api/v1/sessions/{page['sessions'][0]['key']}").json()
    assert sum(row["attacks"] for row in page["sessions"]) == 0
    assert detail["requests"] == 13
    assert "sqli" not in str(detail)
