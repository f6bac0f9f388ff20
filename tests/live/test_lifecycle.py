"""The sensor as a service: start, status, reload, stop; what a wrong start says; what is left when it is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.network import run, wait_until
from tests.live.bed import Bed, bed
from tests.live.configurations import V3
from tests.live.sensor import PASSWORD, SEEN_S, Sensor, configured
from tests.live.visits import Stream, curl

pytestmark = pytest.mark.live


@pytest.fixture
def ground(artefacts: Path) -> Iterator[Bed]:
    with bed("span", artefacts / "bed") as made:
        yield made


@pytest.fixture
def sensor(ground: Bed, artefacts: Path) -> Iterator[Sensor]:
    """A sensor that is stopped at the end if the test has not done so."""
    made = configured(ground.sensor, artefacts / "sensor", V3, pages=True)
    yield made
    if pids(ground):
        made.command("stop")


def pids(ground: Bed) -> list[str]:
    return run("ip", "netns", "pids", ground.sensor.name).split()


def test_start_status_reload_stop(ground: Bed, sensor: Sensor) -> None:
    started = sensor.command("start")
    assert started.returncode == 0, started.stdout + started.stderr
    password = PASSWORD.search(started.stdout)
    assert password, started.stdout
    sensor.sign_in(password[1])
    assert {process["kind"] for process in sensor.processes().values()} == {"capture", "worker", "exporter", "cloud"}
    assert "worker-0" in sensor.command("status").stdout
    assert json.loads(sensor.command("status", "--json").stdout)["state"] == "running"

    assert curl(ground, path="/etc/passwd") == [(404, 1)]
    wait_until(lambda: len(sensor.hits()) == 1, "the attack in the cloud", SEEN_S, 0.2)

    stopped = sensor.command("stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert not pids(ground)
    assert sensor.command("status", "--json").returncode == 4


def test_second_start_keeps_its_findings_and_shows_no_password(ground: Bed, sensor: Sensor) -> None:
    first = sensor.command("start")
    password = PASSWORD.search(first.stdout)
    assert password, first.stdout + first.stderr
    sensor.sign_in(password[1])
    assert curl(ground, path="/etc/passwd") == [(404, 1)]
    wait_until(lambda: len(sensor.hits()) == 1, "the attack in the cloud", SEEN_S, 0.2)
    assert sensor.command("stop").returncode == 0
    second = sensor.command("start")
    assert second.returncode == 0, second.stdout + second.stderr
    assert not PASSWORD.search(second.stdout)
    sensor.sign_in(password[1])
    assert [hit["uri"] for hit in sensor.hits()] == ["/etc/passwd"]


def test_attacks_queued_at_stop_are_delivered(ground: Bed, sensor: Sensor) -> None:
    first = sensor.command("start")
    password = PASSWORD.search(first.stdout)
    assert password, first.stdout + first.stderr
    with Stream(ground) as stream:
        wait_until(lambda: len(stream.sent) >= 90, "the stream flows")
        stream.stop()
    assert sensor.command("stop").returncode == 0
    assert sensor.command("start").returncode == 0
    sensor.sign_in(password[1])
    sensor.await_seen(stream.uris())


def test_reload_loses_no_exchange(ground: Bed, sensor: Sensor) -> None:
    first = sensor.command("start")
    password = PASSWORD.search(first.stdout)
    assert password, first.stdout + first.stderr
    sensor.sign_in(password[1])
    with Stream(ground) as stream:
        wait_until(lambda: len(stream.sent) >= 30, "the stream flows")
        sensor.file.write_text(sensor.file.read_text() + "log: {level: debug, pretty: false, access_log: {enabled: true}}\n")
        answer = sensor.command("reload")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        sent = len(stream.sent)
        wait_until(lambda: len(stream.sent) >= sent + 60, "the stream goes on")
        log = sensor.directory / "state" / "log" / "tcpmirror.log"
        wait_until(lambda: noted(log), "exchanges in the access log", SEEN_S, 0.2)
        log.rename(log.with_suffix(".1"))
        wait_until(lambda: noted(log), "exchanges in the new access log", SEEN_S, 0.2)
        stream.stop()
    sensor.await_seen(stream.uris())
    wait_until(lambda: stream.uris() >= noted(log) > set(), "the stream's exchanges in the access log", SEEN_S, 0.2)


def noted(log: Path) -> set[str]:
    """Return the targets in the access log's lines of *log*, which stand among others of an older form."""
    lines = log.read_text().splitlines() if log.exists() else []
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return {line["uri"] for line in told if line["logger"] == "tcpmirror.access"}


def test_reload_of_a_broken_file_changes_nothing(sensor: Sensor) -> None:
    assert sensor.command("start").returncode == 0
    before = {name: process["pid"] for name, process in sensor.processes().items()}
    sensor.file.write_text(sensor.file.read_text() + "wokers: 3\n")
    answer = sensor.command("reload")
    assert answer.returncode == 3
    assert "wokers" in answer.stderr
    sensor.file.write_text(sensor.file.read_text().replace("wokers: 3\n", ""))
    assert {name: process["pid"] for name, process in sensor.processes().items()} == before


def test_missing_interface_fails_the_start_with_its_name(ground: Bed, sensor: Sensor) -> None:
    sensor.file.write_text(sensor.file.read_text().replace("mon0:", "mon7:"))
    answer = sensor.command("start")
    assert answer.returncode == 4, answer.stdout + answer.stderr
    assert "mon7" in answer.stderr
    wait_until(lambda: not pids(ground), "no process left behind")


def test_killed_supervisor_leaves_no_process(ground: Bed, sensor: Sensor) -> None:
    assert sensor.command("start").returncode == 0
    os.kill(int(sensor.status()["pid"]), 9)
    wait_until(lambda: not pids(ground), "every process gone with the supervisor", 20.0)
    assert sensor.command("start").returncode == 0
