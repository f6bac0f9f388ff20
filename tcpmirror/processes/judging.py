"""What a worker does with a finished exchange: scope, detection, and the report of what is worth keeping."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from tcpmirror.decode.client_address import ClientAddress
from tcpmirror.decode.scope import ScopeRules
from tcpmirror.detect.ignoring import Ignored
from tcpmirror.detect.masks import CompiledMask
from tcpmirror.model.anomaly import Anomaly, anomaly_names
from tcpmirror.model.exchange import Exchange, Message
from tcpmirror.model.finding import Finding
from tcpmirror.model.ignored_news import IgnoredCounts, add_ignored
from tcpmirror.model.overlap import overlap_texts
from tcpmirror.model.report import Report, report_id
from tcpmirror.processes.access_log import TEXT_BYTES, AccessLog, Place
from tcpmirror.processes.judge_road import JudgeRoad
from tcpmirror.processes.masking import bare_report, compiled_masks, masked_report
from tcpmirror.settings.tree import Mask, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.vulns.proofs import Proofs

log = logging.getLogger(__name__)


def _mask(*anomalies: Anomaly) -> int:
    return sum(1 << anomaly for anomaly in anomalies)


GAPS: Final = _mask(Anomaly.GAP, Anomaly.INCOMPLETE)
LIMITS: Final = _mask(*(anomaly for anomaly in Anomaly if anomaly.name.endswith("_LIMIT")), Anomaly.CONTINUATION_FLOOD)
PARTIAL: Final = GAPS | LIMITS


class Inspector(Protocol):
    """Finds attacks in one exchange; ``ignored``: what it found in the last and does not tell; ``masks`` of its packs."""

    tier2: int

    @property
    def masks(self) -> Sequence[Mask]: ...

    @property
    def ignored(self) -> Sequence[Ignored]: ...

    def inspect(self, exchange: Exchange) -> list[Finding]: ...


Keep = Callable[[Exchange, list[Finding]], None]
Learn = Callable[[Exchange, list[Finding], bool], None]


def slowed(emit: Callable[[Exchange], object], slow_ns: int) -> Callable[[Exchange], object]:
    """Return *emit*, or where *slow_ns* says so one that takes so much longer (for tests)."""
    if not slow_ns:
        return emit

    def emit_slowly(exchange: Exchange) -> None:
        time.sleep(slow_ns / 1e9)
        emit(exchange)

    return emit_slowly


class Judge(JudgeRoad):
    """Called with each exchange; hands those worth keeping to *keep*.

    *keep_all*: hand over every exchange, with or without findings (files analysed with an exchange list). ``ignored`` counts
    findings held back; who tells others of them takes them off. *learn* sees each exchange in scope with its findings, and
    whether they are of an attack. ``access``: where each is noted, None (as at first): nowhere.
    """

    def __init__(
        self,
        settings: Settings,
        detector: Inspector | None,
        keep: Keep,
        page: CounterPage,
        keep_all: bool = False,
        learn: Learn | None = None,
    ) -> None:
        super().__init__(page, learn, PARTIAL)
        self.access: AccessLog | None = None
        self.keep = keep
        self.keep_all = keep_all
        self._page = page
        self._proofs = Proofs()
        self.ignored: IgnoredCounts = Counter()
        self.configure(settings, detector)

    def configure(self, settings: Settings, detector: Inspector | None) -> None:
        """Take other settings and rules; flows, what is half-read and how long answers took stay as they are."""
        self._settings = settings
        self.detector = detector if settings.inspection.enabled else None
        self._address = ClientAddress(settings.inspection.proxy_headers)
        self._scope = ScopeRules(settings.inspection)
        self.is_trivial = self._scope.is_trivial
        self.masks = compiled_masks((*settings.inspection.mask, *(() if detector is None else detector.masks)))

    def failed(self, exchange: Exchange, fault: Exception) -> None:
        """Note a fault of ours, and log the first, the second, the fourth and so on: traffic decides how many there are."""
        self._page.add("bugs")
        self._page.add("inspection_failures")
        failures = self._page.get("inspection_failures")
        if failures & (failures - 1) == 0:
            log.error("an exchange cannot be inspected (%d so far)", failures, exc_info=fault)
        if self.access is not None:
            self._note(self.access, exchange, [], "failed")

    def enter(self, exchange: Exchange, findings: list[Finding]) -> None:
        """Have *exchange* in the access log."""
        if self.access is not None:
            self._note(self.access, exchange, findings, self._verdict(exchange, findings))

    def proven(self, findings: list[Finding], exchange: Exchange) -> list[Finding]:
        """Return *findings* with what shows that they worked."""
        return self._proofs.added(findings, exchange, self._address.host(exchange) or "")

    def count_ignored(self, ignored: Sequence[Ignored]) -> None:
        self._page.add("ignored_findings", len(ignored))
        for item in ignored:
            add_ignored(self.ignored, (item.by, item.finding.rule))

    def count_partial(self, exchange: Exchange) -> None:
        self._page.add("partial_gap", exchange.anomalies & GAPS != 0)
        self._page.add("partial_limit", exchange.anomalies & LIMITS != 0)

    def is_in_scope(self, exchange: Exchange) -> bool:
        if exchange.request is None or self._scope.is_trivial:
            return True
        real_ip, host = self._address.real_ip(exchange), self._address.host(exchange)
        return self._scope.of(exchange.request, host or "", real_ip).mode != "off"

    def _verdict(self, exchange: Exchange, findings: list[Finding]) -> str:
        """Return what an access log says became of *exchange*: attack, passed, or off where nothing is inspected."""
        if findings:
            return "attack"
        return "passed" if self.detector is not None and self.is_in_scope(exchange) else "off"

    def _note(self, access: AccessLog, exchange: Exchange, findings: list[Finding], verdict: str) -> None:
        """Have *exchange* in the access log; messages of WebSocket are no exchanges. A fault of ours costs its line."""
        if exchange.protocol == "websocket":
            return
        try:
            masks = self.masks_of(exchange)
            if masks:
                report = self._masked(self._made(exchange, []), exchange, masks)
                place = Place(report.host, report.uri, report.real_ip)
            else:
                target = None if exchange.request is None else text(exchange.request.target[:TEXT_BYTES])
                place = Place(self._address.host(exchange), target, self._address.real_ip(exchange))
            access.add(exchange, place, verdict, tuple(dict.fromkeys(found.type for found in findings)))
        except Exception:  # noqa: BLE001 - as in `__call__`: this line is no reason to lose the exchange
            self._page.add("bugs")
            log.error("an exchange cannot be written to the access log")

    def report(self, exchange: Exchange, findings: list[Finding]) -> Report:
        """Return what is kept of *exchange*, masked and cut to the export limits."""
        made = self._made(exchange, findings)
        masks = self.masks_of(exchange)
        return self._masked(made, exchange, masks) if masks else made

    def _made(self, exchange: Exchange, findings: list[Finding]) -> Report:
        """Return what is kept of *exchange*, not masked."""
        limits = self._settings.limits
        request, response = exchange.request, exchange.response
        real_ip = self._address.real_ip(exchange)
        host = self._address.host(exchange)
        application = self._application(exchange, host or "", real_ip)
        client, server = exchange.client, exchange.server
        return Report(
            id=report_id(client, server, exchange.time_ns, exchange.index),
            time_ns=exchange.time_ns,
            duration_ns=exchange.duration_ns,
            client=client,
            server=server,
            real_ip=real_ip,
            encapsulation=exchange.encapsulation,
            protocol=exchange.protocol,
            method=None if request is None else request.method.decode("latin-1"),
            host=host,
            uri=None if request is None else text(request.target),
            status=None if response is None else response.status,
            request_bytes=0 if request is None else request.body_length,
            response_bytes=0 if response is None else response.body_length,
            application=application,
            anomalies=(*anomaly_names(exchange.anomalies), *overlap_texts(exchange.overlaps)),
            findings=tuple(findings),
            request=_kept(request, limits.export_request_bytes),
            response=_kept(response, limits.export_response_bytes),
        )

    def masks_of(self, exchange: Exchange) -> list[CompiledMask]:
        """Return the masks that apply to *exchange*."""
        if not self.masks:
            return []
        host, real_ip = self._address.host(exchange) or "", self._address.real_ip(exchange)
        return self.masks.of(exchange, host, self._application(exchange, host, real_ip))

    def _application(self, exchange: Exchange, host: str, real_ip: str) -> int:
        if exchange.request is None or self._scope.is_trivial:
            return self._scope.default.application
        return self._scope.of(exchange.request, host, real_ip).application

    def _masked(self, report: Report, exchange: Exchange, masks: list[CompiledMask]) -> Report:
        """Return *report* masked. A fault of ours costs its texts, never a secret."""
        try:
            masked = masked_report(report, exchange, masks, self._settings.limits)
        except Exception:  # noqa: BLE001 - as in `__call__`; what the fault says may hold what is to be masked
            self._page.add("bugs")
            log.error("a report cannot be masked, so it goes without what was sent")
            return bare_report(report)
        self._page.add("masked_reports", masked != report)
        return masked


def text(raw: bytes) -> str:
    """Return *raw* as text: UTF-8 where it is that, else one character a byte."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _kept(message: Message | None, limit: int) -> bytes:
    return b"" if message is None else (message.head + message.body)[:limit]
