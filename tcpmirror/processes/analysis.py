"""`tcpmirror analyze`: capture files through the real road, with real processes and rings, and nothing dropped.

The command itself stands where the exporter stands in a sensor: it takes what the workers send, puts it in order and writes
it. The files go through one capture process, which waits for room instead of shedding; each file is a world of its own (its
domain).
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from tcpmirror.behavior.bots import CONFIDENCE
from tcpmirror.capture.capture_files import capture_files
from tcpmirror.discovery.inventory import Inventory
from tcpmirror.discovery.record import decode_rows
from tcpmirror.errors import EXIT_BUG, EXIT_ENVIRONMENT, EXIT_OK, EnvironmentFault
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.model.ignored_news import IgnoredCounts, add_ignored, decode_ignored, encode_ignored
from tcpmirror.model.report import Report
from tcpmirror.model.stream import SilentFactory, SinkFactory
from tcpmirror.model.tls_secrets import TlsSecrets
from tcpmirror.processes.api_news import ApiNews
from tcpmirror.processes.api_report import api_lines
from tcpmirror.processes.behavior_news import BehaviorNews
from tcpmirror.processes.behavior_summary import BehaviorSummary
from tcpmirror.processes.capture import filter_inner, open_road, read_file
from tcpmirror.processes.detection import build_detector
from tcpmirror.processes.judging import Inspector, Judge, slowed
from tcpmirror.processes.key_log import decryption_of_files, secrets_of_files
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.processes.learning import Learning
from tcpmirror.processes.lines import EXCHANGES, FINDINGS, line_records, read_line_record
from tcpmirror.processes.masking import concealing, concealing_counters
from tcpmirror.processes.session_news import SessionNews
from tcpmirror.processes.sorting import LineSorter
from tcpmirror.processes.weakness_summary import WeaknessSummary
from tcpmirror.processes.worker import DECRYPTION_COUNTERS, Publisher, finish_waiting, open_table, take_segments
from tcpmirror.processes.worker_road import WorkerRoad
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.ring.ring import (
    KIND_APIS,
    KIND_BEHAVIOR,
    KIND_DRAIN,
    KIND_IGNORED,
    KIND_LINE,
    KIND_SOURCE_END,
    KIND_WEAKNESSES,
)
from tcpmirror.settings.memory import divided
from tcpmirror.settings.tree import Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.ledger import ledgers

if TYPE_CHECKING:
    from tcpmirror.processes.weakness_news import WeaknessNews

STAGES: Final = ("capture", "ring", "reassembly", "http", "detect", "apis", "sessions", "behavior", "all")
_JUDGING: Final = STAGES[4:]
_LEARNING: Final = STAGES[5:-1]
WAIT_MS: Final = 100


@dataclass(slots=True)
class Analysis:
    """What to read, how far, and where the lines go.

    ``key_log``: a file with TLS secrets, beside those that the captures hold. ``until`` names the last stage that runs (for
    measuring what each one costs).
    """

    settings: Settings
    pcaps: list[str]
    workers: int
    exchanges: IO[bytes] | None = None
    findings: IO[bytes] | None = None
    until: str = "all"
    cache_dir: Path | None = None
    key_log: str = ""
    apis: IO[bytes] | None = None
    weaknesses: IO[bytes] | None = None
    bots: IO[bytes] | None = None
    _secrets: TlsSecrets = field(default_factory=lambda: TlsSecrets(0))
    _types: Counter[str] = field(default_factory=Counter)
    _ignored: IgnoredCounts = field(default_factory=Counter)
    _inventory: Inventory = field(default_factory=Inventory)
    _weaknesses: WeaknessSummary = field(default_factory=WeaknessSummary)
    _behavior: BehaviorSummary = field(default_factory=BehaviorSummary)

    def run(self) -> dict[str, Any]:
        """Analyse the files; return the summary. EnvironmentFault when a file cannot be read, or a process died."""
        self.pcaps = capture_files(self.pcaps)
        started = time.monotonic()
        self._secrets = secrets_of_files(self.pcaps, self.key_log)
        layout = SharedLayout(1, self.workers, divided(self.settings, self.workers).limits)
        detector = build_detector(self.settings, self.cache_dir) if self.until in _JUDGING else None
        key = os.urandom(16)
        children = [_fork(lambda: self._capture(layout, key))]
        children += [_fork(lambda index=index: self._work(layout, index, detector)) for index in range(self.workers)]  # type: ignore[misc]
        try:
            sorters = self._collect(layout, children)
        except BaseException:
            for child in children:
                child.kill()
            raise
        peak = sum(child.reap() for child in children)
        for which, target in ((EXCHANGES, self.exchanges), (FINDINGS, self.findings)):
            if target is not None:
                for line in sorters[which].lines():
                    target.write(line + b"\n")
        if self.apis is not None:
            for line in api_lines(self._inventory.table.values()):
                self.apis.write(line + b"\n")
        if self.weaknesses is not None:
            for line in self._weaknesses.lines():
                self.weaknesses.write(line + b"\n")
        if self.bots is not None:
            for row in self._behavior.bots():
                self.bots.write(orjson.dumps(row) + b"\n")
        return self._summary(layout, started, peak)

    # -- the processes ------------------------------------------------------------------------------------------------------

    def _capture(self, layout: SharedLayout, key: bytes) -> int:
        page = layout.counters(ProcessName("capture", 0))
        road = open_road(layout, divided(self.settings, self.workers), key, page, 0, is_patient=True)
        road.is_discarding = self.until == "capture"
        source = replace(self.settings.capture.sources[0], kind="file")
        filter_inner(road, source)
        code = EXIT_OK
        for index, path in enumerate(self.pcaps):
            try:
                read_file(path, road, self.settings, source, domain=index)
            except EnvironmentFault as problem:
                os.write(2, f"{problem}\n".encode())
                page.add("source_errors")
                code = EXIT_ENVIRONMENT
            road.announce(KIND_SOURCE_END, (index & 0xFFFF).to_bytes(2, "little"))
        road.announce(KIND_DRAIN, b"")
        return code

    def _work(self, layout: SharedLayout, index: int, detector: Inspector | None) -> int:
        page = layout.counters(ProcessName("worker", index))
        bell, out, writer = layout.worker_bell(index), layout.exporter_bell(), layout.report_writer(index)

        def send(kind: int, record: bytes) -> None:
            while not writer.write(kind, record):
                out.ring()
                time.sleep(0.001)

        def keep(exchange: Exchange, findings: list[Finding]) -> None:
            masked = judge.report(exchange, findings) if judge.masks else None
            for record in line_records(exchange, findings, self.pcaps, self.exchanges is not None, masked):
                send(KIND_LINE, record)

        def reported(exchange: Exchange, findings: list[Finding]) -> Report:
            return judge.report(exchange, findings)

        apis = ApiNews(self.settings.discovery.endpoints, page) if self.apis is not None or self.until in _LEARNING else None
        counts_behavior = self.until in ("behavior", "all") and self.settings.behavior.enabled
        sessions = SessionNews(self.settings, page) if counts_behavior or self.until == "sessions" else None
        confidence = CONFIDENCE if self.bots is not None else 0
        behavior = BehaviorNews(self.settings, page, reported, confidence) if counts_behavior else None
        weaknesses = self._weakness_news(page)
        learning = Learning(page, apis=apis, weaknesses=weaknesses, sessions=sessions, behavior=behavior)
        judge = Judge(self.settings, detector, keep, page, self.exchanges is not None, learning)
        if behavior is not None:
            behavior.conceal = concealing_counters(judge.masks)
        if apis is not None:
            apis.conceal = concealing(judge.masks)
        if weaknesses is not None:
            weaknesses.masks_of = judge.masks_of
        factory = self._factory(judge)
        table = open_table(factory, self.settings, self.workers)
        counts = Publisher(page, table, factory)
        road = WorkerRoad([layout.segment_reader(0, index)], table, page)
        road.is_discarding = self.until in ("capture", "ring")
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        while road.drained == 0:
            ticket = bell.ticket()
            if not take_segments(road, table, page):
                out.ring()
                bell.wait(ticket, WAIT_MS)
            if behavior is not None and behavior.is_due:
                for record in behavior.records(writer.largest_payload):
                    send(KIND_BEHAVIOR, record)
        table.end_all()
        finish_waiting(factory, page)
        counts.publish()
        for record in apis.records(writer.largest_payload) if apis is not None else ():
            send(KIND_APIS, record)
        for record in weaknesses.records(writer.largest_payload) if weaknesses is not None else ():
            send(KIND_WEAKNESSES, record)
        for record in behavior.records(writer.largest_payload) if behavior is not None else ():
            send(KIND_BEHAVIOR, record)
        for row, count in judge.ignored.items():
            send(KIND_IGNORED, encode_ignored(Counter({row: count})))
        send(KIND_DRAIN, b"")
        out.ring()
        return EXIT_OK

    def _weakness_news(self, page: CounterPage) -> WeaknessNews | None:
        if self.weaknesses is None:
            return None
        from tcpmirror.processes.weakness_news import WeaknessNews  # its tables take a tenth of a second to make

        return WeaknessNews(page, self.settings.limits)

    def _factory(self, judge: Judge) -> SinkFactory:
        if self.until == "reassembly":
            return SilentFactory()
        emit: Callable[[Exchange], object] = (lambda exchange: None) if self.until == "http" else judge
        return ProtocolFactory(
            slowed(emit, self.settings.simulate.slow_worker_ns),
            self.settings.limits,
            response_timeout_ns=self.settings.reassembly.response_timeout_ns,
            parse_responses=self.settings.reassembly.parse_responses,
            hash_bodies=self.exchanges is not None,
            decryption=decryption_of_files(self._secrets),
        )

    def _collect(self, layout: SharedLayout, children: list[_Child]) -> tuple[LineSorter, LineSorter]:
        """Take the workers' lines until each has said that nothing more comes."""
        sorters = (LineSorter(), LineSorter())
        readers = [layout.report_reader(index) for index in range(self.workers)]
        bell = layout.exporter_bell()
        drained = 0
        while drained < self.workers:
            ticket = bell.ticket()
            taken = 0
            for reader in readers:
                while (record := reader.read()) is not None:
                    taken += 1
                    if record[0] == KIND_LINE:
                        which, key, line = read_line_record(record[1])
                        sorters[which].add(key, line)
                        if which == FINDINGS:
                            self._types[orjson.loads(line)["type"]] += 1
                    elif record[0] == KIND_APIS:
                        self._inventory.add(*decode_rows(record[1]))
                    elif record[0] == KIND_WEAKNESSES:
                        self._weaknesses.add(record[1])
                    elif record[0] == KIND_BEHAVIOR:
                        self._behavior.add(record[1])
                    elif record[0] == KIND_IGNORED:
                        for row, count in decode_ignored(record[1]).items():
                            add_ignored(self._ignored, row, count)
                    elif record[0] == KIND_DRAIN:
                        drained += 1
                    reader.advance()
            if not taken:
                for child in children:
                    child.check()
                bell.wait(ticket, WAIT_MS)
        return sorters

    # -- the summary --------------------------------------------------------------------------------------------------------

    def _summary(self, layout: SharedLayout, started: float, peak_bytes: int) -> dict[str, Any]:
        capture = layout.counters(ProcessName("capture", 0)).snapshot()
        workers = [layout.counters(ProcessName("worker", index)).snapshot() for index in range(self.workers)]

        def total(name: str) -> int:
            return sum(page[name] for page in workers)

        own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
        accounts = {ledger.unit: ledger.described() for ledger in ledgers([capture], workers)}
        losses = {name.removeprefix("lost_"): value for name, value in capture.items() if name.startswith("lost_") and value}
        return {
            "files": len(self.pcaps),
            "file_errors": capture["source_errors"],
            "packets": capture["packets"],
            "bytes": capture["bytes"],
            "segments": capture["segments"],
            "duplicates": capture["duplicates"],
            "fragments_joined": capture["fragments_joined"],
            "flows": total("flows_total"),
            "exchanges": total("exchanges"),
            "unanswered": total("unanswered"),
            "response_only": total("response_only"),
            "inspected": total("inspected"),
            "tier2": total("tier2"),
            "attacks": total("attacks"),
            "findings": dict(sorted(self._types.items())),
            "ignored": [{"by": by, "rule": rule, "findings": count} for (by, rule), count in sorted(self._ignored.items())],
            "losses": losses,
            "ledgers": accounts,
            "behavior": self._behavior.rows(),
            "gaps": total("gaps"),
            "gap_bytes": total("gap_bytes"),
            "not_http_bytes": total("not_http_bytes"),
            "tls": {name.removeprefix("tls_"): total(name) for name in ("tls_flows", *DECRYPTION_COUNTERS) if total(name)},
            "flows_evicted": total("flows_evicted"),
            "bugs": total("bugs"),
            "workers": self.workers,
            "wall_s": round(time.monotonic() - started, 3),
            "cpu_s": round(cpu, 3),
            "peak_rss": peak_bytes + own.ru_maxrss * 1024,
        }


class _Child:
    """A process of this command."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._peak: int | None = None

    def check(self) -> None:
        """EnvironmentFault when the process has died of something else than being done."""
        if self._peak is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._finish(status, usage)

    def reap(self) -> int:
        """Wait for the end; return the peak of its memory in bytes."""
        if self._peak is None:
            _, status, usage = os.wait4(self.pid, 0)
            self._finish(status, usage)
        return self._peak or 0

    def kill(self) -> None:
        if self._peak is None:
            os.kill(self.pid, signal.SIGKILL)
            os.wait4(self.pid, 0)
            self._peak = 0

    def _finish(self, status: int, usage: resource.struct_rusage) -> None:
        self._peak = usage.ru_maxrss * 1024
        code = os.waitstatus_to_exitcode(status)
        if code not in (EXIT_OK, EXIT_ENVIRONMENT):
            raise EnvironmentFault(
                f"an analysing process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"
            )


def _fork(main: Callable[[], int]) -> _Child:
    pid = os.fork()
    if pid:
        return _Child(pid)
    code = EXIT_BUG
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = main()
    except BaseException:  # noqa: BLE001 - the main of a process
        traceback.print_exc()
    finally:
        os._exit(code)
