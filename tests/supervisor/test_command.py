"""The command as an operator types it: what it prints, its exit codes, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tcpmirror.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_SETTINGS, EXIT_USAGE
from tcpmirror.supervisor.pid_file import PidFile, holders
from tests.supervisor.conftest import REPOSITORY, eventually, is_alive

PASSWORD = re.compile(r"user admin, password (\S+) \(shown this once\)")
SETTINGS = """
version: 4
mode: tcp-capture-v2
tcp_stream: {{from_interface: {{enabled: true, interface: any}}}}
workers: 1
limits: {{segment_ring: 1MiB, report_ring: 1MiB}}
supervisor: {{state_dir: {0}/state, run_dir: {0}/run, restart_backoff: 50ms, stop_deadline: 2s, heartbeat: 5s}}
"""


class Operator:
    """Types commands for one sensor, whose files lie under ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.run_dir = directory / "run"
        self.file = directory / "tcpmirror.yaml"
        self.file.write_text(SETTINGS.format(directory))
        self.events = directory / "events"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tests.supervisor.small_command", words[0], "-c", str(self.file), *words[1:]]

    def environment(self, **more: str) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
        return {**mine, "EVENTS": str(self.events), "PYTHONPATH": str(REPOSITORY), **more}

    def types(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.directory,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )

    def status(self) -> dict[str, Any]:
        done = self.types("status", "--json")
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    someone = Operator(tmp_path)
    yield someone
    for pid in holders(someone.run_dir):
        os.kill(pid, signal.SIGKILL)


def test_start_returns_when_all_runs_and_tells_the_console_and_its_password(operator: Operator) -> None:
    started = operator.types("start")
    assert started.returncode == EXIT_OK, started.stderr
    assert "tcpmirror runs: capture-0, worker-0, exporter-0, cloud-0" in started.stdout
    assert "console: http://127.0.0.1:8088/" in started.stdout
    password = PASSWORD.search(started.stdout)
    assert password
    everything = b"".join(path.read_bytes() for path in operator.directory.rglob("*") if path.is_file())
    assert password[1].encode() not in everything, "shown, and kept nowhere"
    assert operator.status()["state"] == "running"
    assert operator.types("stop").returncode == EXIT_OK


def test_a_sensor_in_the_background_keeps_nothing_of_its_caller_open(operator: Operator) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    command = subprocess.Popen(
        operator.command("start"),
        env=operator.environment(),
        cwd=operator.directory,
        stdout=subprocess.DEVNULL,
        close_fds=False,
    )
    os.close(writing)
    assert command.wait(60) == EXIT_OK
    assert os.read(reading, 1) == b"", "the pipe has no writer any more"
    os.close(reading)


def test_the_password_is_told_at_the_first_complete_start_only(operator: Operator) -> None:
    failed = operator.types("start", MAINS='{"capture": "no_interface"}')
    assert failed.returncode == EXIT_ENVIRONMENT
    assert not PASSWORD.search(failed.stdout + failed.stderr)
    assert PASSWORD.search(operator.types("start").stdout), "the failed start did not use it up"
    again = operator.types("restart")
    assert again.returncode == EXIT_OK
    assert "password" not in again.stdout


def test_a_journal_gets_the_place_of_the_password_and_not_the_password(operator: Operator) -> None:
    started = operator.types("start", JOURNAL_STREAM="8:12345")
    kept = operator.directory / "state/admin-password"
    assert str(kept) in started.stdout
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text().strip() not in started.stdout


def test_a_failed_start_says_why_and_leaves_nothing_running(operator: Operator) -> None:
    failed = operator.types("start", MAINS='{"capture": "no_interface"}')
    assert failed.returncode == EXIT_ENVIRONMENT
    assert "not started: capture-0: capture: interface nosuch0 does not exist" in failed.stderr
    assert holders(operator.run_dir) == ()
    assert operator.types("start").returncode == EXIT_OK


def test_two_sensors_cannot_share_a_run_directory(operator: Operator) -> None:
    operator.types("start")
    pid = operator.status()["pid"]
    second = operator.types("start")
    assert second.returncode == EXIT_ENVIRONMENT
    assert f"{operator.run_dir}/supervisor.pid is locked by pid" in second.stderr
    assert str(pid) in second.stderr
    assert operator.types("run").returncode == EXIT_ENVIRONMENT
    assert operator.status()["pid"] == pid


def test_status_of_a_stopped_sensor_says_so(operator: Operator) -> None:
    plain = operator.types("status")
    assert (plain.returncode, plain.stdout) == (EXIT_ENVIRONMENT, "tcpmirror is not running\n")
    told = operator.types("status", "--json")
    assert (told.returncode, json.loads(told.stdout)["state"]) == (EXIT_ENVIRONMENT, "stopped")
    assert operator.types("reload").returncode == EXIT_ENVIRONMENT
    assert operator.types("stop").returncode == EXIT_OK, "what is asked for is so already"


def test_status_shows_a_table(operator: Operator) -> None:
    operator.types("start")
    lines = operator.types("status").stdout.splitlines()
    assert re.match(r"tcpmirror \S+.*: running, pid \d+, up \d+s, console http://127.0.0.1:8088/$", lines[0])
    assert lines[3].split()[:5] == ["process", "pid", "state", "uptime", "restarts"]
    assert [line.split()[0] for line in lines[4:8]] == ["capture-0", "worker-0", "exporter-0", "cloud-0"]
    assert "total: packets 0  drops 0  exchanges 0  attacks 0  backlog 0" in lines
    assert [line.split() for line in lines[-3:]] == [[unit, *"0000-"] for unit in ("packets", "bytes", "exchanges")]


def test_a_broken_settings_file_is_refused_before_anything_starts(operator: Operator) -> None:
    operator.file.write_text(operator.file.read_text() + "wokers: 3\n")
    refused = operator.types("start")
    assert refused.returncode == EXIT_SETTINGS
    assert "wokers" in refused.stderr
    assert not operator.run_dir.exists()


def test_a_settings_file_broken_while_running_stops_neither_status_nor_stop(operator: Operator) -> None:
    operator.types("start")
    operator.file.write_text(operator.file.read_text() + "wokers: 3\n")
    pids = [process["pid"] for process in operator.status()["processes"]]
    reloaded = operator.types("reload")
    assert reloaded.returncode == EXIT_SETTINGS
    assert "nothing was changed" in reloaded.stderr
    assert "wokers" in reloaded.stderr
    assert operator.types("restart").returncode == EXIT_SETTINGS
    assert [process["pid"] for process in operator.status()["processes"]] == pids
    assert operator.types("stop").returncode == EXIT_OK


def test_reload_says_what_was_done(operator: Operator) -> None:
    operator.types("start")
    operator.file.write_text(operator.file.read_text().replace("workers: 1", "workers: 2") + "log: {level: debug}\n")
    told = operator.types("reload")
    assert told.returncode == EXIT_OK, told.stderr
    assert told.stdout.splitlines() == [
        "changed: log; workers read the rules again",
        "started anew: exporter, cloud",
        "holds only after a restart: workers",
    ]


def test_a_reload_with_a_broken_rule_changes_nothing(operator: Operator) -> None:
    operator.types("start")
    rules = operator.directory / "rules"
    rules.mkdir()
    operator.file.write_text(operator.file.read_text() + f"inspection: {{rules_dir: {rules}}}\n")
    assert operator.types("reload").returncode == EXIT_OK
    (rules / "own.yaml").write_text("rules:\n  - {id: own-rule, confidence: 7}\n")
    refused = operator.types("reload")
    assert refused.returncode == EXIT_SETTINGS, refused.stdout
    assert f"nothing was changed: {rules}/own.yaml:" in refused.stderr


def test_run_stays_in_front_and_ends_in_order_on_interrupt(operator: Operator) -> None:
    with subprocess.Popen(
        operator.command("run"), env=operator.environment(), stdout=subprocess.PIPE, text=True, cwd=operator.directory
    ) as process:
        assert process.stdout
        told = [process.stdout.readline() for _ in range(3)]
        assert told[0].startswith("tcpmirror runs:")
        assert PASSWORD.search(told[2])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == EXIT_OK
    assert list(operator.run_dir.iterdir()) == []


def test_run_goes_on_when_nobody_reads_what_it_prints(operator: Operator) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        operator.command("run"),
        env=operator.environment(),
        stdout=writing,
        stderr=subprocess.DEVNULL,
        cwd=operator.directory,
    ) as process:
        os.close(writing)
        try:
            eventually(lambda: operator.status()["state"] == "running")
            assert (operator.directory / "state/admin-password").exists(), "it was not shown to anybody"
        finally:
            process.terminate()
        assert process.wait(60) == EXIT_OK


def test_memory_that_is_not_there_is_named_with_its_keys(operator: Operator) -> None:
    text = operator.file.read_text().replace("segment_ring: 1MiB", "segment_ring: 4GiB")
    operator.file.write_text(text.replace("workers: 1", "workers: 64"))
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33)); "
    program = limited + "sys.argv = sys.argv[1:]; runpy.run_module('tests.supervisor.small_command', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program, "command", "run", "-c", str(operator.file)],
        env=operator.environment(),
        cwd=operator.directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == EXIT_ENVIRONMENT, done.stderr
    assert "lower limits.memory, limits.segment_ring or workers" in done.stderr


@pytest.mark.slow
def test_stop_ends_what_a_killed_supervisor_left(operator: Operator) -> None:
    operator.types("start", MAINS='{"worker": "never_ends"}')
    status = operator.status()
    os.kill(status["pid"], signal.SIGKILL)
    worker = status["processes"][1]["pid"]
    eventually(lambda: not is_alive(status["pid"]))
    if is_alive(worker):
        refused = operator.types("start")
        assert refused.returncode == EXIT_ENVIRONMENT, "the rest of the old sensor still has its ports"
    assert operator.types("stop").returncode == EXIT_OK
    assert not is_alive(worker)
    assert operator.types("start").returncode == EXIT_OK


@pytest.mark.slow
def test_stop_kills_a_supervisor_that_hangs(operator: Operator) -> None:
    operator.types("start")
    status = operator.status()
    os.kill(status["pid"], signal.SIGSTOP)
    stopped = operator.types("stop")
    assert stopped.returncode == EXIT_OK
    assert f"killed what did not stop within supervisor.stop_deadline: pid {status['pid']}" in stopped.stderr
    assert not any(is_alive(process["pid"]) for process in status["processes"])


UNUSABLE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a file where the state directory should be": ("state_dir", lambda directory: (directory / "state").write_text("")),
    "a file where the run directory should be": ("run_dir", lambda directory: (directory / "run").write_text("")),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_directory_that_cannot_be_made_is_named_with_its_key(operator: Operator, case: str) -> None:
    key, spoil = UNUSABLE[case]
    spoil(operator.directory)
    refused = operator.types("start")
    assert refused.returncode == EXIT_ENVIRONMENT
    assert f"supervisor.{key}: {operator.directory}" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user, or become one")
class TestUsers:
    def test_an_ordinary_user_is_told_to_choose_directories(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == EXIT_ENVIRONMENT, done.stderr
        assert "supervisor.state_dir" in done.stderr
        assert "run as root, or set supervisor.state_dir" in done.stderr

    def test_a_directory_of_another_user_is_refused(self, operator: Operator) -> None:
        (operator.directory / "state").mkdir()
        os.chown(operator.directory / "state", 12345, 12345)
        refused = operator.types("start")
        assert refused.returncode == EXIT_ENVIRONMENT
        assert "belongs to uid 12345" in refused.stderr


# The interpreter may lie where only root can read, so the user changes after everything is imported.
UNPRIVILEGED = """
import contextlib, os, sys
from tcpmirror.supervisor import command
with contextlib.suppress(SystemExit):
    command.main(["start", "--help"])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(command.main(["start"]))
"""


@pytest.mark.parametrize("words", [(), ("begin",), ("start", "--json")], ids=["no command", "unknown", "option of another"])
def test_wrong_usage_is_exit_code_2(operator: Operator, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tests.supervisor.small_command", *words]
    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False, timeout=30).returncode == EXIT_USAGE


def test_a_supervisor_that_has_its_place_and_does_not_listen_yet_is_starting(operator: Operator) -> None:
    operator.run_dir.mkdir()
    place = PidFile(operator.run_dir)
    try:
        told = operator.types("status")
        assert (told.returncode, told.stdout, told.stderr) == (EXIT_OK, "tcpmirror: starting\n", "")
        place.write()
        assert operator.status() == {"state": "starting", "processes": []}
        place.path.write_text("999999999\n")  # that one is gone, and its children hold the lock
        assert operator.types("status").returncode == EXIT_ENVIRONMENT
    finally:
        place.remove()
    assert operator.types("status").stdout == "tcpmirror is not running\n"
