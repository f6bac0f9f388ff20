"""What a worker counts of behaviour, on its way to the exporter."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from tcpmirror.behavior.breached import BreachedPasswords, breached_passwords
from tcpmirror.behavior.controls import controls_in_force
from tcpmirror.behavior.counter import Counter, CounterKey, Sample
from tcpmirror.behavior.record import encode_rows, records
from tcpmirror.behavior.watch import CELLS, Watch
from tcpmirror.decode.client_address import ClientAddress
from tcpmirror.decode.scope import ScopeRules
from tcpmirror.export.wire import wire_report
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report
from tcpmirror.settings.tree import SENSITIVITIES, Settings
from tcpmirror.telemetry.counters import CounterPage

RECORD_BYTES: Final = 256 * 1024
SAMPLED: Final = 8  # a counter brings a sample once it has this part of its threshold


class BehaviorNews:
    """Counts a worker's exchanges; `records` are what the exporter is to know. *report* makes what is kept of a sample.

    ``observe`` counts an exchange with its findings and what names its session.
    """

    observe: Callable[[Exchange, list[Finding], bytes | None], None]

    def __init__(
        self,
        settings: Settings,
        page: CounterPage,
        report: Callable[[Exchange, list[Finding]], Report],
        confidence: int | None = None,
    ) -> None:
        """*confidence*: percent of the votes from which on bots are told, 0: none are looked for; None: as is set."""
        self._page = page
        self._confidence = confidence
        self._report = report
        self._epoch = os.urandom(8).hex()
        self._sent = self._evicted = 0
        self._breached: tuple[str, BreachedPasswords] | None = None
        self._left: list[tuple[Counter, Exchange | None]] = []
        self.conceal: Callable[[CounterKey], CounterKey] | None = None  # takes out what is not to be told
        self._watch = Watch((), 0)
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Count by these settings from now on; what was counted by others is still handed on."""
        behavior = settings.behavior
        if self._breached is None or self._breached[0] != behavior.breached_passwords:
            self._breached = behavior.breached_passwords, breached_passwords(behavior.breached_passwords)
        self._address = ClientAddress(settings.inspection.proxy_headers) if settings.inspection.proxy_headers else None
        self._scope = ScopeRules(settings.inspection)
        self._left += self._watch.take()
        self._evicted = 0
        self._watch = Watch(
            controls_in_force(behavior.controls),
            len(behavior.controls),
            self._breached[1],
            bool(behavior.breached_url),
            self._application,
            SENSITIVITIES[behavior.profiles.sensitivity] if self._confidence is None else self._confidence,
            behavior.profiles.exceptions,
        )
        self.observe = self._watch.observe if self._address is None else self._observe_by_address

    def _observe_by_address(self, exchange: Exchange, findings: list[Finding], session: bytes | None = None) -> None:
        """As ``observe`` does, with the address that a proxy told."""
        assert self._address is not None
        source = ipaddress.ip_address(self._address.real_ip(exchange)).packed
        self._watch.observe(exchange, findings, session, source)

    def _application(self, host: str, path: str) -> int:
        return self._scope.route(host, path).application

    @property
    def is_due(self) -> bool:
        """So much was counted that it should be handed on, whatever the time: what finds no room later is lost."""
        return self._watch.used > CELLS // 4

    def records(self, limit_bytes: int) -> Iterator[bytes]:
        """Yield what was counted since the last call, in records of up to *limit_bytes*."""
        self._page.add("behavior_evicted", self._watch.evicted - self._evicted)
        self._evicted = self._watch.evicted
        found = self._left + self._watch.take()
        self._left = []
        kept = 0
        for rows in records((self._sampled(*each) for each in found), min(limit_bytes, RECORD_BYTES)):
            kept += len(rows)
            self._sent += 1
            yield encode_rows(f"{self._epoch}-{self._sent}", rows)
        self._page.add("behavior_cells", kept)

    def _sampled(self, counter: Counter, exchange: Exchange | None) -> Counter:
        """Return *counter* with *exchange* as its sample, if it has counted enough to be worth one."""
        if self.conceal is not None:
            counter = replace(counter, key=self.conceal(counter.key))
        counted = sum(slot.count for slot in counter.slots.values())
        if exchange is not None and (counter.key.unit == "profile" or counted * SAMPLED >= counter.key.threshold):
            report = self._report(exchange, [])
            counter.samples.add(Sample(report.time_ns, report.id, wire_report(report)))
        return counter
