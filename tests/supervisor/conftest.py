"""A real supervisor in a process of its own, over small mains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tcpmirror.supervisor.control import ask

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 60.0
PAUSE_S = 0.01

T = TypeVar("T")


def eventually(look: Callable[[], T | None], seconds: float = DEADLINE_S) -> T:
    """Return the first true thing that *look* returns; fail after *seconds*."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(PAUSE_S)
    return seen


def is_alive(pid: int) -> bool:
    """Whether *pid* runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Sensor:
    """One supervisor under test; ``plan`` as `mains.settings_of` reads it."""

    def __init__(self, directory: Path, environment: dict[str, str] | None = None, **plan: Any) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.events_file = directory / "events"
        self.plan_file = directory / "plan.json"
        places = {"run_dir": str(directory), "state_dir": str(directory)}
        times = {"restart_backoff_s": 0.05, "heartbeat_s": 10.0, "stop_deadline_s": 5.0}
        self.plan = {**plan, "supervisor": {**places, **times, **plan.get("supervisor", {})}}
        self.change()
        self.log = (directory / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.supervisor.mains", str(self.plan_file)],
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {}), "EVENTS": str(self.events_file)},
            stderr=self.log,
            stdout=self.log,
        )

    def change(self, **plan: Any) -> None:
        self.plan = {**self.plan, **plan}
        self.plan_file.write_text(json.dumps(self.plan))

    def events(self, what: str, **facts: Any) -> list[dict[str, Any]]:
        """Return what the mains told so far, of one kind, with these facts."""
        lines = self.events_file.read_text().splitlines() if self.events_file.exists() else []
        told = [json.loads(line) for line in lines]
        return [event for event in told if event["what"] == what and facts.items() <= event.items()]

    def ready(self) -> Sensor:
        eventually(lambda: self.events("announced") or self.process.poll() is not None)
        assert [event["exit_code"] for event in self.events("announced")] == [0], self.logged()
        return self

    def status(self) -> dict[str, Any]:
        return ask(self.directory, {"command": "status"})

    def child(self, name: str) -> dict[str, Any]:
        return next(process for process in self.status()["processes"] if process["name"] == name)

    def child_if(self, name: str, **facts: Any) -> dict[str, Any] | None:
        """Return what is told of a process if these facts are among it."""
        child = self.child(name)
        return child if facts.items() <= child.items() else None

    def pids(self) -> list[int]:
        return [process["pid"] for process in self.status()["processes"] if process["pid"]]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def logged(self) -> str:
        return (self.directory / "log").read_text()

    def close(self) -> None:
        pids = self.pids() if self.process.poll() is None and (self.directory / "control.sock").exists() else []
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def run_sensor(tmp_path: Path) -> Iterator[Callable[..., Sensor]]:
    """Start a supervisor over small mains: `run_sensor(mains={"worker": "deaf"}, supervisor={...})`."""
    sensors: list[Sensor] = []

    def run(**plan: Any) -> Sensor:
        sensors.append(Sensor(tmp_path / f"sensor-{len(sensors)}", **plan))
        return sensors[-1]

    yield run
    for sensor in sensors:
        sensor.close()
