"""The exporter as the supervisor runs it: a forked process on shared rings, stopped, killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from tcpmirror.errors import EnvironmentFault
from tcpmirror.model.digest import MirrorNews, encode_digest
from tcpmirror.model.report import encode_report
from tcpmirror.processes import exporter
from tcpmirror.processes.context import Context
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.ring.ring import KIND_DIGEST, KIND_LINE, KIND_REPORT
from tcpmirror.settings import tree
from tests.export.cloud import TOKEN, TestCloud
from tests.export.reports import EXAMPLE, numbered_report

WORKERS = 2
Eventually = Callable[..., None]
MakeBed = Callable[[tree.Settings], "Bed"]


@dataclass
class Bed:
    """Shared memory as a supervisor makes it, and the exporter process on it."""

    settings: tree.Settings
    pid: int = 0
    layout: SharedLayout = field(init=False)

    def __post_init__(self) -> None:
        self.layout = SharedLayout(1, WORKERS, self.settings.limits)
        self.counters = self.layout.counters(ProcessName("exporter", 0))
        self._writers = [self.layout.report_writer(worker) for worker in range(WORKERS)]

    def context(self) -> Context:
        return Context(ProcessName("exporter", 0), self.settings, self.layout, bytes(16), deploy_token=TOKEN)

    def start(self) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            status = 70
            try:
                context = self.context()
                context.install_signals()
                status = exporter.run(context)
            finally:
                os._exit(status)

    def end(self, signum: int = signal.SIGTERM) -> int:
        """Send *signum* and return the exit status, negative: the signal that ended it."""
        os.kill(self.pid, signum)
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def write(self, worker: int, record: bytes, kind: int = KIND_REPORT) -> bool:
        written = self._writers[worker].write(kind, record)
        self.layout.exporter_bell().ring()
        return bool(written)

    def report(self, *numbers: int) -> None:
        for number in numbers:
            assert self.write(number % WORKERS, encode_report(numbered_report(number)))


def settings_for(directory: Path, cloud_url: str) -> tree.Settings:
    return tree.Settings(
        metrics=tree.Metrics(enabled=False, legacy_status_enabled=False),
        health=tree.Health(enabled=False),
        cloud=tree.Cloud(
            embedded=False, url=cloud_url, token=TOKEN, batch_reports=20, batch_interval_ns=10_000_000, timeout_s=1.0
        ),
        spool=tree.Spool(segment_bytes=64 * 1024, fsync=False),
        supervisor=tree.Supervisor(state_dir=str(directory), stop_deadline_s=8.0),
        limits=tree.Limits(report_ring_bytes=tree.MIB),
    )


@pytest.fixture
def make_bed() -> Iterator[Callable[[tree.Settings], Bed]]:
    """Return a maker of beds whose processes end with the test, however it ends."""
    made: list[Bed] = []

    def make(settings: tree.Settings) -> Bed:
        made.append(Bed(settings))
        return made[-1]

    yield make
    for each in made:
        if each.pid:
            each.end(signal.SIGKILL)


@pytest.fixture
def bed(cloud: TestCloud, tmp_path: Path, make_bed: MakeBed) -> Bed:
    return make_bed(settings_for(tmp_path, cloud.url))


def ids(numbers: range) -> set[str]:
    return {f"{number:032x}" for number in numbers}


def test_reports_of_all_workers_reach_the_cloud(cloud: TestCloud, bed: Bed, eventually: Eventually) -> None:
    bed.start()
    bed.report(*range(50))
    eventually(lambda: set(cloud.stored) == ids(range(50)))
    eventually(lambda: bed.counters.get("backlog") == 0)
    assert bed.end() == 0
    counted = bed.counters.snapshot()
    assert (counted["reports"], counted["spooled"], counted["reports_sent"], counted["cloud_up"]) == (50, 50, 50, 1)


def test_sinks_get_what_the_cloud_gets_and_neither_waits_for_the_other(
    cloud: TestCloud, bed: Bed, tmp_path: Path, eventually: Eventually
) -> None:
    lines = tmp_path / "hits.jsonl"
    sinks = (
        tree.Sink(name="audit", type="file", url=str(lines), batch_interval_ns=10_000_000),
        tree.Sink(name="away", type="webhook", url=f"http://{free_address()}/", batch_interval_ns=10_000_000),
    )
    bed.settings = replace(bed.settings, sinks=sinks)
    bed.start()
    bed.report(*range(30))
    eventually(lambda: set(cloud.stored) == ids(range(30)))
    eventually(lambda: lines.exists() and len(lines.read_text().splitlines()) == 30)
    assert bed.end() == 0
    assert {json.loads(line)["request_id"] for line in lines.read_text().splitlines()} == ids(range(30))
    bed.start()
    bed.report(*range(30, 40))
    eventually(lambda: len(lines.read_text().splitlines()) == 40)
    assert bed.end() == 0


def test_a_stop_empties_the_rings_first(cloud: TestCloud, bed: Bed, eventually: Eventually) -> None:
    bed.start()
    eventually(lambda: bed.counters.get("heartbeat_ns"))
    bed.report(*range(600))
    assert bed.end() == 0
    assert set(cloud.stored) == ids(range(600))


def test_a_stop_while_the_cloud_is_away_leaves_everything_in_the_spool(
    tmp_path: Path, make_bed: MakeBed, eventually: Eventually
) -> None:
    gone = TestCloud()
    gone.close()
    bed = make_bed(settings_for(tmp_path, gone.url))
    bed.start()
    bed.report(*range(30))
    eventually(lambda: bed.counters.get("spooled") == 30)
    started_s = time.monotonic()
    assert bed.end() == 0
    assert time.monotonic() - started_s < 4.0
    back = TestCloud()
    bed.settings = settings_for(tmp_path, back.url)
    bed.start()
    eventually(lambda: set(back.stored) == ids(range(30)))
    assert bed.end() == 0
    back.close()


@pytest.mark.slow
def test_a_kill_in_the_middle_of_work_loses_nothing(cloud: TestCloud, bed: Bed, eventually: Eventually) -> None:
    dice, number = random.Random(7), 0
    for _ in range(12):
        bed.report(*range(number, number + 300))
        number += 300
        kill_at = bed.counters.get("reports") + dice.randrange(250)
        bed.start()
        eventually(lambda kill_at=kill_at: bed.counters.get("reports") >= kill_at)
        assert bed.end(signal.SIGKILL) == -signal.SIGKILL
    bed.start()
    eventually(lambda: set(cloud.stored) == ids(range(number)), deadline_s=30.0)
    assert bed.end() == 0


def test_what_is_no_report_is_counted_and_passed_over(cloud: TestCloud, bed: Bed, eventually: Eventually) -> None:
    bed.start()
    bed.write(0, b"no report")
    bed.write(0, encode_report(EXAMPLE), kind=KIND_LINE)
    bed.write(0, b"")
    bed.report(1)
    eventually(lambda: cloud.stored)
    assert bed.counters.get("bad_reports") == 3
    assert bed.end() == 0


def test_attacks_stay_here_when_only_discovery_is_wanted(cloud: TestCloud, bed: Bed, eventually: Eventually) -> None:
    bed.settings = replace(bed.settings, discovery_only=True)
    bed.start()
    bed.report(1, 2)
    assert bed.write(0, encode_report(replace(EXAMPLE, id="9" * 32, findings=())))
    eventually(lambda: cloud.stored)
    assert bed.end() == 0
    assert list(cloud.stored) == ["9" * 32]
    assert bed.counters.get("reports") == 3


def test_counters_go_on_through_a_restart(cloud: TestCloud, bed: Bed, eventually: Eventually) -> None:
    for first in (0, 10):
        bed.start()
        bed.report(*range(first, first + 10))
        eventually(lambda first=first: len(cloud.stored) == first + 10)
        assert bed.end() == 0
    assert bed.counters.get("reports_sent") == 20


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_metrics_and_health_are_served_while_it_runs(bed: Bed, eventually: Eventually) -> None:
    metrics, health = free_address(), free_address()
    bed.settings = replace(
        bed.settings,
        metrics=tree.Metrics(listen_address=metrics, legacy_status_address=metrics),
        health=tree.Health(listen_address=health),
    )
    bed.start()
    bed.report(1)
    eventually(lambda: bed.counters.get("reports_sent") == 1)
    bed.write(1, encode_digest([MirrorNews(0, 0, 0, 5, 100, 9, 1, 0, 0)]), KIND_DIGEST)
    told = 'tcpmirror_mirror_lost_bytes_total{source="any",vlan="",vni="5"} 9.0'
    eventually(lambda: told in httpx.get(f"http://{metrics}/metrics").text)
    assert bed.counters.get("bad_reports") == 0
    text = httpx.get(f"http://{metrics}/metrics").text
    values = {sample.name: sample.value for family in parse(text) for sample in family.samples}
    assert values["tcpmirror_exporter_reports_sent_total"] == 1
    assert values["wallarm_gonode_http_inspector_threats_found_per_host_total"] == 1
    assert httpx.get(f"http://{health}/live").status_code == 200
    silent = httpx.get(f"http://{health}/ready")
    assert (silent.status_code, len(silent.json()["reasons"])) == (503, 1 + WORKERS)
    for name in ("capture-0", "worker-0", "worker-1"):
        kind, _, index = name.partition("-")
        bed.layout.counters(ProcessName(kind, int(index))).set("heartbeat_ns", time.monotonic_ns())
    assert httpx.get(f"http://{health}/ready").status_code == 200
    assert bed.end() == 0


def test_an_address_in_use_ends_it_with_the_key_and_gives_the_spool_back(bed: Bed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        bed.settings = replace(bed.settings, metrics=tree.Metrics(listen_address=taken, legacy_status_enabled=False))
        for _ in range(2):
            with pytest.raises(EnvironmentFault, match=r"metrics\.listen_address"):
                exporter.run(bed.context())


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with no room left: remove ``ballast`` to make some."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr!r}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def occupy(disk: Path) -> None:
    with (disk / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))


@pytest.mark.slow
def test_a_full_disk_leaves_reports_on_the_rings_until_there_is_room(
    cloud: TestCloud, full_disk: Path, tmp_path: Path, make_bed: MakeBed, eventually: Eventually
) -> None:
    bed = make_bed(settings_for(tmp_path, cloud.url))
    bed.settings = replace(bed.settings, spool=replace(bed.settings.spool, directory=str(full_disk)))
    (full_disk / "lock").touch()
    occupy(full_disk)
    bed.start()
    bed.report(*range(20))
    eventually(lambda: bed.counters.get("spool_errors") >= 2)
    assert bed.end(signal.SIGKILL) == -signal.SIGKILL
    bed.start()
    eventually(lambda: bed.counters.get("spool_errors") >= 3)
    (full_disk / "ballast").unlink()
    eventually(lambda: set(cloud.stored) == ids(range(20)))
    assert bed.counters.get("spool_dropped") == 0
    assert bed.end() == 0


@pytest.mark.slow
def test_on_a_full_disk_the_oldest_reports_give_way_and_are_counted(
    cloud: TestCloud, full_disk: Path, tmp_path: Path, make_bed: MakeBed, eventually: Eventually
) -> None:
    bed = make_bed(settings_for(tmp_path, cloud.url))
    bed.settings = replace(bed.settings, spool=replace(bed.settings.spool, directory=str(full_disk)))
    (full_disk / "lock").touch()
    occupy(full_disk)
    bed.start()
    number = 0
    while bed.write(0, encode_report(numbered_report(number, bytes(2000)))):
        number += 1
    eventually(lambda: bed.counters.get("spool_dropped") > 0)
    (full_disk / "ballast").unlink()
    eventually(lambda: f"{number - 1:032x}" in cloud.stored)
    eventually(lambda: len(cloud.stored) + bed.counters.get("spool_dropped") == number)
    assert f"{0:032x}" not in cloud.stored
    assert bed.end() == 0
