"""A whole sensor in the bed: the supervisor started as an operator would, and its answers read as a client would.

Nothing here imports the product: it is driven by its commands and signals, and seen by its control socket, the cloud's query
API and a scrape of `/metrics`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench.network import Namespace, wait_until

CLOUD: Final = "http://127.0.0.1:8088"
METRICS: Final = "http://127.0.0.1:9000/metrics"
READY: Final = "http://127.0.0.1:8080/ready"
START_S: Final = 90.0
COMPILE_S: Final = 600.0  # all rules, on a small machine that does other things too
SEEN_S: Final = 30.0  # for an attack to travel from the wire to the cloud's query API
HEARTBEAT: Final = "30s"  # the default
PASSWORD: Final = re.compile(r"password (\S+) \(shown")

OURS: Final = """
workers: 2
supervisor: {{heartbeat: {heartbeat}, state_dir: {directory}/state, run_dir: {directory}/run}}
cloud: {{sampling: 'off', heartbeat_interval: 2s}}
console: {{enabled: {pages}}}
"""


def program(name: str) -> str:
    """Return the path of a command of the project, beside the running interpreter."""
    return str(Path(sys.executable).with_name(name))


@dataclass(slots=True)
class Sensor:
    """A sensor whose configuration lies at ``file``; `running` and `started` bring it to life in either way."""

    namespace: Namespace
    directory: Path
    file: Path
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10.0, trust_env=False))

    def command(self, *words: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `tcpmirror-supervisor` with *words* and this sensor's configuration, and return what it said."""
        command = self.namespace.command(program("tcpmirror-supervisor"), words[0], "-c", str(self.file), *words[1:])
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment())

    def status(self) -> dict[str, Any]:
        """Return what `status --json` prints, asked for as that does: a Python for each look would be most of a test."""
        directory = os.open(self.directory / "run", os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as call:
                call.settimeout(20.0)
                call.connect(f"/proc/self/fd/{directory}/control.sock")  # a path of its own may be too long for a socket
                call.sendall(b'{"command": "status"}\n')
                return dict(json.loads(call.makefile("rb").readline()))
        finally:
            os.close(directory)

    def processes(self) -> dict[str, dict[str, Any]]:
        """Return what `status` says of each process, by its name (`capture-0`)."""
        return {process["name"]: process for process in self.status()["processes"]}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to the process of that name and return its pid."""
        pid = int(self.processes()[name]["pid"])
        os.kill(pid, number)
        return pid

    def get(self, url: str, **parameters: str | int) -> httpx.Response:
        with self.namespace.entered():
            return self._client.get(url, params=parameters)

    def call(self, method: str, url: str, body: object, **parameters: str) -> httpx.Response:
        """Return the answer to a call with *body* as JSON, None for no body."""
        with self.namespace.entered():
            return self._client.request(method, url, json=body, params=parameters)

    def is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.get(READY).status_code == 200
        return False

    def sign_in(self, password: str) -> None:
        with self.namespace.entered():
            answer = self._client.post(f"{CLOUD}/api/v1/session", json={"user": "admin", "password": password})
        assert answer.is_success, answer.text

    def pages(self, path: str, **parameters: str | int) -> list[dict[str, Any]]:
        """Return all rows of a list of the query API, whose last word names them."""
        items: list[dict[str, Any]] = []
        while True:
            answer = self.get(f"{CLOUD}/api/v1/{path}", **parameters)
            assert answer.status_code == 200, answer.text
            items += answer.json()[path.rpartition("/")[2]]
            cursor = answer.json().get("next_cursor")
            if not cursor:
                return items
            parameters["cursor"] = cursor

    def attacks(self) -> list[dict[str, Any]]:
        return self.pages("attacks", limit=500)

    def hits(self) -> list[dict[str, Any]]:
        """Return every hit of every attack."""
        return [hit for attack in self.attacks() for hit in self.pages(f"attacks/{attack['id']}/hits", limit=500)]

    def hit_uris(self) -> set[str]:
        return {hit["uri"] for hit in self.hits()}

    def await_seen(self, wanted: set[str], deadline_s: float = SEEN_S) -> None:
        """Return when all *wanted* targets are among the hits; the assertion names the missing ones.

        A cloud that cannot be reached for the moment is waited for.
        """
        seen: set[str] = set()

        def all_seen() -> bool:
            with contextlib.suppress(httpx.TransportError):
                seen.update(self.hit_uris())
            return wanted <= seen

        try:
            wait_until(all_seen, "all attacks in the cloud", deadline_s, 0.3)
        except TimeoutError:
            missing = sorted(wanted - seen)
            raise AssertionError(f"{len(missing)} of {len(wanted)} attacks never arrived: {missing[:5]}") from None

    def metrics(self) -> Metrics:
        answer = self.get(METRICS)
        assert answer.status_code == 200, answer.text
        return Metrics.parsed(answer.text)


@dataclass(frozen=True, slots=True)
class Metrics:
    """One scrape, as a Prometheus server would read it."""

    samples: tuple[tuple[str, dict[str, str], float], ...]

    @classmethod
    def parsed(cls, text: str) -> Metrics:
        families = text_string_to_metric_families(text)
        return cls(tuple((sample.name, sample.labels, sample.value) for family in families for sample in family.samples))

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of that name that have at least these labels; KeyError if there is none."""
        values = [
            value for found, its, value in self.samples if found == name and all(its.get(k) == v for k, v in labels.items())
        ]
        if not values:
            raise KeyError(f"no sample {name}{labels or ''}")
        return sum(values)


def environment() -> dict[str, str]:
    """Return the environment for the commands of the sensor: no proxy (all it calls is in its namespace), no journal."""
    unwanted = ("_proxy", "journal_stream")
    return {name: value for name, value in os.environ.items() if not name.lower().endswith(unwanted)}


@functools.cache
def compiled_rules() -> Path:
    """Return the directory with the compiled rules, which every sensor of this run finds there and no start waits for."""
    command = (program("tcpmirror"), "rules", "explain", "what compiles all rules where it has to")
    subprocess.run(command, check=True, capture_output=True, timeout=COMPILE_S, env=environment())
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcpmirror"


def configured(
    namespace: Namespace, directory: Path, text: str, heartbeat: str = HEARTBEAT, *, pages: bool = False
) -> Sensor:
    """Return a sensor, not yet started, with *text* and our own keys as its configuration.

    With *pages* its cloud serves the console beside the API, which takes some seconds more to start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "tcpmirror.yaml"
    file.write_text(text + OURS.format(directory=directory, heartbeat=heartbeat, pages=str(pages).lower()))
    cache = directory / "state" / "cache"
    if not cache.exists():
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        cache.symlink_to(compiled_rules())
    return Sensor(namespace, directory, file)


@contextlib.contextmanager
def running(
    namespace: Namespace, directory: Path, text: str, heartbeat: str = HEARTBEAT, *, pages: bool = False
) -> Iterator[Sensor]:
    """Yield a signed-in sensor under `tcpmirror-supervisor run`; stopped in order at the end of the block."""
    made = configured(namespace, directory, text, heartbeat, pages=pages)
    log = directory / "sensor.log"
    command = (program("tcpmirror-supervisor"), "run", "-c", str(made.file))
    with namespace.process(command, log, environment=environment()) as process:
        await_ready(made, process, log)
        made.sign_in(first_password(log))
        yield made
        assert process.poll() is None, f"the supervisor ended by itself: {log.read_text()[-3000:]}"


def await_ready(sensor: Sensor, process: subprocess.Popen[bytes], log: Path) -> None:
    wait_until(lambda: sensor.is_ready() or process.poll() is not None, f"a ready sensor, see {log}", START_S, 0.1)
    assert process.poll() is None, f"the supervisor ended with {process.returncode}: {log.read_text()[-3000:]}"
    wait_until(lambda: PASSWORD.search(log.read_text()), f"the console's first password in {log}")


def first_password(log: Path) -> str:
    found = PASSWORD.search(log.read_text())
    assert found, log.read_text()
    return found[1]
