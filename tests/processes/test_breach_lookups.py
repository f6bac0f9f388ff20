"""Breached passwords, asked of a service: a real one over HTTP, that sees prefixes only and fails now and then."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tcpmirror.behavior.controls import BUILT_IN
from tcpmirror.behavior.counter import Counter
from tcpmirror.behavior.record import encode_rows, records
from tcpmirror.behavior.watch import Watch
from tcpmirror.export.breached_ranges import FRESH_S, BreachedRanges
from tcpmirror.export.delivery import DeliveryError
from tcpmirror.processes.behavior_outbox import BehaviorOutbox
from tcpmirror.processes.breach_lookups import BreachLookups
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import EXPORTER
from tests.behavior.exchanges import every

PASSWORD = b"Tr0ub4dor&3-of-somebody"
DEADLINE_S = 30.0


def sha1(password: bytes) -> str:
    return hashlib.sha1(password, usedforsecurity=False).hexdigest().upper()


class Service:
    """Knows PASSWORD; ``answer``: what it says instead, by (status, text), while that is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.padding: list[str | None] = []
        self.answer: tuple[int, str] | None = None
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                prefix = self.path.rpartition("/")[2]
                service.asked.append(self.path)
                service.padding.append(self.headers["Add-Padding"])
                known = sha1(PASSWORD)
                lines = [f"{'0' * 34}{number:X}:{number}" for number in range(1, 9)] + ["F" * 35 + ":0"]
                if known.startswith(prefix):
                    lines.append(f"{known[5:]}:42")
                status, text = service.answer or (200, "\r\n".join(lines))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *told: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/range/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.01)


def logins(count: int, password: bytes = PASSWORD, asks: bool = True) -> list[Counter]:
    watch = Watch(BUILT_IN, 0, frozenset(), asks)
    body = b'{"user": "u%d", "password": "' + password + b'"}'
    for each in every(1.0, count, target="/login", method="POST", body=lambda number: body % number):
        watch.observe(each, [])
    return [counter for counter, _ in watch.take()]


def sensor(service: Service, page: CounterPage, rate: float = 100.0) -> tuple[BehaviorOutbox, BreachLookups]:
    outbox = BehaviorOutbox()
    ranges = BreachedRanges(service.url, 10.0)
    lookups = BreachLookups(ranges, rate, page, lambda login: outbox.merge([login]))
    outbox.unchecked = lookups.add
    return outbox, lookups


def told(outbox: BehaviorOutbox) -> dict[str, int]:
    return {
        counter.key.control: counter.peak for counter in outbox._whole.values() if counter.key.type == "credential_stuffing"
    }


def test_the_service_learns_prefixes_and_breached_logins_are_counted_once(service: Service) -> None:
    page = CounterPage.private(EXPORTER)
    outbox, lookups = sensor(service, page)
    lookups.rounds.start()
    (rows,) = records([*logins(12), *logins(5, b"nobody-ever-had-this-one")], 1 << 20)
    outbox.add(encode_rows("id", rows))
    eventually(lambda: page.get("breach_found") == 24 and not lookups._waiting)  # two controls
    assert told(outbox) == {"stuffing-of-source": 12, "stuffing-of-all": 12}
    assert sorted(service.asked) == sorted(f"/range/{sha1(each)[:5]}" for each in (PASSWORD, b"nobody-ever-had-this-one"))
    assert set(service.padding) == {"true"}
    sent = outbox.next()
    assert sent is not None
    assert lookups.rounds.finish(DEADLINE_S)


def test_no_hash_of_a_password_leaves_the_exporter(service: Service) -> None:
    page = CounterPage.private(EXPORTER)
    outbox, lookups = sensor(service, page)
    lookups.rounds.start()
    outbox.merge(logins(3, asks=False))
    for login in logins(12):
        if login.key.unit == "unchecked":
            lookups.add(login)
    eventually(lambda: page.get("breach_found") == 24)
    text = b"".join(record for record, _ in outbox._take()).lower()
    assert b"stuffing" in text
    assert sha1(PASSWORD)[:16].lower().encode() not in text
    assert lookups.rounds.finish(DEADLINE_S)


def test_workers_hand_on_hashes_only_where_somebody_is_to_be_asked() -> None:
    assert {counter.key.unit for counter in logins(3)} >= {"unchecked"}
    assert "unchecked" not in {counter.key.unit for counter in logins(3, asks=False)}
    assert b"Tr0ub4dor" not in b"".join(row for rows in records(logins(3), 1 << 20) for row in rows)


def test_a_service_that_fails_is_counted_told_of_and_asked_again(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    page = CounterPage.private(EXPORTER)
    service.answer = (503, "busy")
    outbox, lookups = sensor(service, page)
    for login in logins(5):
        if login.key.unit == "unchecked":
            lookups.add(login)
    lookups.rounds.start()
    eventually(lambda: page.get("breach_failures") >= 1)
    service.answer = None
    eventually(lambda: page.get("breach_found") == 10)
    assert told(outbox) == {"stuffing-of-source": 5, "stuffing-of-all": 5}
    lines = [record.getMessage() for record in caplog.records]
    assert any("breached passwords takes nothing: server" in line and "logins wait" in line for line in lines)
    assert any("answers again" in line for line in lines)
    assert not any(sha1(PASSWORD).lower() in line.lower() for line in lines)
    assert lookups.rounds.finish(DEADLINE_S)


NO_RANGES = {
    "a page": (200, "<html>hello</html>"),
    "cut": (200, "0018A45C4D1DEF81644B54AB7F969B88D6"),
    "a count that is none": (200, "0" * 35 + ":many"),
    "throttled": (429, ""),
    "not found": (404, ""),
}


@pytest.mark.parametrize("answer", NO_RANGES.values(), ids=NO_RANGES)
def test_what_is_no_range_is_a_failure(service: Service, answer: tuple[int, str]) -> None:
    service.answer = answer
    ranges = BreachedRanges(service.url, 10.0)
    with pytest.raises(DeliveryError):
        ranges.ask(sha1(PASSWORD))
    assert ranges.is_known(sha1(PASSWORD)) is None


def test_ranges_are_kept_for_a_day_and_padding_is_no_password(service: Service) -> None:
    now = [0.0]
    ranges = BreachedRanges(service.url, 10.0, lambda: now[0])
    padded = sha1(PASSWORD)[:5] + "F" * 35
    ranges.ask(sha1(PASSWORD))
    assert (ranges.is_known(sha1(PASSWORD)), ranges.is_known(padded)) == (True, False)
    now[0] = FRESH_S + 1
    assert ranges.is_known(sha1(PASSWORD)) is None


def test_calls_keep_to_their_rate(service: Service) -> None:
    """Ten ranges at five a second, five of them at once: no sooner than after a second."""
    page = CounterPage.private(EXPORTER)
    _, lookups = sensor(service, page, rate=5.0)
    for number in range(10):
        for login in logins(1, b"other-%d" % number):
            if login.key.unit == "unchecked" and login.key.control == "stuffing-of-all":
                lookups.add(login)
    began = time.monotonic()
    lookups.rounds.start()
    eventually(lambda: len(service.asked) == 10)
    assert time.monotonic() - began >= 0.9
    assert lookups.rounds.finish(DEADLINE_S)
