"""Whatever a cloud, its certificate, its name or the road to it does: what is counted, what is logged, and that all arrives."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tcpmirror.export.client import CloudClient, CloudError
from tcpmirror.export.delivery import REASONS, BackOff
from tcpmirror.export.rounds import REPEAT_S
from tcpmirror.export.sender import Sender
from tcpmirror.export.spool import Spool
from tcpmirror.model.report import encode_report
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import EXPORTER
from tests.export import cloud as answers
from tests.export.cloud import TOKEN, TestCloud
from tests.export.proxy import TestProxy
from tests.export.reports import numbered_report
from tests.export.test_client import BODY, IDENTITY, free_port
from tests.export.test_sender import ids, road_to

Eventually = Callable[..., None]
FAR = "cloud.example"  # a name that this machine cannot resolve and the proxy can

ANSWERS = {
    "401": (answers.status(401), "unauthorized"),
    "403": (answers.status(403), "unauthorized"),
    "429": (answers.status(429, Retry_After="0"), "throttled"),
    "500": (answers.status(500), "server"),
    "503": (answers.status(503), "server"),
    "redirect": (answers.status(302, Location="http://elsewhere.example/"), "answer"),
    "garbage": (answers.garbage, "answer"),
    "receipt for another batch": (answers.wrong_receipt, "answer"),
    "not HTTP": (answers.not_http, "broken"),
    "reset": (answers.reset, "broken"),
    "slow": (answers.silent(1.0), "timeout"),
}


@pytest.mark.parametrize(("answer", "reason"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_fault_is_counted_by_its_reason_and_logged_and_costs_nothing(
    cloud: TestCloud,
    tmp_path: Path,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    answer: object,
    reason: str,
) -> None:
    cloud.scripted.append(answer)
    road = road_to(cloud.url, tmp_path)
    road.add(1, 2)
    with caplog.at_level(logging.WARNING, "tcpmirror.export.sender"):
        road.sender.start()
        eventually(lambda: road.is_empty)
        assert road.sender.rounds.finish(30.0)
    assert set(cloud.stored) == ids(1, 2)
    counted = {each: road.counters.get(f"failed_{each}") for each in REASONS if road.counters.get(f"failed_{each}")}
    assert counted == {reason: 1}
    assert road.counters.get("batch_failures") == 1
    assert any(f"takes nothing: {reason}" in line for line in caplog.messages)
    assert any("answers again" in line for line in caplog.messages)


# -- the road to it


def server_context(ca: trustme.CA, name: str, **issued: datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name, **issued).configure_cert(context)
    return context


def old_protocol(ca: trustme.CA) -> ssl.SSLContext:
    """Return a server that speaks TLS 1.2 with one cipher only that no client of ours offers."""
    context = server_context(ca, "127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-SHA:@SECLEVEL=0")
    return context


TLS_FAULTS: dict[str, Callable[[trustme.CA], ssl.SSLContext]] = {
    "expired": lambda ca: server_context(ca, "127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1)),
    "another's name": lambda ca: server_context(ca, "other.example"),
    "unknown authority": lambda ca: server_context(trustme.CA(), "127.0.0.1"),
    "no common cipher": old_protocol,
}


@pytest.mark.parametrize("made", TLS_FAULTS.values(), ids=TLS_FAULTS.keys())
def test_a_cloud_that_cannot_prove_itself_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[trustme.CA], ssl.SSLContext]
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    cloud = TestCloud(tls=made(ca))
    client = far_client(cloud.url, tmp_path)
    with pytest.raises(CloudError) as caught:
        client.send("b1", BODY)
    assert (caught.value.reason, caught.value.connected) == ("tls", False)
    assert cloud.calls == []
    client.close()
    cloud.close()


def far_client(url: str, directory: Path) -> CloudClient:
    return CloudClient(url=url, token=TOKEN, identity=IDENTITY, credential_path=directory / "node.json", timeout_s=5.0)


@pytest.fixture
def far_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestCloud]:
    """A cloud with a valid certificate for FAR."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    running = TestCloud(tls=server_context(ca, FAR))
    yield running
    running.close()


@pytest.fixture
def proxy(far_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestProxy]:
    """A proxy that the environment names and that knows where FAR is."""
    running = TestProxy({FAR: far_cloud.port})
    monkeypatch.setenv("https_proxy", running.url)
    yield running
    running.close()


def test_reports_go_through_the_proxy_of_the_environment(far_cloud: TestCloud, proxy: TestProxy, tmp_path: Path) -> None:
    assert far_client(f"https://{FAR}", tmp_path).send("b1", BODY).accepted == 1
    assert set(proxy.asked) == {f"{FAR}:443"}


def test_a_host_in_no_proxy_is_reached_past_the_proxy(
    proxy: TestProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", FAR)
    with pytest.raises(CloudError) as caught:
        far_client(f"https://{FAR}", tmp_path).send("b1", BODY)
    assert caught.value.reason == "dns"
    assert proxy.asked == []


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_will_not_is_told_from_a_cloud_that_will_not(proxy: TestProxy, tmp_path: Path, status: int) -> None:
    proxy.status = status
    with pytest.raises(CloudError) as caught:
        far_client(f"https://{FAR}", tmp_path).send("b1", BODY)
    assert (caught.value.reason, caught.value.connected) == ("proxy", False)


UNREACHABLE = {
    "nobody listens": (f"http://127.0.0.1:{free_port()}", "connect"),
    "no such name": ("http://no-such-host.invalid", "dns"),
}


@pytest.mark.parametrize(("url", "reason"), UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_why_nobody_answers_is_told(tmp_path: Path, url: str, reason: str) -> None:
    with pytest.raises(CloudError) as caught:
        far_client(url, tmp_path).send("b1", BODY)
    assert caught.value.reason == reason


# -- a day without it


class FastClock:
    """A clock on which waiting takes no time; *passing* is called with each wait."""

    def __init__(self, passing: Callable[[float], None]) -> None:
        self._now_s, self._passing = 0.0, passing

    def now_s(self) -> float:
        return self._now_s

    def wait(self, event: threading.Event, seconds: float) -> None:
        if not event.is_set():
            self._now_s += seconds
            self._passing(self._now_s)


class Day:
    """24 hours in which a report comes every minute and no cloud is there; then one is."""

    REPORTS = 24 * 60

    def __init__(self, directory: Path, quota_bytes: int) -> None:
        port = free_port()
        self.directory = directory
        self.spool = Spool(directory / "spool", quota_bytes, quota_bytes // 8, fsync=False)
        self.counters = CounterPage.private(EXPORTER)
        client = CloudClient(
            url=f"http://127.0.0.1:{port}",
            token=TOKEN,
            identity=IDENTITY,
            credential_path=directory / "node.json",
            timeout_s=2.0,
            direct=True,
        )
        clock = FastClock(self._passes)
        self.sender = Sender(self.spool.reader(), client, self.counters, 100, 1.0, dict, BackOff(), clock=clock)
        self.written, self.over = 0, threading.Event()
        self._port = port
        self.cloud: TestCloud | None = None

    def _passes(self, now_s: float) -> None:
        while self.written < min(self.REPORTS, now_s / 60):
            self.spool.append(encode_report(numbered_report(self.written)))
            self.written += 1
        if now_s >= 86_400 and self.cloud is None:
            self.cloud = TestCloud(listen_port=self._port)
        if self.cloud is not None and not self.spool.reader().backlog:
            self.over.set()

    def pass_by(self) -> TestCloud:
        self.sender.start()
        assert self.over.wait(60.0)
        assert self.sender.rounds.finish(30.0)
        assert self.cloud is not None
        self.cloud.close()
        return self.cloud


@pytest.mark.parametrize("quota_bytes", [64 << 20, 256 << 10], ids=["room for all of it", "room for a part of it"])
def test_a_day_without_the_cloud(tmp_path: Path, caplog: pytest.LogCaptureFixture, quota_bytes: int) -> None:
    day = Day(tmp_path, quota_bytes)
    with caplog.at_level(logging.WARNING, "tcpmirror.export.sender"):
        cloud = day.pass_by()
    dropped = day.spool.reader().dropped
    assert day.written == Day.REPORTS
    assert bool(dropped) == (quota_bytes < 1 << 20)
    assert set(cloud.stored) == ids(*range(dropped, Day.REPORTS)), "the newest, every one"
    assert cloud.duplicates == 0
    tries = day.counters.get("failed_connect")
    assert tries == day.counters.get("batch_failures")
    assert 86_400 / 60 <= tries <= 86_400 / 30 + 20, "a try every 30 to 60 seconds"
    about_it = [line for line in caplog.messages if "takes nothing" in line]
    assert 10 < len(about_it) <= 86_400 / REPEAT_S + 2
    (again,) = [line for line in caplog.messages if "answers again" in line]
    assert f"{tries} failures" in again
