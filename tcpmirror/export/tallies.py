"""Totals over the reports that pass the exporter, by attack type, application and host, for metrics."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.digest import MirrorNews
from tcpmirror.model.ignored_news import OTHER, IgnoredCounts, add_ignored
from tcpmirror.model.report import Report

HOSTS_LIMIT: Final = 1000  # time series per scrape that traffic can make; a scanner sends any Host it likes
APPLICATIONS_LIMIT: Final = 1000
ORIGINS_LIMIT: Final = 1024  # what a worker keeps apart, too
INVALID_HOST: Final = "__invalid_host__"
MIRROR_COUNTS: Final = ("seen_bytes", "lost_bytes", "flows", "one_sided_flows", "no_syn_flows")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")


Origin = tuple[str, str, str]  # labels: source, VLAN (`100`, with QinQ `100.42`), VNI; empty where there is none


def host_label(host: str | None) -> str:
    """Return *host* in lower case, without its port; INVALID_HOST if it is no host name (RFC 1123, section 2.1)."""
    name = re.sub(r":\d{0,5}\Z", "", host or "").lower()
    return name if _HOST.fullmatch(name) else INVALID_HOST


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
            origin = self._origin(row)
            if origin not in self.mirror and len(self.mirror) >= ORIGINS_LIMIT:
                origin = (OTHER, OTHER, OTHER)
            counts = self.mirror.get(origin, Counter())
            # A new object, so that a scrape that is under way reads sums of one moment.
            self.mirror[origin] = counts + Counter({name: getattr(row, name) for name in MIRROR_COUNTS})

    def _origin(self, row: MirrorNews) -> Origin:
        if row.source < 0:
            return (OTHER, OTHER, OTHER)
        source = self.sources[row.source] if row.source < len(self.sources) else str(row.source)
        vlan = f"{row.vlan}.{row.inner_vlan}" if row.inner_vlan else str(row.vlan or "")
        return (source, vlan, str(row.vni) if row.vni >= 0 else "")


def _add(counts: Counter[str], label: str, amount: int, limit: int) -> None:
    counts[label if label in counts or len(counts) < limit else OTHER] += amount
