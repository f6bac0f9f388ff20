"""The inventory's road from a worker through the exporter into the cloud, and through `analyze`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tcpmirror.discovery.record import decode_rows
from tcpmirror.export.client import CloudClient, Identity
from tcpmirror.processes.analysis import Analysis
from tcpmirror.processes.api_news import ApiNews
from tcpmirror.processes.api_outbox import ApiOutbox
from tcpmirror.settings.tree import Inspection, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER
from tests.cloud.running import DEPLOY, READ, RunningCloud
from tests.discovery.exchanges import exchange
from tests.traffic import conversation, request, write_capture

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{"id": 1, "mail": "a@b.co"}'


def test_what_a_worker_learned_is_in_the_cloud(tmp_path: Path) -> None:
    page, outbox = CounterPage.private(WORKER), ApiOutbox()
    for worker in range(2):
        news = ApiNews(100, page)
        for number in range(20):
            news.observe(exchange(f"/users/{1000 + number}?page={worker}", answer={"id": number}), False)
        for record in news.records(1 << 20):
            outbox.add(record)
    assert (page.get("api_requests"), page.get("api_samples"), page.get("api_refused")) == (40, 40, 0)
    with RunningCloud(tmp_path) as cloud:
        client = CloudClient(
            url=cloud.url,
            token=DEPLOY,
            identity=Identity("n", "", "1", "tcp-capture", "h"),
            credential_path=tmp_path / "node",
        )
        call = outbox.next()
        assert call is not None and outbox.next() is call
        client.send_digests(call[0])
        client.send_digests(call[0])  # the answer was lost
        outbox.done()
        assert outbox.next() is None
        with cloud.client(READ) as reader:
            (found,) = reader.get("/api/v1/inventory/endpoints").raise_for_status().json()["endpoints"]
        client.close()
    assert (found["path"], found["requests"]) == ("/users/{user_id}", 40)


def test_what_the_cloud_has_not_taken_waits_and_merges() -> None:
    outbox = ApiOutbox()
    for _ in range(3):
        news = ApiNews(100, CounterPage.private(WORKER))
        news.observe(exchange("/a"), False)
        for record in news.records(1 << 20):
            outbox.add(record)
    call = outbox.next()
    assert call is not None and call[1] == 1


def test_records_keep_within_the_ring() -> None:
    news = ApiNews(1000, CounterPage.private(WORKER))
    for number in range(200):
        news.observe(exchange(f"/a{'b' * (number % 20)}/{'cdefghij'[number % 8]}", answer={"id": number}), False)
    records = list(news.records(4000))
    assert len(records) >= 4
    assert max(map(len, records)) <= 4000
    assert len({decode_rows(record)[0] for record in records}) == len(records)


@pytest.mark.parametrize("workers", [1, 3])
def test_analyze_prints_the_inventory_of_a_capture(tmp_path: Path, workers: int) -> None:
    talks = [
        conversation([(0, request(f"/users/{1000 + number}?full=true")), (1, ANSWER)], port=40000 + number)
        for number in range(12)
    ]
    out = io.BytesIO()
    settings = Settings(inspection=Inspection(enabled=False))
    Analysis(settings, [str(write_capture(tmp_path / "a.pcap", *talks))], workers, apis=out).run()
    (line,) = map(json.loads, out.getvalue().splitlines())
    assert (line["host"], line["method"], line["path"], line["requests"]) == ("shop.example", "GET", "/users/{user_id}", 12)
    assert line["sensitive"] == ["email"]
