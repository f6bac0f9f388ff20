"""Totals over the reports that pass the exporter, by attack type, application and host, for metrics."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.export.delivery import REASONS
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.digest import MirrorNews
from tcpmirror.model.ignored_news import OTHER, IgnoredCounts, add_ignored
from tcpmirror.model.protocol_news import ProtocolNews
from tcpmirror.model.report import Report

HOSTS_LIMIT: Final = 1000  # time series per scrape that traffic can make; a scanner sends any Host it likes
APPLICATIONS_LIMIT: Final = 1000
ORIGINS_LIMIT: Final = 1024  # what a worker keeps apart, too
PROTOCOLS_LIMIT: Final = 16
NAMES_LIMIT: Final = 50  # TLS server names of one origin
INVALID_HOST: Final = "__invalid_host__"
MIRROR_COUNTS: Final = ("seen_bytes", "lost_bytes", "flows", "one_sided_flows", "no_syn_flows")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")


Origin = tuple[str, str, str]  # labels: source, VLAN (`100`, with QinQ `100.42`), VNI; empty where there is none


def host_label(host: str | None) -> str:
    """Return *host* in lower case, without its port; INVALID_HOST if it is no host name (RFC 1123, section 2.1)."""
    name = re.sub(r":\d{0,5}\Z", "", host or "").lower()
    return name if _HOST.fullmatch(name) else INVALID_HOST


@dataclass(slots=True)
class SinkTally:
    """What became of the hits for one sink, since the exporter started; its thread writes, another may read."""

    up: int = 1  # 0: the last delivery failed
    sent: int = 0
    rejected: int = 0
    dropped: int = 0  # reports
    backlog: int = 0  # reports
    failures: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(REASONS, 0)))


@dataclass(slots=True)
class Tallies:
    """One thread adds; another may `copy` at any time."""

    findings_by_type: Counter[str] = field(default_factory=Counter)
    findings_by_host: Counter[str] = field(default_factory=Counter)
    findings_by_application: Counter[str] = field(default_factory=Counter)
    ignored: IgnoredCounts = field(default_factory=Counter)
    per_host: bool = True
    sources: tuple[str, ...] = ()  # by index of the capture process
    mirror: dict[Origin, Counter[str]] = field(default_factory=dict)
    protocols: dict[Origin, Counter[str]] = field(default_factory=dict)
    names: dict[Origin, Counter[str]] = field(default_factory=dict)
    sinks: defaultdict[str, SinkTally] = field(default_factory=lambda: defaultdict(SinkTally))

    def add(self, report: Report) -> None:
        for finding in report.findings:
            self.findings_by_type[finding.type if finding.type in ATTACK_TYPES else OTHER] += 1
        if not report.findings:
            return
        _add(self.findings_by_application, str(report.application), len(report.findings), APPLICATIONS_LIMIT)
        if self.per_host:
            _add(self.findings_by_host, host_label(report.host), len(report.findings), HOSTS_LIMIT)

    def add_ignored_news(self, counts: IgnoredCounts) -> None:
        """Add what workers tell about findings that are not reported."""
        for row, count in counts.items():
            add_ignored(self.ignored, row, count)

    def add_mirror_news(self, news: Iterable[MirrorNews]) -> None:
        """Add what workers tell about the mirror."""
        for row in news:
            origin = self._origin(self.mirror, row.source, row.vlan, row.inner_vlan, row.vni)
            counts = self.mirror.get(origin, Counter())
            # A new object, so that a scrape that is under way reads sums of one moment.
            self.mirror[origin] = counts + Counter({name: getattr(row, name) for name in MIRROR_COUNTS})

    def add_protocol_news(self, news: ProtocolNews) -> None:
        """Add what a worker tells about what is spoken at one place."""
        origin = self._origin(self.protocols, *news.place)
        _add_all(self.protocols, origin, news.protocols, PROTOCOLS_LIMIT)
        _add_all(self.names, origin, news.names, NAMES_LIMIT)

    def _origin(self, known: Mapping[Origin, object], index: int, vlan: int, inner_vlan: int, vni: int) -> Origin:
        """Return the labels of a place; those beyond the limit of *known* have one for all of them."""
        if index < 0:
            return (OTHER, OTHER, OTHER)
        source = self.sources[index] if index < len(self.sources) else str(index)
        origin = (source, f"{vlan}.{inner_vlan}" if inner_vlan else str(vlan or ""), str(vni) if vni >= 0 else "")
        return origin if origin in known or len(known) < ORIGINS_LIMIT else (OTHER, OTHER, OTHER)


def _add_all(sums: dict[Origin, Counter[str]], origin: Origin, more: Counter[str], limit: int) -> None:
    """Add *more* to the sums of *origin*, which become a new object, as those of `Tallies.mirror` do."""
    counts = sums.get(origin, Counter[str]()).copy()
    for label, count in more.items():
        _add(counts, label, count, limit)
    sums[origin] = counts


def _add(counts: Counter[str], label: str, amount: int, limit: int) -> None:
    counts[label if label in counts or len(counts) < limit else OTHER] += amount
