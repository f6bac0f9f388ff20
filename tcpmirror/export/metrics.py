"""Counters as Prometheus reads them: the pages of all processes are read at the moment of the scrape, and nothing before."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tcpmirror.export.families import FAMILIES, Family
from tcpmirror.export.tallies import Tallies
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.ledger import Ledger, read_ledgers

STALE_S: Final = 5.0  # a main loop beats at least once a second
Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessPage:
    """The counters of one process; ``source``: what a capture reads from, empty elsewhere."""

    name: str
    kind: str
    page: CounterPage
    source: str = ""

    def beat_age_s(self) -> float | None:
        """Return the seconds since the main loop last turned; None if it never did."""
        beat_ns = self.page.get("heartbeat_ns")
        return (time.monotonic_ns() - beat_ns) / 1e9 if beat_ns else None

    @property
    def is_fresh(self) -> bool:
        age_s = self.beat_age_s()
        return age_s is not None and age_s < STALE_S


def total(pages: tuple[ProcessPage, ...], kind: str, counter: str) -> int:
    """Return the sum of one counter over the processes of a kind."""
    return sum(each.page.get(counter) for each in pages if each.kind == kind)


@dataclass(frozen=True, slots=True, eq=False)  # a registry keeps its collectors in a dict
class SensorCollector(Collector):
    """Every family of the table, read from *pages* and *tallies*."""

    pages: tuple[ProcessPage, ...]
    tallies: Tallies
    namespace: str
    version: str
    mode: str
    _names: dict[str, str] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        prefix = re.sub(r"[^a-zA-Z0-9_]", "_", self.namespace)
        prefix = f"_{prefix}" if prefix[:1].isdecimal() else prefix
        self._names.update({family.name: family.full_name(prefix) for family in FAMILIES})

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            metric = kind(self._names[family.name], family.meaning, labels=family.label_names)
            for labels, value in self._values(family).items():
                metric.add_metric(labels, value)
            yield metric

    def _values(self, family: Family) -> dict[Labels, float]:
        if not family.readings:
            return self._own_value(family.name)
        values: dict[Labels, float] = {}
        for reading in family.readings:
            fixed = tuple(value for _, value in reading.labels)
            for each in self.pages:
                if each.kind == reading.kind:
                    labels = (*self._process_label(family.by, each), *fixed)
                    values[labels] = values.get(labels, 0.0) + each.page.get(reading.counter) * reading.scale
        return values

    @staticmethod
    def _process_label(by: str, each: ProcessPage) -> Labels:
        match by:
            case "process":
                return (each.name,)
            case "source":
                return (each.source,)
            case _:
                return ()

    def _sinks(self, count: str) -> dict[Labels, float]:
        sinks = self.tallies.sinks.copy()
        if count == "failures":
            return {(name, word): float(n) for name, sink in sinks.items() for word, n in sink.failures.copy().items()}
        return {(name,): float(getattr(sink, count)) for name, sink in sinks.items()}

    def _ledgers(self) -> tuple[Ledger, ...]:
        return read_ledgers(*([each.page for each in self.pages if each.kind == kind] for kind in ("capture", "worker")))

    def _own_value(self, name: str) -> dict[Labels, float]:
        """Return the values that come from no single counter."""
        match name:
            case "application_info":
                return {("tcpmirror", self.mode, self.version): 1.0}
            case "build_info":
                return {(self.version, platform.python_version()): 1.0}
            case "processes":
                kinds = [each.kind for each in self.pages]
                return {(kind,): float(kinds.count(kind)) for kind in dict.fromkeys(kinds)}
            case "http_inspector_balancer_workers":
                return {(): float(sum(each.kind == "worker" for each in self.pages))}
            case "heartbeat_age_seconds":
                ages = {(each.name,): each.beat_age_s() for each in self.pages}
                return {labels: age_s for labels, age_s in ages.items() if age_s is not None}
            case "ledger_in":
                return {(ledger.unit,): float(ledger.taken_in) for ledger in self._ledgers()}
            case "ledger_end":
                return _ends(self._ledgers())
            case "findings_total":
                return _by_label(self.tallies.findings_by_type)
            case "ignored_findings_total":
                return {row: float(count) for row, count in self.tallies.ignored.copy().items()}
            case "http_inspector_threats_found_per_app_total":
                return _by_label(self.tallies.findings_by_application)
            case "http_inspector_threats_found_per_host_total":
                return _by_label(self.tallies.findings_by_host)
            case "mirror_protocol_flows_total":
                spoken = self.tallies.protocols.copy()
                return {(*origin, name): float(n) for origin, counts in spoken.items() for name, n in counts.items()}
        if name.startswith("sink_"):
            return self._sinks(name.removeprefix("sink_").removesuffix("_total"))
        if name.startswith("mirror_"):
            counter = name.removeprefix("mirror_").removesuffix("_total")
            return {origin: float(counts[counter]) for origin, counts in self.tallies.mirror.copy().items()}
        raise KeyError(name)


def _ends(ledgers: tuple[Ledger, ...]) -> dict[Labels, float]:
    values: dict[Labels, float] = {}
    for ledger in ledgers:
        ends = {"analysed": ledger.analysed, "waiting": ledger.waiting, **ledger.reasons}
        values.update({(ledger.unit, end): float(count) for end, count in ends.items()})
    return values


def _by_label(counts: dict[str, int]) -> dict[Labels, float]:
    return {(label,): float(count) for label, count in counts.copy().items()}
