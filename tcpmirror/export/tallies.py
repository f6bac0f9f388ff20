"""Totals over the reports that pass the exporter, by attack type, application and host, for metrics."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.report import Report

HOSTS_LIMIT: Final = 1000  # time series per scrape that traffic can make; a scanner sends any Host it likes
APPLICATIONS_LIMIT: Final = 1000
INVALID_HOST: Final = "__invalid_host__"
OTHER: Final = "__other__"
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")


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
    per_host: bool = True

    def add(self, report: Report) -> None:
        for finding in report.findings:
            self.findings_by_type[finding.type if finding.type in ATTACK_TYPES else OTHER] += 1
        if not report.findings:
            return
        _add(self.findings_by_application, str(report.application), len(report.findings), APPLICATIONS_LIMIT)
        if self.per_host:
            _add(self.findings_by_host, host_label(report.host), len(report.findings), HOSTS_LIMIT)


def _add(counts: Counter[str], label: str, amount: int, limit: int) -> None:
    counts[label if label in counts or len(counts) < limit else OTHER] += amount
