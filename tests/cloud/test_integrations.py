"""Hits on their way from the store to other programs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tcpmirror.cloud import deliveries
from tcpmirror.cloud.audit import Actor, AuditFilter, list_audit
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.deliveries import Deliveries, send_trial
from tcpmirror.cloud.ignore_rules import NameTaken
from tcpmirror.cloud.integrations import (
    LEASE_NS,
    TYPES,
    BadIntegration,
    checked,
    claim,
    create_integration,
    example_hits,
    give_up,
    list_integrations,
    remove_integration,
    shown,
    sink_of,
)
from tcpmirror.cloud.service import Service
from tests.cloud.running import ADMIN, ANALYST, NOON, RunningCloud, finding, report
from tests.cloud.test_ingest import store

MARIA = Actor("maria")
TOKEN = "hook-token"


class Receiver(ThreadingHTTPServer):
    """Takes webhooks; answers with the first of ``answers`` while there are any, else with 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.answers: list[int] = []
        self.taken: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/secret-path"

    @property
    def payloads(self) -> list[str]:
        return [one["details"]["hit"]["payloads"][0] for one in self.taken]


class _Call(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = self.server.answers.pop(0) if self.server.answers else 200
        if answer == 200 and self.headers["authorization"] == f"Bearer {TOKEN}":
            self.server.taken += body
        self.send_response(answer)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests look at what was taken."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def hook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"name": "hook", "type": "webhook", "url": receiver.url, "token": TOKEN, "timeout": "20s"} | more


@pytest.fixture
def sending(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deliveries]:
    """Yield deliveries whose turns are the test's."""
    monkeypatch.setattr(deliveries, "INTERVAL_S", 3_600.0)
    made = Deliveries(Service(database, clock=iter(range(NOON, 2**62, 120 * 10**9)).__next__))
    yield made
    made.close()


def test_hits_stored_from_now_on_are_sent_once(database: Database, receiver: Receiver, sending: Deliveries) -> None:
    store(database, "before", report(1))
    create_integration(database, hook(receiver), MARIA, NOON)
    two = [finding(payload="p2"), finding(type="xss", payload="p3")]
    store(database, "a", report(2, findings=two), report(3, findings=[finding(payload="p4")]))
    sending.turn()
    sending.turn()
    assert sorted(receiver.payloads) == ["p2", "p3", "p4"]
    (row,) = list_integrations(database)
    assert (row.sent, row.problem) == (3, "")


def test_only_what_is_asked_for_is_sent(database: Database, receiver: Receiver, sending: Deliveries) -> None:
    wanted = {"types": ["xss"], "hosts": ["*.example"], "confidence": 0.8}
    create_integration(database, hook(receiver, **wanted), MARIA, NOON)
    xss = finding(type="xss", payload="wanted")
    store(
        database, "a", report(1), report(2, findings=[xss]), report(3, findings=[xss], host="elsewhere.test"),
        report(4, findings=[finding(type="xss", confidence=0.5)]),
    )  # fmt: skip
    sending.turn()
    assert receiver.payloads == ["wanted"]


def test_nothing_is_lost_while_the_receiver_is_away(database: Database, receiver: Receiver, sending: Deliveries) -> None:
    create_integration(database, hook(receiver), MARIA, NOON)
    receiver.answers = [503]
    store(database, "a", *(report(number, findings=[finding(payload=f"p{number}")]) for number in range(150)))
    sending.turn()
    (row,) = list_integrations(database)
    assert (row.sent, "503" in row.problem, receiver.taken) == (0, True, [])
    sending.turn()
    (row,) = list_integrations(database)
    assert (row.sent, row.problem) == (150, "")
    assert sorted(receiver.payloads) == sorted(f"p{number}" for number in range(150))


def test_what_is_refused_does_not_hold_up_the_rest(database: Database, receiver: Receiver, sending: Deliveries) -> None:
    create_integration(database, hook(receiver), MARIA, NOON)
    receiver.answers = [400, 400]  # the batch, then its first half, which is one hit
    store(database, "a", *(report(number, findings=[finding(payload=f"p{number}")]) for number in range(2)))
    sending.turn()
    (row,) = list_integrations(database)
    assert len(receiver.payloads) == 1 and "refused hit" in row.problem


def test_addresses_and_tokens_are_not_shown(database: Database, receiver: Receiver) -> None:
    number = create_integration(database, hook(receiver), MARIA, NOON)
    with pytest.raises(NameTaken):
        create_integration(database, hook(receiver), MARIA, NOON)
    (row,) = list_integrations(database)
    told = json.dumps([shown(row), *[entry.details for entry in list_audit(database, AuditFilter(), 10)]])
    assert "secret-path" not in told and TOKEN not in told and "http://127.0.0.1" in told
    assert send_trial(sink_of(row), example_hits()) == ""
    assert receiver.taken[0]["details"]["hit"]["payloads"] == ["a trial of this integration"]
    receiver.answers = [500]
    assert "500" in send_trial(sink_of(row), example_hits())
    assert remove_integration(database, number, MARIA, NOON) and not remove_integration(database, number, MARIA, NOON)


def test_one_of_several_processes_sends_until_it_is_silent(database: Database) -> None:
    assert claim(database, "a", NOON) and claim(database, "a", NOON + 1) and not claim(database, "b", NOON + 2)
    assert claim(database, "a", NOON + LEASE_NS - 1)  # it goes on
    assert not claim(database, "b", NOON + LEASE_NS + 1)
    assert claim(database, "b", NOON + 3 * LEASE_NS)
    give_up(database, "a")  # it is b's
    assert not claim(database, "a", NOON + 3 * LEASE_NS + 1)
    give_up(database, "b")
    assert claim(database, "a", NOON + 3 * LEASE_NS + 1)


REFUSED = {
    "a file of this machine": ({"name": "a", "type": "file", "url": "/etc/passwd"}, "type: 'file'; accepted: webhook"),
    "a library's settings": ({"name": "a", "type": "kafka", "url": "h:1", "target": "t"}, "type: 'kafka'"),
    "a certificate of this machine": ({"name": "a", "type": "webhook", "url": "https://a", "ca_file": "/x"}, "ca_file"),
    "no URL": ({"name": "a", "type": "webhook"}, "needs a `url`"),
    "wrong scheme": ({"name": "a", "type": "syslog", "url": "http://a"}, "udp://"),
    "no index": ({"name": "a", "type": "elasticsearch", "url": "http://a"}, "target"),
    "unknown key": ({"name": "a", "type": "webhook", "url": "http://a", "speed": 1}, "speed"),
}


@pytest.mark.parametrize(("given", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_with_a_reason(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadIntegration, match=told.replace(".", r"\.")):
        checked(given)


def test_administrators_alone_see_and_change_them(lasting_cloud: RunningCloud) -> None:
    wish = {"name": "siem", "type": "syslog", "url": "udp://127.0.0.1:514", "format": "cef", "types": ["sqli"]}
    with lasting_cloud.client(ANALYST) as analyst:
        assert analyst.get("/api/v1/integrations").status_code == 403
    with lasting_cloud.client(ADMIN) as admin:
        made = admin.post("/api/v1/integrations", json=wish)
        assert made.status_code == 201
        assert admin.post("/api/v1/integrations", json=wish).status_code == 409
        assert admin.post("/api/v1/integrations", json=wish | {"name": "b", "url": "file:///x"}).status_code == 400
        assert admin.post("/api/v1/integrations", json=wish | {"type": "file"}).status_code == 422
        (one,) = admin.get("/api/v1/integrations").json()["integrations"]
        assert (one["to"], one["format"], one["types"]) == ("udp://127.0.0.1", "cef", ["sqli"])
        assert admin.delete(f"/api/v1/integrations/{made.json()['id']}").status_code == 204
        assert admin.delete(f"/api/v1/integrations/{made.json()['id']}").status_code == 404
    assert "s3" in TYPES
