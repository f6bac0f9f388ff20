from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.http import CONNECTIONS_LIMIT, Page, PageServer
from tcpmirror.export.metrics import ProcessPage
from tcpmirror.export.pages import page_servers
from tcpmirror.settings.tree import Health, Metrics
from tcpmirror.telemetry.counters import CounterPage
from tests.export.test_metrics import collector_of, sensor_pages

LOOPBACK = "127.0.0.1:0"


@pytest.fixture
def pages() -> tuple[ProcessPage, ...]:
    return sensor_pages()


@pytest.fixture
def served(pages: tuple[ProcessPage, ...]) -> Iterator[str]:
    """All pages on one address; yields its URL."""
    metrics = Metrics(listen_address=LOOPBACK, legacy_status_address=LOOPBACK)
    (server,) = page_servers(metrics, Health(listen_address=LOOPBACK), collector_of(pages), exporter_of(pages))
    yield f"http://127.0.0.1:{server.port}"
    server.close()


def exporter_of(pages: tuple[ProcessPage, ...]) -> CounterPage:
    return next(each.page for each in pages if each.kind == "exporter")


def beat(pages: tuple[ProcessPage, ...], age_s: float = 0.0) -> None:
    for each in pages:
        each.page.set("heartbeat_ns", time.monotonic_ns() - int(age_s * 1e9))


def test_metrics_are_served_and_counted(served: str, pages: tuple[ProcessPage, ...]) -> None:
    pages[0].page.set("packets", 12)
    response = httpx.get(f"{served}/metrics")
    values = {sample.name: sample.value for family in parse(response.text) for sample in family.samples}
    assert values["tcpmirror_exporter_scrapes_total"] == 1
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_a_client_that_asks_for_openmetrics_gets_it(served: str) -> None:
    response = httpx.get(
        f"{served}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    )
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert len(list(parse_openmetrics(response.text))) > 50


def test_live_while_the_exporter_turns(served: str, pages: tuple[ProcessPage, ...]) -> None:
    assert httpx.get(f"{served}/live").status_code == 503
    beat(pages)
    assert httpx.get(f"{served}/live").status_code == 200
    beat(pages, age_s=6.0)
    assert httpx.get(f"{served}/live").status_code == 503


def test_ready_when_every_capture_and_worker_turns(served: str, pages: tuple[ProcessPage, ...]) -> None:
    beat(pages)
    response = httpx.get(f"{served}/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


def test_not_ready_names_who_is_silent(served: str, pages: tuple[ProcessPage, ...]) -> None:
    beat(pages)
    pages[0].page.set("heartbeat_ns", 0)
    pages[4].page.set("heartbeat_ns", time.monotonic_ns() - 7_000_000_000)
    response = httpx.get(f"{served}/ready")
    assert response.status_code == 503
    never, stale = response.json()["reasons"]
    assert never == "capture-0 has not started"
    assert stale.startswith("worker-1 has not turned for 7.")


def test_a_silent_cloud_does_not_make_the_sensor_unready(served: str, pages: tuple[ProcessPage, ...]) -> None:
    beat(pages)
    pages[6].page.set("heartbeat_ns", 0)
    assert httpx.get(f"{served}/ready").status_code == 200


def test_the_status_page_has_the_totals(served: str, pages: tuple[ProcessPage, ...]) -> None:
    pages[3].page.set("requests", 3)
    pages[4].page.set("requests", 4)
    pages[4].page.set("attacks", 2)
    status = httpx.get(f"{served}/wallarm-status").json()
    assert (status["requests"], status["attacks"]) == (7, 2)
    assert status["stalled_workers_count"] == 2


def test_another_path_is_not_found(served: str) -> None:
    assert httpx.get(f"{served}/etc/passwd").status_code == 404


def test_a_query_does_not_hide_the_page(served: str) -> None:
    assert httpx.get(f"{served}/metrics?name=x").status_code == 200


def test_head_has_no_body(served: str) -> None:
    response = httpx.head(f"{served}/metrics")
    assert (response.status_code, response.content) == (200, b"")


def test_other_methods_are_not_served(served: str) -> None:
    assert httpx.post(f"{served}/metrics", content=b"x").status_code == 501


def test_what_is_switched_off_is_not_listened_for(pages: tuple[ProcessPage, ...]) -> None:
    metrics = Metrics(enabled=False, legacy_status_enabled=False)
    assert page_servers(metrics, Health(enabled=False), collector_of(pages), exporter_of(pages)) == ()


def test_different_addresses_get_servers_of_their_own(pages: tuple[ProcessPage, ...]) -> None:
    metrics = Metrics(listen_address=LOOPBACK, legacy_status_enabled=False)
    servers = page_servers(metrics, Health(listen_address="127.0.0.2:0"), collector_of(pages), exporter_of(pages))
    first, second = servers
    assert httpx.get(f"http://127.0.0.1:{first.port}/live").status_code == 404
    assert httpx.get(f"http://127.0.0.2:{second.port}/ready").status_code == 503
    for server in servers:
        server.close()


ADDRESSES = {"all": (":0", "127.0.0.1"), "IPv4": ("127.0.0.1:0", "127.0.0.1"), "IPv6": ("[::1]:0", "[::1]")}


@pytest.mark.parametrize(("address", "reached_at"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_an_address_is_listened_on(address: str, reached_at: str) -> None:
    if "::" in address and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = PageServer("key", address, {"/": lambda _: Page(200, "text/plain", b"hello")})
    assert httpx.get(f"http://{reached_at}:{server.port}/").text == "hello"
    server.close()


BAD_ADDRESSES = [
    "",
    "9000",
    "127.0.0.1",
    "127.0.0.1:http",
    "127.0.0.1:70000",
    "203.0.113.7:9000",
    "no such host:1",
    "[:::]:1",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_an_address_that_cannot_be_used_names_its_key(address: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"metrics\.listen_address"):
        PageServer("metrics.listen_address", address, {})


def test_an_address_in_use_is_named_and_nothing_is_left_running(pages: tuple[ProcessPage, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as probe:
        taken, free = (f"127.0.0.1:{each.getsockname()[1]}" for each in (other, probe))
        probe.close()
        metrics = Metrics(listen_address=free, legacy_status_enabled=False)
        with pytest.raises(EnvironmentFault, match=rf"health_check\.listen_address.*{taken}.*in use"):
            page_servers(metrics, Health(listen_address=taken), collector_of(pages), exporter_of(pages))
        PageServer("key", free, {}).close()


def test_idle_connections_cannot_shut_a_scraper_out_for_long(eventually: Callable[..., None]) -> None:
    routes = {"/": lambda _: Page(200, "text/plain", b"hello")}
    server = PageServer("key", LOOPBACK, routes, request_timeout_s=0.2)

    def is_served() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{server.port}/").status_code == 200
        except httpx.HTTPError:
            return False

    with ExitStack() as idle:
        for _ in range(CONNECTIONS_LIMIT * 2):
            idle.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        eventually(is_served, deadline_s=60.0)
    server.close()
