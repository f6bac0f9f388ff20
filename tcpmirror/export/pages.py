"""Which page is served where: metrics, health and status on the addresses that the settings give them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import orjson
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import CollectorRegistry

from tcpmirror.export.health import legacy_status, live, ready
from tcpmirror.export.http import Page, PageServer, Routes
from tcpmirror.export.metrics import SensorCollector
from tcpmirror.settings.tree import Health, Metrics
from tcpmirror.telemetry.counters import CounterPage


def page_servers(
    metrics: Metrics, health: Health, collector: SensorCollector, counters: CounterPage
) -> tuple[PageServer, ...]:
    """Return running servers, one for each address that is in use; two keys may name the same one.

    EnvironmentFault names the key whose address cannot be listened on; nothing is left running then.
    """
    wanted: dict[str, tuple[str, dict[str, Callable[[str], Page]]]] = {}
    for key, address, routes in _wanted(metrics, health, collector, counters):
        wanted.setdefault(address, (key, {}))[1].update(routes)
    servers: list[PageServer] = []
    try:
        servers.extend(PageServer(key, address, routes) for address, (key, routes) in wanted.items())
    except BaseException:
        for server in servers:
            server.close()
        raise
    return tuple(servers)


def _wanted(
    metrics: Metrics, health: Health, collector: SensorCollector, counters: CounterPage
) -> list[tuple[str, str, Routes]]:
    pages = collector.pages
    wanted: list[tuple[str, str, Routes]] = []
    if metrics.enabled:
        wanted.append(("metrics.listen_address", metrics.listen_address, {"/metrics": _metrics_page(collector, counters)}))
    if metrics.legacy_status_enabled:
        status = {"/wallarm-status": lambda _: _json(200, legacy_status(pages))}
        wanted.append(("metrics.legacy_status.listen_address", metrics.legacy_status_address, status))
    if health.enabled:
        probes = {"/live": lambda _: _json(*live(pages)), "/ready": lambda _: _json(*ready(pages))}
        wanted.append(("health_check.listen_address", health.listen_address, probes))
    return wanted


def _metrics_page(collector: SensorCollector, counters: CounterPage) -> Callable[[str], Page]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    one_at_a_time = threading.Lock()  # the counter has one writer; a scrape takes milliseconds

    def page(accept: str) -> Page:
        encode, content_type = choose_encoder(accept)
        with one_at_a_time:
            counters.add("scrapes")
            return Page(200, content_type, encode(registry))

    return page


def _json(status: int, body: dict[str, object]) -> Page:
    return Page(status, "application/json", orjson.dumps(body) + b"\n")
