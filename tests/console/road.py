"""A real sensor that reads a capture and reports to a console."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.network import wait_until
from tests.console.conftest import RunningConsole
from tests.live.sensor import compiled_rules, environment, program
from tests.traffic import conversation, request, response, write_capture

SETTINGS: Final = """
version: 4
mode: tcp-capture-v2
workers: 2
tcp_stream: {{from_file: [{{enabled: true, path: {capture}}}]}}
cloud: {{url: '{url}', token: {token}, group: amsterdam, heartbeat_interval: 2s}}
metrics: {{enabled: false, legacy_status: {{enabled: false}}}}
health_check: {{enabled: false}}
discovery: {{interval: 1s}}
sessions: {{interval: 1s}}
behavior: {{interval: 1s, controls: {controls}, profiles: {{sensitivity: {bots}}}}}
inspection: {{mask: [{{name: pins, parameter: pin}}]}}
supervisor: {{state_dir: {directory}/state, run_dir: {directory}/run}}
{more}
"""


@contextmanager
def sensor(
    console: RunningConsole, directory: Path, capture: Path, controls: str = "[]", more: str = "", bots: str = "'off'"
) -> Iterator[Callable[[], bool]]:
    """Have a sensor with *more* settings read *capture*; its state in *directory* is kept. Yield whether it still runs.

    *bots*: how sensitive it is to them.
    """
    token = console.printed(r"deploy token: (\S+)")
    assert token is not None
    settings = directory / "settings.yaml"
    settings.write_text(
        SETTINGS.format(
            capture=capture,
            url=console.url,
            token=token.group(1),
            directory=directory,
            controls=controls,
            more=more,
            bots=bots,
        )
    )
    cache = directory / "state" / "cache"
    if not cache.is_symlink():
        cache.parent.mkdir(mode=0o700)
        cache.symlink_to(compiled_rules())
    log = directory / "sensor.log"
    command = (program("tcpmirror-supervisor"), "run", "-c", str(settings))
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment()) as process:
        try:
            yield lambda: process.poll() is None
            assert process.poll() is None, log.read_text()[-3000:]
        finally:
            process.terminate()


def take_rules(console: RunningConsole, directory: Path) -> None:
    """Have the sensor of *directory* take the rules that the console serves now; it reads next to nothing meanwhile."""
    capture = write_capture(directory / "nothing.pcap", conversation([(0, request("/")), (1, response())], start=1.0))
    with sensor(console, directory, capture) as is_running:
        log = directory / "sensor.log"
        wait_until(lambda: not is_running() or "took rules" in log.read_text(), "the rules on the sensor", 180, 0.1)
        assert is_running(), log.read_text()[-3000:]
