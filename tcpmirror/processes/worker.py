"""The main loop of a worker: segments in, reports out."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from typing import Final

from tcpmirror.errors import TcpmirrorError
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report, encode_report
from tcpmirror.model.stream import SinkFactory
from tcpmirror.processes.access_log import AccessLog
from tcpmirror.processes.api_news import ApiNews
from tcpmirror.processes.behavior_news import BehaviorNews
from tcpmirror.processes.census import Census
from tcpmirror.processes.context import Context
from tcpmirror.processes.digest_road import DigestRoad
from tcpmirror.processes.ignored_news import send_ignored_news
from tcpmirror.processes.judging import Judge, slowed
from tcpmirror.processes.key_log import KeyLog, live_decryption
from tcpmirror.processes.learning import Learning
from tcpmirror.processes.masking import concealing, concealing_counters, concealing_sessions
from tcpmirror.processes.mirror_news import send_mirror_news
from tcpmirror.processes.renewal import Renewal, Renewed
from tcpmirror.processes.session_news import SessionNews
from tcpmirror.processes.surveyed_flow import CensusFactory
from tcpmirror.processes.weakness_news import WeaknessNews
from tcpmirror.processes.worker_road import WorkerRoad
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.reassembly.flow_table import FlowTable
from tcpmirror.ring.ring import KIND_APIS, KIND_BEHAVIOR, KIND_REPORT, KIND_SESSIONS, KIND_WEAKNESSES, RingReader
from tcpmirror.settings.memory import memory_shares
from tcpmirror.settings.tree import Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.ledger import EXCHANGE_ENDS, STREAM_BYTE_ENDS
from tcpmirror.telemetry.logs import configure_logging

WAIT_MS: Final = 200
TIMER_NS: Final = 200_000_000  # how often packet time is moved on while nothing comes
NEWS_NS: Final = 2_000_000_000  # how often the exporter is told about the mirror
REPORT_PATIENCE_S: Final = 1.0  # how long a full report ring is waited for
log = logging.getLogger(__name__)

GAUGES: Final = ("flows", "held_bytes", "reorder_held_bytes")
TABLE_COUNTERS: Final = (
    "flows_total",
    "flows_evicted",
    "flows_idle",
    "stream_bytes",
    "memory_limit_hits",
    "bodies_shed",
    "retransmitted_bytes",
    "out_of_order_segments",
    "overlap_conflicts",
    "gaps",
    "gap_bytes",
    "ignored_bytes",
    "abandoned_bytes",
    "truncated_bytes",
    "mirror_lost_bytes",
)
FACTORY_COUNTERS: Final = (
    "requests",
    "responses",
    "exchanges",
    "unanswered",
    "response_only",
    "not_http_bytes",
    "http_errors",
    "http2_flows",
    "websocket_flows",
    "websocket_messages",
    "tls_flows",
    "tls_bytes",
)
DECRYPTION_COUNTERS: Final = (
    "tls_decrypted_flows",
    "tls_decrypted_bytes",
    "tls_no_secret",
    "tls_unsupported",
    "tls_unauthentic",
    "tls_joined",
    "tls_lost",
    "tls_bad_records",
)


def run(context: Context) -> int:
    """Work until told to stop and the rings are empty."""
    context.give_up_privileges()
    with context.ending_at_once():
        worker = Worker(context)
    gc.collect()
    gc.freeze()  # what exists now lives as long as the process
    gc.set_threshold(100_000, 50, 100)
    while worker.turn():
        pass
    return 0


def open_table(factory: SinkFactory, settings: Settings, workers: int) -> FlowTable:
    """Return a flow table with a worker's share of the memory limit."""
    limits, reassembly = settings.limits, settings.reassembly
    return FlowTable(
        factory,
        memory_limit=memory_shares(settings, workers).streams,
        flow_limit=limits.flows,
        idle_ns=limits.flow_idle_ns,
        half_open_ns=limits.half_open_idle_ns,
        closing_ns=limits.closing_idle_ns,
        reorder_bytes=limits.reorder_bytes,
        reorder_segments=limits.reorder_segments,
        flow_depth=limits.flow_depth_bytes,
        overlap_policy=reassembly.overlap_policy,
        overlap_hosts=reassembly.overlap_hosts,
        urgent_inline=reassembly.urgent_data == "in-band",
    )


class Publisher:
    """Copies the counts that the compiled stages keep to the shared page, on top of what a predecessor left there."""

    def __init__(self, page: CounterPage, table: FlowTable, factory: SinkFactory) -> None:
        self._page = page
        self._table: list[tuple[FlowTable, str, int]] = [(table, name, 0) for name in GAUGES]
        self._table += [(table, name, page.get(name)) for name in TABLE_COUNTERS]
        self._factory: list[tuple[object, str, int]] = []
        if isinstance(factory, ProtocolFactory):
            self._factory += [(factory, name, page.get(name)) for name in FACTORY_COUNTERS]
            if factory.decryption is not None:
                self._factory += [(factory.decryption, name, page.get(name)) for name in DECRYPTION_COUNTERS]
                self._factory.append((factory.decryption, "tls_waiting_bytes", 0))
        _inherit(page)

    def publish(self) -> None:
        """Let the page show what the stages have counted; call it between two segments, where the sums of bytes agree."""
        for owner, name, before in self._table:
            self._page.set(name, before + getattr(owner, name))
        self.publish_exchanges()
        self._page.set("published_bytes", self._page.get("segment_bytes"))

    def publish_exchanges(self) -> None:
        """Let the page show the exchanges found up to now."""
        for owner, name, before in self._factory:
            self._page.set(name, before + getattr(owner, name))


def _inherit(page: CounterPage) -> None:
    """Count what a worker that died on this page held, or had taken and not counted to its end."""
    page.add("flows_lost", page.get("flows"))
    for gauge in GAUGES:
        page.set(gauge, 0)
    page.add("interrupted_bytes", page.get("segment_bytes") - sum(map(page.get, STREAM_BYTE_ENDS)))
    page.set("published_bytes", page.get("segment_bytes"))
    page.add("inspection_failures", page.get("emitted") - sum(map(page.get, EXCHANGE_ENDS)))


def take_segments(road: WorkerRoad, table: FlowTable, page: CounterPage) -> int:
    """Take a batch off every ring; return how many records there were. A bug costs one connection, not the worker."""
    taken = 0

    def take() -> None:
        nonlocal taken
        taken = road.turn()

    if contained(page, table, take):
        return taken
    road.release_current()
    return 1


def contained(page: CounterPage, table: FlowTable, act: Callable[[], object]) -> bool:
    """Let *act* work on the flows of *table*; False when a bug stopped it, which costs the flow it was working on."""
    try:
        act()
    except Exception:
        page.add("bugs")
        log.exception("a connection is given up")
        table.abandon()
        return False
    return True


def finish_waiting(factory: SinkFactory, page: CounterPage, now_ns: int | None = None) -> None:
    """Look at the ended connections that wait for secrets, as of *now_ns* or for the last time. A bug costs one of them."""
    decryption = factory.decryption if isinstance(factory, ProtocolFactory) else None
    while decryption is not None:
        try:
            if now_ns is None:
                decryption.finish()
            else:
                decryption.advance(now_ns)
            return
        except Exception:
            page.add("bugs")
            log.exception("a connection is given up")


class Worker:
    """One worker: its rings, its flows, its judge."""

    def __init__(self, context: Context) -> None:
        settings, layout = context.settings, context.layout
        index = context.name.index
        self._context = context
        self._page = context.counters
        self._writer = layout.report_writer(index)
        self._exporter_bell = layout.exporter_bell()
        self._bell = layout.worker_bell(index)
        self._renewal = Renewal(settings)
        self._apis = ApiNews(settings.discovery.endpoints, self._page) if settings.discovery.enabled else None
        self._behavior = BehaviorNews(settings, self._page, self._report) if settings.behavior.enabled else None
        self._sessions = SessionNews(settings, self._page) if settings.sessions.enabled else None
        self._weaknesses = WeaknessNews(self._page, settings.limits) if settings.vulnerabilities.enabled else None
        learning = Learning(
            self._page, apis=self._apis, weaknesses=self._weaknesses, sessions=self._sessions, behavior=self._behavior
        )
        self._judge = Judge(settings, None, self._keep, self._page, learn=learning)
        if self._weaknesses is not None:
            self._weaknesses.masks_of = self._judge.masks_of
        self._roads = self._digest_roads(settings)
        self._access: AccessLog | None = None
        self._use(self._renewal.read(settings))
        self._census = Census()
        self._factory = CensusFactory(
            slowed(self._judge, settings.simulate.slow_worker_ns),
            self._census,
            settings.limits,
            response_timeout_ns=settings.reassembly.response_timeout_ns,
            parse_responses=settings.reassembly.parse_responses,
            decryption=live_decryption(settings, layout.workers, settings.capture.sources),
        )
        self._key_log: KeyLog | None = None
        if settings.tls.key_log and self._factory.decryption is not None:
            secrets = self._factory.decryption.secrets
            self._key_log = KeyLog(settings.tls.key_log, secrets, settings.tls.keep_ns, self._page, warns=index == 0)
        self._table = open_table(self._factory, settings, layout.workers)
        self._readers = [layout.segment_reader(source, index) for source in range(layout.sources)]
        self._road = WorkerRoad(self._readers, self._table, self._page)
        self._counts = Publisher(self._page, self._table, self._factory)
        self._last_packet = time.monotonic_ns()
        self._last_timer = 0
        self._last_news = 0
        self._skip(context.skip_positions, self._readers)

    def turn(self) -> bool:
        """One turn of the loop; False when everything is done and the process was told to stop."""
        ticket = self._bell.ticket()
        if self._key_log is not None:
            self._key_log.follow(time.monotonic_ns())
        taken = take_segments(self._road, self._table, self._page)
        now = time.monotonic_ns()
        if taken:
            self._last_packet = now
            self._counts.publish()
        if now - self._last_timer > TIMER_NS:
            self._last_timer = now
            self._run_timer(now)
        if taken:
            return True
        if self._context.stopping:
            while not contained(self._page, self._table, self._table.end_all):
                pass  # each failure ends one flow, so this ends
            finish_waiting(self._factory, self._page)
            self._counts.publish()
            self._send_news()
            for _, road in self._roads:
                road.send()
            if self._access is not None:
                self._access.close()
            return False
        self._bell.wait(ticket, WAIT_MS)
        return True

    def _run_timer(self, now: int) -> None:
        """Once in a while: beat, publish counts, take new settings, and let packet time go on while nothing comes."""
        self._context.beat()
        if self._road.clock_ns:
            clock_ns = self._road.clock_ns + now - self._last_packet
            contained(self._page, self._table, lambda: self._table.advance(clock_ns))
            finish_waiting(self._factory, self._page, clock_ns)
        self._counts.publish()
        if self._access is not None:
            self._access.flush()
        self._page.set("ring_corruptions", self._road.ring_corruptions)
        if now - self._last_news > NEWS_NS:
            self._last_news = now
            self._send_news()
        for place, (interval_ns, road) in enumerate(self._roads):
            if now - self._sent_ns[place] > interval_ns:
                self._sent_ns[place] = now
                road.send()
        if self._context.reloading and not self._renewal.is_under_way:
            self._context.reloading = False
            self._renewal.begin()
        self._renew()

    def _send_news(self) -> None:
        send_mirror_news(self._table.origins, self._writer, self._exporter_bell)
        self._census.send(self._writer, self._exporter_bell)
        send_ignored_news(self._judge.ignored, self._writer, self._exporter_bell)
        self._judge.costs.write(self._context.layout.worker_note(self._context.name.index))

    def _digest_roads(self, settings: Settings) -> list[tuple[int, DigestRoad]]:
        """Return the roads of what is learnt over many exchanges, and how often each is taken, in nanoseconds."""
        roads = []
        if self._apis is not None:
            road = DigestRoad(KIND_APIS, self._apis, self._writer, self._exporter_bell)
            roads.append((settings.discovery.interval_ns, road))
        if self._behavior is not None:
            road = DigestRoad(KIND_BEHAVIOR, self._behavior, self._writer, self._exporter_bell)
            roads.append((settings.behavior.interval_ns, road))
        if self._sessions is not None:
            road = DigestRoad(KIND_SESSIONS, self._sessions, self._writer, self._exporter_bell)
            roads.append((settings.sessions.interval_ns, road))
        if self._weaknesses is not None:
            road = DigestRoad(KIND_WEAKNESSES, self._weaknesses, self._writer, self._exporter_bell)
            roads.append((settings.discovery.interval_ns, road))
        self._sent_ns = [0] * len(roads)
        return roads

    def _report(self, exchange: Exchange, findings: list[Finding]) -> Report:
        return self._judge.report(exchange, findings)

    def _renew(self) -> None:
        """Take the settings file's rules and inspection settings once they are ready; on an error the old ones stay."""
        try:
            renewed = self._renewal.take()
        except (TcpmirrorError, OSError) as problem:
            log.error("settings not taken: %s", problem)
            return
        if renewed is not None:
            self._use(renewed)
            log_settings = renewed.settings.log
            configure_logging(str(self._context.name), log_settings.level, log_settings.pretty, self._context.log_file)
            log.info("took the settings and rules of the reload")

    def _use(self, renewed: Renewed) -> None:
        """Judge by these settings and rules from now on, and publish which rules they are."""
        self._open_access_log(renewed.settings)
        detector = renewed.detector
        self._judge.configure(renewed.settings, detector)
        if self._behavior is not None:
            self._behavior.configure(renewed.settings)
        if self._sessions is not None:
            self._sessions.configure(renewed.settings)
        if self._apis is not None:
            self._apis.conceal = concealing(self._judge.masks)
        if self._sessions is not None:
            self._sessions.conceal = concealing_sessions(self._judge.masks)
        if self._behavior is not None:
            self._behavior.conceal = concealing_counters(self._judge.masks)
        self._page.set("rules", detector.rule_count)
        self._page.set("own_rules", detector.own_rule_count)
        self._page.set("rules_refused", int(bool(renewed.problem)))

    def _open_access_log(self, settings: Settings) -> None:
        """Log exchanges as *settings* say from now on. EnvironmentFault: not there; the log before stays."""
        before, wanted = self._access, settings.log
        if wanted.access.enabled:
            name, workers = str(self._context.name), self._context.layout.workers
            self._access = AccessLog(wanted, self._context.log_file, name, workers, self._page)
        else:
            self._access = None
        self._judge.access = self._access
        if before is not None:
            before.close()

    def _keep(self, exchange: Exchange, findings: list[Finding]) -> None:
        record = encode_report(self._judge.report(exchange, findings))
        self._counts.publish_exchanges()  # so that what was reported was also counted, whenever this process dies
        patience = time.monotonic() + REPORT_PATIENCE_S
        while not self._writer.write(KIND_REPORT, record):
            self._exporter_bell.ring()
            if time.monotonic() > patience or len(record) > self._writer.largest_payload:
                self._page.add("lost_report_ring_full")
                return
            time.sleep(0.002)
        self._page.add("reports")
        self._exporter_bell.ring()

    def _skip(self, positions: tuple[int, ...], readers: list[RingReader]) -> None:
        """Leave out the record that has killed this worker twice."""
        for ring, position in enumerate(positions):
            if position >= 0 and readers[ring].position == position:
                self._road.skip(ring)
                self._page.add("skipped_records")
                log.error("skipped the record at %d of ring %d: it killed this worker twice", position, ring)
