from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.registry import CollectorRegistry

from tcpmirror.export.families import FAMILIES, uncovered_counters
from tcpmirror.export.metrics import ProcessPage, SensorCollector
from tcpmirror.export.metrics_page import metrics_page
from tcpmirror.export.tallies import Tallies
from tcpmirror.model.digest import MirrorNews
from tcpmirror.settings.tree import Metrics
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import KINDS
from tests.export.reports import EXAMPLE

NAMESPACE = Metrics().namespace


def sensor_pages() -> tuple[ProcessPage, ...]:
    """Return the pages of two captures on one interface, a third elsewhere, two workers, exporter and cloud."""
    processes = [
        *(("capture", index, source) for index, source in enumerate(("eth0", "eth0", "eth1"))),
        *(("worker", index, "") for index in range(2)),
        ("exporter", 0, ""),
        ("cloud", 0, ""),
    ]
    return tuple(
        ProcessPage(f"{kind}-{index}", kind, CounterPage.private(KINDS[kind]), source) for kind, index, source in processes
    )


Pages = tuple[ProcessPage, ...]


def collector_of(pages: Pages, namespace: str = NAMESPACE, tallies: Tallies | None = None) -> SensorCollector:
    return SensorCollector(pages, tallies or Tallies(), namespace, "0.1", "tcp-capture")


def registry_of(collector: SensorCollector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def samples(collector: SensorCollector) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return what a scrape says, as a Prometheus client reads it; fails on a sample given twice."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in parse(generate_latest(registry_of(collector)).decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


@pytest.fixture
def pages() -> Iterator[tuple[ProcessPage, ...]]:
    return sensor_pages()


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_every_counter_has_a_metric() -> None:
    assert uncovered_counters() == []


def test_every_metric_reads_a_counter_that_exists() -> None:
    readings = [reading for family in FAMILIES for reading in family.readings]
    assert len(readings) > 100
    assert all(reading.counter in KINDS[reading.kind] for reading in readings)


@pytest.mark.parametrize("namespace", [NAMESPACE, "tcpmirror", ""], ids=["default", "our own prefix", "none"])
def test_no_name_is_given_twice(pages: Pages, namespace: str) -> None:
    names = [metric.name for metric in collector_of(pages, namespace).collect()]
    assert len(names) == len(set(names)) == len(FAMILIES)


@pytest.mark.parametrize("namespace", ["my-sensor", "9lives", "a b\nc", "é"])
def test_any_namespace_gives_names_that_can_be_read(pages: Pages, namespace: str) -> None:
    assert len(samples(collector_of(pages, namespace))) > 100


def test_counters_are_summed_under_known_names_and_apart_under_our_own(pages: Pages) -> None:
    for number, each in enumerate(each for each in pages if each.kind == "worker"):
        each.page.set("segments", 10 + number)
    found = samples(collector_of(pages))
    assert found[key(f"{NAMESPACE}_tcp_reassembler_tcp_packets_total")] == 21
    assert found[key("tcpmirror_worker_segments_total", process="worker-1")] == 11


def test_captures_of_one_source_are_one_series(pages: Pages) -> None:
    for each in pages[:3]:
        each.page.set("packets", 5)
    found = samples(collector_of(pages))
    assert found[key(f"{NAMESPACE}_tcp_stream_input_packets_total", source="eth0")] == 10
    assert found[key(f"{NAMESPACE}_tcp_stream_input_packets_total", source="eth1")] == 5


def test_losses_are_told_by_reason(pages: Pages) -> None:
    pages[0].page.set("lost_shed", 3)
    found = samples(collector_of(pages))
    assert found[key("tcpmirror_lost_total", process="capture-0", reason="shed")] == 3
    assert found[key(f"{NAMESPACE}_tcp_stream_packets_rejected_total", reason="shed")] == 3


def test_units_are_seconds_and_ratios(pages: Pages) -> None:
    pages[0].page.set("coverage_permille", 950)
    pages[3].page.set("cpu_ns", 1_500_000_000)
    pages[3].page.set("detect_ns", 250_000_000)
    found = samples(collector_of(pages))
    assert found[key("tcpmirror_capture_coverage_ratio", process="capture-0")] == pytest.approx(0.95)
    assert found[key("tcpmirror_cpu_seconds_total", process="worker-0")] == pytest.approx(1.5)
    assert found[key("tcpmirror_worker_detect_seconds_total", process="worker-0")] == pytest.approx(0.25)


def test_failed_calls_are_told_apart_by_whether_anybody_answered(pages: Pages) -> None:
    exporter = pages[5].page
    exporter.set("batch_failures", 5)
    exporter.set("batch_connect_failures", 2)
    found = samples(collector_of(pages))
    assert found[key(f"{NAMESPACE}_postanalytics_exporter_errors_total", type="SubmitConnect")] == 2
    assert found[key(f"{NAMESPACE}_postanalytics_exporter_errors_total", type="SubmitResp")] == 3


def test_a_heartbeat_is_an_age_once_there_is_one(pages: Pages) -> None:
    pages[0].page.set("heartbeat_ns", time.monotonic_ns() - 2_000_000_000)
    ages = {labels: value for (name, labels), value in samples(collector_of(pages)).items() if "heartbeat" in name}
    assert ages == {frozenset({("process", "capture-0")}): pytest.approx(2.0, abs=1.0)}


def test_what_runs_is_told(pages: Pages) -> None:
    found = samples(collector_of(pages))
    known = key(f"{NAMESPACE}_application_info", deployment_type="tcpmirror", mode="tcp-capture", version="0.1")
    assert found[known] == 1
    assert found[key("tcpmirror_processes", kind="capture")] == 3
    assert found[key(f"{NAMESPACE}_http_inspector_balancer_workers")] == 2


def test_findings_are_told_by_type_host_and_application(pages: Pages) -> None:
    tallies = Tallies()
    tallies.add(EXAMPLE)
    found = samples(collector_of(pages, tallies=tallies))
    assert found[key("tcpmirror_findings_total", type="sqli")] == 1
    assert found[key(f"{NAMESPACE}_http_inspector_threats_found_per_host_total", host="shop.example")] == 1
    assert found[key(f"{NAMESPACE}_http_inspector_threats_found_per_app_total", application_id="-1")] == 1


def test_openmetrics_says_the_same(pages: Pages) -> None:
    pages[3].page.set("exchanges", 77)
    text = generate_openmetrics(registry_of(collector_of(pages))).decode()
    families = list(parse_openmetrics(text))
    found = {key(sample.name, **sample.labels): sample.value for family in families for sample in family.samples}
    assert found[key("tcpmirror_worker_exchanges_total", process="worker-0")] == 77
    assert found.keys() == samples(collector_of(pages)).keys()


def test_the_page_of_metrics_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text() == metrics_page(NAMESPACE), "run: python -m tcpmirror.export.metrics_page > docs/metrics.md"


def test_what_the_mirror_lost_is_told_by_origin() -> None:
    tallies = Tallies(sources=("eth0",))
    tallies.add_mirror_news([MirrorNews(0, 42, 0, 7, 1000, 10, 3, 2, 1)])
    found = samples(collector_of(sensor_pages(), tallies=tallies))
    labels = frozenset({"source": "eth0", "vlan": "42", "vni": "7"}.items())
    told = {
        name: found[f"tcpmirror_mirror_{name}_total", labels] for name in ("seen_bytes", "lost_bytes", "one_sided_flows")
    }
    assert told == {"seen_bytes": 1000, "lost_bytes": 10, "one_sided_flows": 2}
