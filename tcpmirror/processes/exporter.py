"""The exporter: takes the workers' reports off their rings, keeps them on disk until the cloud has them, serves metrics."""

from __future__ import annotations

import importlib
import logging
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tcpmirror.detect.ignoring import EXPERIMENTAL
from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.attack_log import AttackLog
from tcpmirror.export.breached_ranges import BreachedRanges
from tcpmirror.export.client import CloudClient, Identity, Queue
from tcpmirror.export.http import PageServer
from tcpmirror.export.metrics import ProcessPage, SensorCollector, total
from tcpmirror.export.pages import page_servers
from tcpmirror.export.rounds import Rounds
from tcpmirror.export.sender import Sender
from tcpmirror.export.sink_sender import sink_senders
from tcpmirror.export.spool import Spool, SpoolState
from tcpmirror.export.spool_reader import CLOUD
from tcpmirror.export.tallies import Tallies
from tcpmirror.export.wire import read_report
from tcpmirror.model.digest import decode_digest
from tcpmirror.model.ignored_news import decode_ignored
from tcpmirror.model.protocol_news import decode_protocols
from tcpmirror.model.report import Report
from tcpmirror.processes.api_outbox import ApiOutbox
from tcpmirror.processes.behavior_outbox import BehaviorOutbox
from tcpmirror.processes.breach_lookups import BreachLookups
from tcpmirror.processes.cloud_rules import CloudRules, look_quietly
from tcpmirror.processes.cloud_settings import CloudSettings, look_for_settings
from tcpmirror.processes.context import Context
from tcpmirror.processes.mirror_health import mirror_health
from tcpmirror.processes.session_outbox import SessionOutbox
from tcpmirror.processes.weakness_outbox import WeaknessOutbox
from tcpmirror.ring.ring import (
    KIND_APIS,
    KIND_BEHAVIOR,
    KIND_DIGEST,
    KIND_IGNORED,
    KIND_PROTOCOLS,
    KIND_REPORT,
    KIND_SESSIONS,
    KIND_WEAKNESSES,
    RingReader,
)
from tcpmirror.settings.tree import Cloud, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.version import installed_version

RECORDS_A_TURN: Final = 256  # per ring, so that the loop beats and no worker waits for another
TRIED: Final = 100  # rules that a heartbeat tells of
WAIT_MS: Final = 250
SPOOL_RETRY_S: Final = 1.0  # after the disk refused a record
RING_HIGH_WATER: Final = 0.75  # while it refuses: above this the oldest reports give way to new ones
EMBEDDED_START_S: Final = 30.0  # the cloud of this sensor comes up beside the exporter and takes some seconds
STOP_SHARE: Final = 0.25  # of the sensor's stop deadline: captures and workers stop before, the cloud after
log = logging.getLogger(__name__)


def run(context: Context) -> int:
    """Export until told to stop; then empty the rings, send what time allows and leave the rest in the spool."""
    context.give_up_privileges()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every call, and there is one a second
    settings = context.settings
    pages = process_pages(context)
    sources = tuple(source.interface or source.listen_address for source in settings.capture.sources)
    tallies = Tallies(per_host=settings.metrics.per_host_stats, sources=sources)
    collector = SensorCollector(pages, tallies, settings.metrics.namespace, installed_version(), settings.mode)
    spool = _spool(settings)
    servers: tuple[PageServer, ...] = ()
    try:
        servers = page_servers(settings.metrics, settings.health, collector, context.counters)
        rings = _rings(context, spool, tallies)
        sender = _sender(context, spool, pages, rings)
        lookups = _lookups(context, rings)
        sinks = sink_senders(settings.sinks, spool, tallies, installed_version())
        sender.start()
        for lookup in lookups:
            lookup.rounds.start()
        for sink in sinks:
            sink.start()
        _turn_until_stopped(
            context, rings, (sender.rounds, *(each.rounds for each in lookups), *(each.rounds for each in sinks))
        )
        for sink in sinks:
            sink.sink.close()
    finally:
        for server in servers:
            server.close()
        spool.close()
    return 0


def process_pages(context: Context) -> tuple[ProcessPage, ...]:
    """Return the counter pages of the sensor's processes; a cloud that is not ours has none."""
    sources = context.settings.capture.sources
    names = [name for name in context.layout.names if name.kind != "cloud" or context.settings.cloud.embedded]
    read_from = {f"capture-{index}": source.interface for index, source in enumerate(sources)}
    return tuple(
        ProcessPage(str(name), name.kind, context.layout.counters(name), read_from.get(str(name), "")) for name in names
    )


@dataclass(slots=True)
class ReportRings:
    """The workers' report rings and the spool they are emptied into.

    A record is taken off its ring once the spool's file has it, so whenever this process dies it is in one of the two. With
    *withhold_attacks* reports with findings are logged and not exported.
    """

    readers: tuple[RingReader, ...]
    spool: Spool
    counters: CounterPage
    tallies: Tallies
    withhold_attacks: bool
    apis: ApiOutbox = field(default_factory=ApiOutbox)
    weaknesses: WeaknessOutbox = field(init=False)
    behavior: BehaviorOutbox = field(init=False)
    sessions: SessionOutbox = field(init=False)
    retry_at_s: float = 0.0
    attack_log: AttackLog = field(default_factory=AttackLog)
    published: SpoolState = field(default_factory=lambda: SpoolState(0, 0, 0, 0))
    published_dropped: int = 0

    def __post_init__(self) -> None:
        self.behavior = BehaviorOutbox(self.withhold_attacks)
        self.sessions = SessionOutbox(self.withhold_attacks)
        self.weaknesses = WeaknessOutbox(self.withhold_attacks)

    def turn(self) -> bool:
        """Move what is on the rings to the spool; return whether there was anything to move."""
        if time.monotonic() < self.retry_at_s:
            return False
        moved = False
        try:
            for reader in self.readers:
                moved |= self._empty(reader)
            if moved:
                self.spool.sync()
        except OSError as error:
            self._disk_refuses(error)
        return moved

    @property
    def are_empty(self) -> bool:
        return all(reader.is_empty for reader in self.readers)

    def _empty(self, reader: RingReader) -> bool:
        """Move up to RECORDS_A_TURN records; OSError leaves the one that was not written on the ring."""
        for taken in range(RECORDS_A_TURN):
            found = reader.read()
            if found is None:
                return taken > 0
            report = self._spooled(*found)
            reader.advance()
            if report is not None:
                self.counters.add("reports")
                self.tallies.add(report)
                self.attack_log.write(report)
        return True

    def _spooled(self, kind: int, record: bytes) -> Report | None:
        """Bring *record* into the spool, if that is where it belongs; return its report, None if it holds none."""
        try:
            if kind == KIND_DIGEST:
                self.tallies.add_mirror_news(decode_digest(record))
                return None
            if kind == KIND_APIS:
                self.counters.add("api_digests", self.apis.add(record))
                return None
            if kind == KIND_WEAKNESSES:
                self.counters.add("weaknesses", self.weaknesses.add(record))
                return None
            if kind == KIND_BEHAVIOR:
                self.counters.add("behavior_counters", self.behavior.add(record))
                self.counters.set("behavior_dropped", self.behavior.dropped)
                return None
            if kind == KIND_SESSIONS:
                self.counters.add("session_digests", self.sessions.add(record))
                return None
            if kind == KIND_IGNORED:
                self.tallies.add_ignored_news(decode_ignored(record))
                return None
            if kind == KIND_PROTOCOLS:
                self.tallies.add_protocol_news(decode_protocols(record))
                return None
            if kind != KIND_REPORT:
                raise ValueError(f"kind {kind}")
            report = read_report(record)
        except ValueError as error:
            self.counters.add("bad_reports")
            log.error("a ring record holds no report: %s", error)
            return None
        if not (self.withhold_attacks and report.findings):
            self.spool.append(record)
            self.counters.add("spooled")
        return report

    def _disk_refuses(self, error: OSError) -> None:
        """Leave reports on the rings, which outlive this process, for the next try; the oldest go where a ring fills up."""
        self.retry_at_s = time.monotonic() + SPOOL_RETRY_S
        dropped = sum(_drop_above(reader, RING_HIGH_WATER) for reader in self.readers)
        self.counters.add("spool_dropped", dropped)
        log.error("the spool takes no reports, %d dropped, next try in %.0f s: %s", dropped, SPOOL_RETRY_S, error)

    def publish(self) -> None:
        """Bring the spool's counters up to date."""
        now, before, cloud = self.spool.state(), self.published, self.spool.reader()
        self.counters.set("spool_bytes", now.size)
        self.counters.set("spool_segments", now.segments)
        self.counters.set("backlog", cloud.backlog)
        dropped = cloud.dropped
        self.counters.add("spool_dropped", dropped - self.published_dropped)
        self.counters.add("spool_corrupt", now.corrupt - before.corrupt)
        self.counters.add("spool_errors", now.errors - before.errors)
        self.published, self.published_dropped = now, dropped


def _drop_above(reader: RingReader, fill: float) -> int:
    """Take the oldest records off until the ring is no fuller than *fill*; return how many."""
    dropped = 0
    while reader.fill > fill and reader.read() is not None:
        reader.advance()
        dropped += 1
    return dropped


def _turn_until_stopped(context: Context, rings: ReportRings, rounds: tuple[Rounds, ...]) -> None:
    bell = context.layout.exporter_bell()
    while not context.stopping:
        context.reloading = False  # the supervisor starts a new exporter for new settings
        ticket = bell.ticket()
        moved = _one_turn(context, rings, rounds)
        if not moved:
            bell.wait(ticket, WAIT_MS)
    until_s = time.monotonic() + context.settings.supervisor.stop_deadline_s * STOP_SHARE
    while not rings.are_empty and time.monotonic() < until_s:
        _one_turn(context, rings, rounds)
    for each in rounds:
        each.ask_to_finish()
    for each in rounds:
        if not each.finish(until_s - time.monotonic()):
            log.warning("%s did not get everything out in time: the rest waits in the spool", each.name)
    rings.publish()


def _one_turn(context: Context, rings: ReportRings, rounds: tuple[Rounds, ...]) -> bool:
    context.beat()
    moved = rings.turn()
    rings.publish()
    for each in rounds:
        if moved:
            each.wake()
        if not each.is_alive:
            raise RuntimeError(f"the thread of {each.name} ended; its traceback is in the log above")
    return moved


def _rings(context: Context, spool: Spool, tallies: Tallies) -> ReportRings:
    readers = tuple(context.layout.report_reader(worker) for worker in range(context.layout.workers))
    return ReportRings(readers, spool, context.counters, tallies, context.settings.discovery_only)


def _lookups(context: Context, rings: ReportRings) -> tuple[BreachLookups, ...]:
    """Return what asks about breached passwords, nothing where nobody is to be asked."""
    behavior = context.settings.behavior
    if not behavior.enabled or not behavior.breached_url:
        return ()
    ranges = BreachedRanges(behavior.breached_url, behavior.breached_timeout_ns / 1e9)
    lookups = BreachLookups(ranges, behavior.breached_rate, context.counters, lambda login: rings.behavior.merge([login]))
    rings.behavior.unchecked = lookups.add
    return (lookups,)


def _spool(settings: Settings) -> Spool:
    directory = settings.spool.directory or Path(settings.supervisor.state_dir) / "spool"
    names = (CLOUD, *(sink.name for sink in settings.sinks))
    return Spool(Path(directory), settings.spool.quota_bytes, settings.spool.segment_bytes, settings.spool.fsync, names)


def _sender(context: Context, spool: Spool, pages: tuple[ProcessPage, ...], rings: ReportRings) -> Sender:
    cloud = context.settings.cloud
    notes = [context.layout.note(source) for source in range(context.layout.sources)]
    hostname = socket.gethostname()
    client = CloudClient(
        url=cloud.url or f"{'https' if cloud.tls_certificate else 'http'}://{cloud.listen_address}",
        token=cloud.token or context.deploy_token,
        identity=Identity(hostname, cloud.group, installed_version(), context.settings.mode, hostname),
        credential_path=Path(context.settings.supervisor.state_dir) / "node.json",
        timeout_s=cloud.timeout_s,
        verify_tls=cloud.verify_tls,
        direct=not cloud.url,
        pinned_certificate="" if cloud.url else cloud.tls_certificate,
        queue=_queue(cloud),
    )
    rules, settings = CloudRules(context.settings, client), CloudSettings(context.settings, client)

    def look() -> None:
        look_quietly(rules)
        look_for_settings(settings)

    return Sender(
        spool.reader(),
        client,
        context.counters,
        batch_reports=cloud.batch_reports,
        batch_interval_s=cloud.batch_interval_ns / 1e9,
        heartbeat_interval_s=cloud.heartbeat_interval_ns / 1e9,
        start_patience_s=0.0 if cloud.url else EMBEDDED_START_S,
        stats=lambda: (
            heartbeat_stats(pages)
            | {"mirror_health": mirror_health(pages, rings.tallies, notes), "rules": rules.describe()}
            | {"settings": settings.describe(), "tried_findings": tried_findings(rings.tallies)}
        ),
        outboxes=(rings.apis, rings.behavior, rings.sessions, rings.weaknesses),
        after_heartbeat=look,
    )


def _queue(cloud: Cloud) -> Queue | None:
    """Return the queue that batches go by, None: they go to the cloud. EnvironmentFault: its library is not installed."""
    if not cloud.queue.url:
        return None
    try:
        queue = importlib.import_module("tcpmirror.export.queue")
    except ImportError as error:
        raise EnvironmentFault(f"cloud.queue: {error}; it needs `pip install tcpmirror[sinks]`") from error
    tls = queue.tls_of(cloud.queue.url, cloud.queue.ca_file)
    made: Queue = queue.BatchQueue(queue.JetStream(cloud.queue.url, cloud.queue.token, cloud.timeout_s, tls))
    return made


def heartbeat_stats(pages: tuple[ProcessPage, ...]) -> dict[str, object]:
    """Return the totals that a heartbeat tells the cloud."""
    stats: dict[str, object] = {
        f"{kind}_{counter}": total(pages, kind, counter)
        for kind, counters in _HEARTBEAT_COUNTERS.items()
        for counter in counters
    }
    capturing = (each.page for each in pages if each.kind == "capture" and each.page.get("heartbeat_ns"))
    ratios = [page.get("coverage_permille") / 1000 for page in capturing]
    return stats | ({"coverage": min(ratios)} if ratios else {})  # before the first source is open there is none to tell


def tried_findings(tallies: Tallies) -> dict[str, int]:
    """Return what experimental rules would have found, by rule: those that found most."""
    found = {rule: count for (entry, rule), count in tallies.ignored.copy().items() if entry == EXPERIMENTAL}
    return dict(sorted(found.items(), key=lambda row: -row[1])[:TRIED])


_HEARTBEAT_COUNTERS: Final = {
    "capture": ("packets", "bytes", "segments", "kernel_dropped", "lost_shed", "lost_ring_full"),
    "worker": ("flows", "exchanges", "inspected", "attacks", "findings", "lost_report_ring_full"),
    "exporter": ("reports", "backlog", "spool_dropped", "batch_failures"),
}
