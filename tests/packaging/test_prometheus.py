"""The alert rules and the dashboard, in a real Prometheus that scrapes the real page of metrics."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from tcpmirror.export.http import Page, PageServer
from tcpmirror.export.metrics import ProcessPage, SensorCollector
from tcpmirror.export.tallies import HOSTS_LIMIT, Tallies
from tcpmirror.model.digest import MirrorNews
from tcpmirror.settings.tree import Metrics
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import KINDS
from tests.export.reports import EXAMPLE
from tests.packaging.pages import blocks

ROOT = Path(__file__).parents[2]
RULES = ROOT / "configs" / "prometheus" / "tcpmirror.rules.yml"
DASHBOARD = ROOT / "configs" / "grafana" / "tcpmirror.json"
ALERTS = [rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]]


@pytest.fixture(scope="module", autouse=True)
def prometheus_is_there(request: pytest.FixtureRequest) -> None:
    if shutil.which("promtool") is None or shutil.which("prometheus") is None:
        if request.config.getoption("--complete"):
            pytest.fail("prometheus is not installed")
        pytest.skip("prometheus is not installed")


def exposition(tallies: Tallies) -> bytes:
    """Return the page of a sensor whose cloud is away and whose worker is silent."""
    pages = tuple(ProcessPage(f"{kind}-0", kind, CounterPage.private(names), "eth0") for kind, names in KINDS.items())
    for each in pages:
        each.page.set("heartbeat_ns", time.monotonic_ns())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SensorCollector(pages, tallies, Metrics().namespace, "0.1", "tcp-capture"))
    return generate_latest(registry)


def full_tallies() -> Tallies:
    tallies = Tallies()
    tallies.add(EXAMPLE)
    tallies.add_mirror_news([MirrorNews(0, 0, 0, 5, 100, 9, 1, 0, 0)])
    tallies.sinks["siem"].up = 0
    tallies.sinks["siem"].failures["connect"] = 3
    return tallies


def test_promtool_has_nothing_to_say_about_the_page() -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=exposition(full_tallies()), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_what_traffic_chooses_makes_a_bounded_page() -> None:
    tallies = Tallies()
    for number in range(3 * HOSTS_LIMIT):
        found = replace(EXAMPLE.findings[0], type=f"t{number}", point=("get", f"p{number}"), rule=f"r{number}")
        place = {
            "host": f"h{number}.x",
            "uri": f"/{number}",
            "method": f"M{number}",
            "real_ip": f"{number}",
            "status": number,
        }
        tallies.add(replace(EXAMPLE, **place, findings=(found,), protocol=f"v{number}", server=f"s{number}", application=-1))
    assert exposition(tallies).count(b"\n") < HOSTS_LIMIT + 1500


def test_promtool_reads_the_expressions_of_the_page(tmp_path: Path) -> None:
    expressions = [text for name, text in blocks("") if name == "metrics.md"]
    assert len(expressions) >= 3
    rules = [{"record": f"page:expression:{number}", "expr": text} for number, text in enumerate(expressions)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_promtool_finds_the_rules_sound() -> None:
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(ALERTS)} rules found" in done.stdout


def series(name: str, values: str) -> dict[str, str]:
    return {"series": name, "values": values}


# For each alert the series that make it fire within half an hour; `0+1x60` grows by 1 a minute.
FIRED_BY: dict[str, list[dict[str, str]]] = {
    "TcpmirrorDown": [series('up{job="tcpmirror"}', "0x60")],
    "TcpmirrorProcessSilent": [series('tcpmirror_heartbeat_age_seconds{process="worker-0"}', "60x60")],
    "TcpmirrorProcessRestarts": [series('tcpmirror_restarts_total{process="worker-0"}', "0+1x60")],
    "TcpmirrorFaults": [series("tcpmirror_bugs_total", "0+1x60")],
    "TcpmirrorLedgerDifference": [
        series('tcpmirror_ledger_in{unit="packets"}', "10x60"),
        series('tcpmirror_ledger_end{unit="packets",end="analysed"}', "8x60"),
        series('tcpmirror_ledger_end{unit="packets",end="waiting"}', "1x60"),
    ],
    "TcpmirrorNoTraffic": [series("tcpmirror_capture_packets_total", "5x60")],
    "TcpmirrorCoverageLow": [series('tcpmirror_capture_coverage_ratio{process="capture-0"}', "0.9x60")],
    "TcpmirrorKernelDrops": [series("tcpmirror_capture_kernel_dropped_total", "0+10x60")],
    "TcpmirrorSegmentsLost": [series('tcpmirror_lost_total{reason="ring_full"}', "0+10x60")],
    "TcpmirrorSourceErrors": [series("tcpmirror_capture_source_errors_total", "0+1x60")],
    "TcpmirrorMirrorLoss": [
        series('tcpmirror_mirror_lost_bytes_total{source="eth0"}', "0+100x60"),
        series('tcpmirror_mirror_seen_bytes_total{source="eth0"}', "0+900x60"),
    ],
    "TcpmirrorMirrorOneSided": [
        series('tcpmirror_mirror_one_sided_flows_total{source="eth0"}', "0+9x60"),
        series('tcpmirror_mirror_flows_total{source="eth0"}', "0+10x60"),
    ],
    "TcpmirrorRulesRefused": [series("tcpmirror_worker_rules_refused", "1x60")],
    "TcpmirrorReportRingFull": [series("tcpmirror_worker_lost_report_ring_full_total", "0+1x60")],
    "TcpmirrorCloudAway": [series("tcpmirror_exporter_cloud_up", "0x60")],
    "TcpmirrorBacklog": [series("tcpmirror_exporter_backlog", "20000x60")],
    "TcpmirrorReportsDropped": [series("tcpmirror_exporter_spool_dropped_total", "0+5x60")],
    "TcpmirrorSpoolDisk": [series("tcpmirror_exporter_spool_errors_total", "0+5x60")],
    "TcpmirrorSpoolCorrupt": [series("tcpmirror_exporter_spool_corrupt_total", "0+1x60")],
    "TcpmirrorReportsRefused": [series("tcpmirror_exporter_batch_rejected_total", "0+1x60")],
    "TcpmirrorSinkAway": [series('tcpmirror_sink_up{sink="siem"}', "0x60")],
    "TcpmirrorSinkDropped": [series('tcpmirror_sink_dropped_total{sink="siem"}', "0+1x60")],
}
# The same of a sensor that is well: nothing may fire.
QUIET = [
    series('up{job="tcpmirror"}', "1x60"),
    series('tcpmirror_heartbeat_age_seconds{process="worker-0"}', "0.2x60"),
    series("tcpmirror_restarts_total", "0x60"),
    series("tcpmirror_capture_packets_total", "0+500x60"),
    series('tcpmirror_capture_coverage_ratio{process="capture-0"}', "1x60"),
    series('tcpmirror_lost_total{reason="not_tcp"}', "0+10x60"),
    series('tcpmirror_ledger_in{unit="packets"}', "10x60"),
    series('tcpmirror_ledger_end{unit="packets",end="analysed"}', "10x60"),
    series("tcpmirror_exporter_cloud_up", "1x60"),
    series("tcpmirror_exporter_backlog", "12x60"),
]


def test_each_alert_fires_when_it_should_and_none_of_a_sensor_that_is_well(tmp_path: Path) -> None:
    assert set(FIRED_BY) == set(ALERTS)

    def case(given: list[dict[str, str]], expected: dict[str, str]) -> dict[str, Any]:
        alerts = [f'ALERTS{{alertname="{name}",alertstate="firing"}}' for name in expected]
        tests = [
            {"expr": f"count by (alertname) ({expr})", "eval_time": "30m", "exp_samples": samples}
            for expr, samples in (
                *(
                    (expr, [{"labels": f'{{alertname="{name}"}}', "value": 1}])
                    for expr, name in zip(alerts, expected, strict=True)
                ),
                *(() if expected else (('ALERTS{alertstate="firing"}', []),)),
            )
        ]
        return {"interval": "1m", "input_series": given, "promql_expr_test": tests}

    cases = [case(given, {name: "firing"}) for name, given in FIRED_BY.items()]
    tested = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [*cases, case(QUIET, {})]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tested))
    done = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_runbook_says_what_to_do_about_each_alert() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in ALERTS if f"| `{name}` |" not in runbook] == []


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """The URL of a Prometheus that has the rules and scrapes a sensor's page every second."""
    page = Page(200, "text/plain; version=0.0.4", exposition(full_tallies()))
    sensor = PageServer("metrics.listen_address", "127.0.0.1:0", {"/metrics": lambda _: page})
    settings = yaml.safe_load((RULES.parent / "scrape.yml").read_text())
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(RULES)]
    settings["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{sensor.port}"]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = PageServer("probe", "127.0.0.1:0", {})
    address = f"127.0.0.1:{port.port}"
    port.close()
    command = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as running:
        yield f"http://{address}"
        running.terminate()
    sensor.close()


def asked(url: str, path: str, **query: str) -> Any:
    try:
        answer = httpx.get(f"{url}/api/v1/{path}", params=query, trust_env=False, timeout=5.0)
    except httpx.TransportError:
        return None
    if answer.status_code == 503:  # it is starting
        return None
    answer = answer.json()
    return answer["data"] if answer["status"] == "success" else None


def until(found: Any, deadline_s: float = 30.0) -> Any:
    ends_s = time.monotonic() + deadline_s
    while not (value := found()):
        assert time.monotonic() < ends_s, "did not happen in time"
        time.sleep(0.05)
    return value


def test_a_prometheus_evaluates_every_rule_and_every_panel(prometheus: str) -> None:
    def evaluated() -> list[dict[str, Any]]:
        groups = (asked(prometheus, "rules") or {"groups": []})["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        scraped = asked(prometheus, "query", query="tcpmirror_build_info")
        return (
            rules if rules and all(rule["health"] != "unknown" for rule in rules) and scraped and scraped["result"] else []
        )

    rules = until(evaluated)
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    assert len(rules) == len(ALERTS)
    pending = until(lambda: {alert["labels"]["alertname"] for alert in asked(prometheus, "alerts")["alerts"]})
    assert "TcpmirrorCloudAway" in pending
    known = set(asked(prometheus, "label/__name__/values"))
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$instance", ".*")
            assert asked(prometheus, "query", query=expression) is not None, expression
            names = {
                word for word in expression.replace("{", " ").replace("(", " ").split() if word.startswith("tcpmirror_")
            }
            assert names
            assert names <= known, f"{panel['title']}: no such metric"
