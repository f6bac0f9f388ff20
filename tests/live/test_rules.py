"""Own rules while the sensor runs: a change is taken, a bad one refused, and what was in force stays, whoever dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.network import wait_until
from tests.live.bed import Bed, bed
from tests.live.configurations import V4
from tests.live.sensor import SEEN_S, Sensor, running
from tests.live.visits import curl

pytestmark = pytest.mark.live

PACK = """type: rce
rules:
  - id: own-first
    title: The first word
    confidence: 0.9
    patterns: ['first-marker']
    examples: {match: [first-marker], no_match: [first]}
"""
MORE = """  - id: own-second
    title: The second word
    confidence: 0.9
    patterns: ['second-marker']
    examples: {match: [second-marker], no_match: [second]}
"""


COUNT = "tcpmirror_ignored_findings_total"
IGNORE = "ignore: [{name: mine, rules: [own-second], path: /quiet}]\n"


@pytest.fixture
def ground(artefacts: Path) -> Iterator[Bed]:
    with bed("span", artefacts / "bed") as made:
        yield made


def test_rules_change_while_it_runs(ground: Bed, artefacts: Path) -> None:
    rules = artefacts / "rules"
    rules.mkdir()
    pack = rules / "own.yaml"
    pack.write_text(PACK)
    with running(ground.sensor, artefacts / "sensor", f"{V4}inspection: {{rules_dir: {rules}}}\n") as sensor:
        visit(ground, sensor, "/?q=first-marker&n=1")

        pack.write_text(PACK.replace("confidence: 0.9", "confidence: nine"))
        wait_until(lambda: state(sensor) == "refused", "the refusal in the status", SEEN_S, 0.2)
        assert f"{pack}:5: own-first.confidence" in sensor.status()["rules"]["problem"]
        assert f"{pack}:5" in sensor.command("status").stdout
        assert f"rules refused, those before stay in force: {pack}:5" in (artefacts / "sensor" / "sensor.log").read_text()
        wait_until(lambda: sensor.metrics().total("tcpmirror_worker_rules_refused") == 2, "the metric", SEEN_S, 0.2)
        visit(ground, sensor, "/?q=first-marker&n=2")
        assert sensor.command("reload").returncode == 3, "a command says it, too"

        for name in ("worker-0", "worker-1"):
            sensor.kill(name)
        wait_until(lambda: sensor.status()["state"] == "running", "new workers", SEEN_S, 0.2)
        visit(ground, sensor, "/?q=first-marker&n=3")

        pack.write_text(PACK + MORE)
        wait_until(lambda: state(sensor) == "in force" and sensor.status()["rules"]["own"] == 2, "the change", SEEN_S, 0.2)
        wait_until(lambda: sensor.metrics().total("tcpmirror_worker_own_rules") == 4, "both workers", SEEN_S, 0.2)
        assert sensor.metrics().total("tcpmirror_worker_rules_refused") == 0
        visit(ground, sensor, "/?q=second-marker")

        before = sensor.status()["rules"]["digest"]
        pack.write_text(PACK + MORE + IGNORE)
        wait_until(lambda: sensor.status()["rules"]["digest"] != before, "the entry", SEEN_S, 0.2)
        wait_until(lambda: ignored(ground, sensor) > 0, "a finding that is ignored", SEEN_S, 0.5)
        visit(ground, sensor, "/?q=second-marker&n=4")
        assert sensor.command("reload").returncode == 0


def state(sensor: Sensor) -> str:
    return str(sensor.status()["rules"]["state"])


def ignored(ground: Bed, sensor: Sensor) -> float:
    """Ask for what is ignored; return how much was so far, by its entry."""
    curl(ground, path="/quiet?q=second-marker")
    samples = sensor.metrics().samples
    return sum(value for name, labels, value in samples if name == COUNT and labels == {"by": "mine", "rule": "own-second"})


def visit(ground: Bed, sensor: Sensor, target: str) -> None:
    curl(ground, path=target)
    sensor.await_seen({target})
