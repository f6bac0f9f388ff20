"""Own rules while the sensor runs: a change is taken, a bad one refused, and what was in force stays, whoever dies."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.network import wait_until
from tests.live.bed import Bed, bed
from tests.live.configurations import V4
from tests.live.sensor import SEEN_S, Sensor, compiled_rules, running
from tests.live.visits import Stream, curl

pytestmark = [pytest.mark.live, pytest.mark.alone]

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
MANY, BEAT_S = 100, 8
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


def many_rules(count: int) -> str:
    """Return a pack of so many rules, each with a pattern that takes its time to compile."""
    rules = (
        f"""  - id: own-{index}
    title: Own rule {index}
    confidence: 0.9
    patterns: ['zz{index}[a-z]{{1,{9 + index % 9}}}(foo|bar){index}.{{0,20}}(qux|quux)[0-9]{{2,9}}']
    examples: {{match: ['zz{index}abcfoo{index} qux12'], no_match: [zz]}}
"""
        for index in range(count)
    )
    return "type: sqli\nrules:\n" + "".join(rules)


def test_a_hundred_patterns_are_taken_while_traffic_goes_on(ground: Bed, artefacts: Path) -> None:
    """No exchange is lost, every process beats in time, and a pack with a mistake leaves the one before in force."""
    pack = artefacts / "rules" / "own.yaml"
    pack.parent.mkdir()
    pack.write_text(PACK)
    text = f"{V4}inspection: {{rules_dir: {pack.parent}}}\n"
    shutil.copytree(compiled_rules(), artefacts / "sensor" / "state" / "cache")  # where no earlier run has left these
    with running(ground.sensor, artefacts / "sensor", text, f"{BEAT_S}s") as sensor, Stream(ground) as stream:
        before = {name: process["pid"] for name, process in sensor.processes().items()}
        wait_until(lambda: len(stream.sent) >= 30, "the stream flows")
        pack.write_text(many_rules(MANY).replace("(foo|bar)99", "(foo|bar99"))
        late_s = watch_beats(sensor, "refused")
        assert "own-99" in sensor.status()["rules"]["problem"]
        visit(ground, sensor, "/?q=first-marker&n=1")
        pack.write_text(many_rules(MANY))
        late_s = max(late_s, watch_beats(sensor, "in force"))
        assert sensor.status()["rules"]["own"] == MANY
        wait_until(lambda: sensor.metrics().total("tcpmirror_worker_own_rules") == 2 * MANY, "both workers", SEEN_S, 0.2)
        sent = len(stream.sent)
        wait_until(lambda: len(stream.sent) >= sent + 30, "the stream goes on")
        stream.stop()
        visit(ground, sensor, "/?q=zz7abcfoo7%20qux12")
        sensor.await_seen(stream.uris())
        wait_until(lambda: exchanges(sensor) == ground.answered(), "each exchange that the server logged, once", SEEN_S, 0.3)
        assert {name: process["pid"] for name, process in sensor.processes().items()} == before, "nobody was killed"
        (artefacts / "beats.txt").write_text(f"longest without a beat: {late_s:.2f} s\n")
        assert late_s < BEAT_S / 2


def watch_beats(sensor: Sensor, wanted: str) -> float:
    """Return the longest that a process went without a beat, in seconds, until the rules were *wanted*."""
    found = [0.0]

    def is_there() -> bool:
        status = sensor.status()
        beats = [process["counters"]["heartbeat_ns"] for process in status["processes"]]
        found.append(time.monotonic() - min(beats) / 10**9)
        return bool(status["rules"]["state"] == wanted)

    wait_until(is_there, f"rules {wanted}", 120, 0.2)
    return max(found)


def exchanges(sensor: Sensor) -> int:
    workers = (process for process in sensor.processes().values() if process["kind"] == "worker")
    return sum(worker["counters"]["exchanges"] for worker in workers)


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
