"""The supervisor with real forks: deaths, hangs, stopping, reloading."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tcpmirror.errors import EXIT_BUG, EXIT_ENVIRONMENT, EXIT_SETTINGS
from tcpmirror.export.atomic_file import write_atomically
from tcpmirror.model.settings_document import SettingsDocument, encode_settings
from tcpmirror.settings.pushed import NAME
from tcpmirror.supervisor.control import ask
from tcpmirror.telemetry.names import KINDS
from tests.supervisor.conftest import Sensor, eventually, is_alive

Run = Callable[..., Sensor]
ALL = ["capture-0", "worker-0", "worker-1", "exporter-0", "cloud-0"]


def test_every_process_of_a_sensor_runs_and_is_told(run_sensor: Run) -> None:
    sensor = run_sensor().ready()
    status = sensor.status()
    assert status["state"] == "running"
    assert status["pid"] == sensor.process.pid
    assert [process["name"] for process in status["processes"]] == ALL
    for process in status["processes"]:
        assert is_alive(process["pid"])
        assert process["state"] == "running"
        assert process["restarts"] == 0
        assert set(process["counters"]) == set(KINDS[process["kind"]])
    assert sensor.events("announced")[0]["processes"] == ALL


def test_without_an_embedded_cloud_there_is_no_cloud_process(run_sensor: Run) -> None:
    sensor = run_sensor(cloud={"embedded": False, "url": "http://127.0.0.1:1"}).ready()
    assert [process["name"] for process in sensor.status()["processes"]] == ALL[:-1]


@pytest.mark.parametrize("name", ALL)
def test_a_killed_process_comes_back_and_is_counted(run_sensor: Run, name: str) -> None:
    sensor = run_sensor().ready()
    others = {pid for pid in sensor.pids() if pid != sensor.child(name)["pid"]}
    first = sensor.child(name)["pid"]
    os.kill(first, signal.SIGKILL)
    after = eventually(lambda: sensor.child_if(name, state="running", restarts=1))
    assert after["pid"] != first
    assert (after["restarts"], after["counters"]["restarts"]) == (1, 1)
    assert after["last_exit"] == -signal.SIGKILL
    assert after["last_error"] == "killed by SIGKILL"
    assert others <= set(sensor.pids()), "the others live on"


def test_back_off_doubles_and_says_when_the_next_start_is(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"capture": "loses_interface"}, supervisor={"restart_backoff_s": 0.2}).ready()
    os.kill(sensor.child("capture-0")["pid"], signal.SIGKILL)
    eventually(lambda: sensor.child("capture-0")["restarts"] >= 2)
    first = eventually(lambda: sensor.child_if("capture-0", state="back-off"))
    second = eventually(lambda: sensor.child_if("capture-0", state="back-off", restarts=first["restarts"] + 1))
    assert second["retry_in_s"] > 0.4
    assert second["last_error"] == "capture: interface nosuch0 does not exist"
    assert sensor.status()["state"] == "degraded"
    assert sensor.process.poll() is None, "a vanished interface ends a process, not the sensor"


def test_a_process_that_stops_beating_is_killed_and_started_again(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"worker": "hangs_once"}, workers=1, supervisor={"heartbeat_s": 0.6}).ready()
    worker = eventually(lambda: sensor.child_if("worker-0", state="running", restarts=1))
    assert worker["last_exit"] == -signal.SIGKILL
    assert worker["last_error"].startswith("silent for 0.")
    assert sensor.child("exporter-0")["restarts"] == 0


def test_a_record_that_kills_a_worker_twice_is_skipped(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"worker": "poisoned", "capture": "feeds_poison"}, workers=1).ready()
    eventually(lambda: sensor.events("record", text="after"))
    assert [len(event["skip"]) for event in sensor.events("worker")] == [0, 1, 1]
    first, second, third = (event["skip"] for event in sensor.events("worker"))
    assert (first, second) == ([], [-1]), "once may be chance"
    assert third[0] > 0
    assert [event["text"] for event in sensor.events("record")] == ["before", "poison", "after"]


def test_processes_stop_in_the_order_of_the_road(run_sensor: Run) -> None:
    sensor = run_sensor().ready()
    assert sensor.stop() == 0
    kinds = [event["name"].split("-")[0] for event in sensor.events("stopped")]
    assert kinds == ["capture", "worker", "worker", "exporter", "cloud"]
    assert not (sensor.directory / "control.sock").exists()


def test_a_process_that_takes_too_much_memory_is_ended_counted_and_started_again(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"worker": "hungry"}, workers=1, supervisor={"memory_limit_bytes": 256 << 20}).ready()
    after = eventually(lambda: sensor.child_if("worker-0", state="running", restarts=1))
    assert after["counters"]["memory_kills"] == 1
    assert "MiB of memory, more than 256, killed" in after["last_error"]
    assert "see supervisor.memory_limit" in sensor.logged()


def test_a_process_that_ignores_sigterm_is_killed_and_the_rest_still_stops_in_order(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"worker": "deaf"}, workers=1, supervisor={"stop_deadline_s": 1.0}).ready()
    pids = sensor.pids()
    began = time.monotonic()
    assert sensor.stop() == 0
    assert time.monotonic() - began > 0.5
    assert [event["name"] for event in sensor.events("stopped")] == ["capture-0", "exporter-0", "cloud-0"]
    assert not any(map(is_alive, pids))


def test_a_second_interrupt_ends_all_at_once(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"capture": "deaf"}, supervisor={"stop_deadline_s": 600.0}).ready()
    sensor.process.send_signal(signal.SIGINT)
    eventually(lambda: sensor.status()["state"] == "stopping")
    assert sensor.stop(signal.SIGINT) == 0


@pytest.mark.slow
def test_children_end_when_the_supervisor_is_killed(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"worker": "never_ends", "exporter": "deaf"}, supervisor={"stop_deadline_s": 0.5}).ready()
    pids = sensor.pids()
    sensor.process.kill()
    eventually(lambda: not any(map(is_alive, pids)))
    assert {event["name"] for event in sensor.events("stopped")} == {"capture-0", "exporter-0", "cloud-0"}


@pytest.mark.parametrize(
    ("kind", "main", "exit_code", "reason"),
    [
        pytest.param("capture", "no_interface", EXIT_ENVIRONMENT, "nosuch0 does not exist", id="no such interface"),
        pytest.param("worker", "buggy", EXIT_BUG, "ZeroDivisionError", id="a bug in a worker"),
        pytest.param("cloud", "exits", EXIT_BUG, "SystemExit: a library gave up", id="a library that calls sys.exit"),
    ],
)
def test_a_first_start_that_fails_ends_the_sensor_with_its_reason(
    run_sensor: Run, kind: str, main: str, exit_code: int, reason: str
) -> None:
    sensor = run_sensor(mains={kind: main}, workers=1)
    assert sensor.process.wait(60) == exit_code
    (announced,) = sensor.events("announced")
    assert announced["exit_code"] == exit_code
    assert reason in announced["reason"]
    assert f"{kind}-0" in announced["reason"]


def test_a_process_that_never_beats_fails_the_start(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"exporter": "silent"}, supervisor={"heartbeat_s": 0.2})
    assert sensor.process.wait(60) == EXIT_BUG


def test_a_bug_is_logged_once_with_its_traceback_and_the_process_name(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"worker": "buggy"}, workers=1)
    sensor.process.wait(60)
    logged = sensor.logged()
    deaths = logged.count("worker-0 ended by a bug")
    assert deaths == logged.count("ZeroDivisionError: integer division") - logged.count("died: ZeroDivisionError") - 2
    assert "error worker-0 tcpmirror.supervisor.fork: worker-0 ended by a bug" in logged
    assert "    | Traceback" in logged


def test_a_capture_that_came_to_the_end_of_its_file_is_not_started_again(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"capture": "ends"}, sources=[{"kind": "file", "interface": "x.pcap"}]).ready()
    eventually(lambda: sensor.child("capture-0")["state"] == "finished")
    assert sensor.status()["state"] == "running"
    assert sensor.child("capture-0")["restarts"] == 0


def test_a_capture_of_an_interface_that_ends_by_itself_is_started_again(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"capture": "ends"}, supervisor={"restart_backoff_s": 0.01})
    eventually((sensor.directory / "control.sock").exists)
    eventually(lambda: "exit code 0" in sensor.logged())


def counted_reloads(sensor: Sensor) -> tuple[int, int]:
    """Return how many settings were taken and refused, as the exporter's metrics tell."""
    (exporter,) = (each for each in ask(sensor.directory, {"command": "status"})["processes"] if each["kind"] == "exporter")
    return exporter["counters"]["reloads"], exporter["counters"]["reload_errors"]


class TestReload:
    def test_unchanged_settings_restart_nothing_and_workers_read_their_rules_again(self, run_sensor: Run) -> None:
        sensor = run_sensor().ready()
        pids = sensor.pids()
        answer = ask(sensor.directory, {"command": "reload"})
        assert answer == {"exit_code": 0, "changed": [], "restarted": [], "needs_restart": []}
        eventually(lambda: len(sensor.events("reloading")) == 2)
        assert sensor.pids() == pids
        assert counted_reloads(sensor) == (1, 0)

    def test_a_bad_file_changes_nothing_and_is_reported(self, run_sensor: Run) -> None:
        sensor = run_sensor().ready()
        pids = sensor.pids()
        sensor.change(broken=True)
        answer = ask(sensor.directory, {"command": "reload"})
        assert answer["exit_code"] == EXIT_SETTINGS
        assert "broken" in answer["error"]
        sensor.process.send_signal(signal.SIGHUP)
        eventually(lambda: sensor.logged().count("reload refused") == 2)
        assert sensor.pids() == pids
        assert counted_reloads(sensor) == (0, 2)
        assert not sensor.events("reloading")

    def test_exporter_and_cloud_are_started_anew_with_the_new_settings(self, run_sensor: Run) -> None:
        sensor = run_sensor().ready()
        before = {process["name"]: process["pid"] for process in sensor.status()["processes"]}
        sensor.change(cloud={"batch_reports": 7})
        assert ask(sensor.directory, {"command": "reload"})["restarted"] == ["exporter", "cloud"]
        eventually(lambda: sensor.status()["state"] == "running" and len(sensor.events("started")) == 7)
        after = {process["name"]: process["pid"] for process in sensor.status()["processes"]}
        assert {name for name in ALL if before[name] != after[name]} == {"exporter-0", "cloud-0"}
        assert sensor.child("exporter-0")["restarts"] == 0, "asked for, so no death"

    def test_new_settings_reach_a_process_that_is_started_anew(self, run_sensor: Run) -> None:
        sensor = run_sensor().ready()
        sensor.change(log_level="debug")
        ask(sensor.directory, {"command": "reload"})
        eventually(lambda: sensor.events("started", name="exporter-0", level="debug"))

    def test_settings_of_the_cloud_are_taken_when_they_are_kept_and_workers_live_on(self, run_sensor: Run) -> None:
        sensor = run_sensor().ready()
        before = {process["name"]: process["pid"] for process in sensor.status()["processes"]}
        document = SettingsDocument(1, "n", (("all", "log: {level: debug}"),))
        (sensor.directory / "in-force").mkdir(exist_ok=True)
        write_atomically(sensor.directory / "in-force" / NAME, encode_settings(document))
        eventually(lambda: sensor.events("started", name="exporter-0", level="debug"))
        eventually(lambda: sensor.status()["state"] == "running")
        after = {process["name"]: process["pid"] for process in sensor.status()["processes"]}
        assert {name for name in ALL if before[name] != after[name]} == {"exporter-0", "cloud-0"}
        (sensor.directory / "in-force").mkdir(exist_ok=True)
        write_atomically(sensor.directory / "in-force" / NAME, encode_settings(SettingsDocument(2, "n", ())))
        eventually(lambda: len(sensor.events("started", name="exporter-0", level="info")) == 2)

    def test_what_the_shared_memory_is_cut_for_waits_for_a_restart(self, run_sensor: Run) -> None:
        sensor = run_sensor(workers=2).ready()
        pids = sensor.pids()
        sensor.change(workers=3, sources=[{}, {}])
        answer = ask(sensor.directory, {"command": "reload"})
        assert answer["needs_restart"] == ["workers", "number of capture sources"]
        assert sensor.pids() == pids


class TestPowers:
    def test_capture_keeps_raw_sockets_and_the_others_nothing(self, run_sensor: Run) -> None:
        sensor = run_sensor(mains=dict.fromkeys(KINDS, "powers")).ready()
        held = {event["name"]: event for event in sensor.events("powers")}
        raw = 1 << 13
        for name in ALL:
            allowed = raw if name == "capture-0" else 0
            assert int(held[name]["CapPrm"], 16) & ~allowed == 0, name
            assert held[name]["NoNewPrivs"] == "1"
            assert held[name]["Name"] == f"tcpm-{name}"
        if os.geteuid() == 0:
            assert int(held["capture-0"]["CapEff"], 16) == raw

    def test_a_child_holds_no_descriptor_of_its_parent_or_siblings(self, run_sensor: Run) -> None:
        sensor = run_sensor(mains=dict.fromkeys(KINDS, "powers")).ready()
        for event in sensor.events("powers"):
            sockets = [name for name in event["descriptors"] if name.startswith(("socket:", "anon_inode:"))]
            pipes = [name for name in event["descriptors"] if name.startswith("pipe:")]
            assert not sockets, event["name"]
            assert len(pipes) <= 1, "its own last words"


def test_the_cloud_gets_its_credentials_and_no_text_shows_them(run_sensor: Run) -> None:
    sensor = run_sensor(mains={"cloud": "cloud_that_knows"}).ready()
    (cloud,) = sensor.events("cloud")
    assert (cloud["token"], cloud["password"]) == ("deploy-token", "first-password")
    assert "deploy-token" not in cloud["text"]
    assert "first-password" not in cloud["text"] + sensor.logged()


def test_the_service_manager_hears_ready_reloading_alive_and_stopping(run_sensor: Run, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        sensor = run_sensor(environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})
        heard: list[str] = []

        def hear(until: str) -> None:
            while not heard or until not in heard[-1].splitlines():
                heard.append(manager.recv(4096).decode())

        hear("READY=1")
        hear("WATCHDOG=1")
        sensor.process.send_signal(signal.SIGHUP)
        hear("RELOADING=1")
        assert any(line.startswith("MONOTONIC_USEC=") for line in heard[-1].splitlines())
        hear("READY=1")
        sensor.process.terminate()
        hear("STOPPING=1")
        assert sensor.process.wait(60) == 0
