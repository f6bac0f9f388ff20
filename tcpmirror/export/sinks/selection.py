"""Which hits of a report a sink is given."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field

from tcpmirror.export.sinks.hit import Hit
from tcpmirror.model.report import Report
from tcpmirror.settings import tree


@dataclass(slots=True)
class Selection:
    """Those of *types*, from *confidence* up, of *hosts* (globs, without case); an empty condition holds for all."""

    types: tuple[str, ...] = ()
    confidence: float = 0.0
    hosts: tuple[str, ...] = ()
    _hosts: re.Pattern[str] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        globs = [fnmatch.translate(host.lower().replace("[^", "[!")) for host in self.hosts]
        self._hosts = re.compile("|".join(globs)) if globs else None

    def hits(self, report: Report) -> list[Hit]:
        if self._hosts is not None and not self._hosts.fullmatch((report.host or "").lower()):
            return []
        return [
            Hit(report, index)
            for index, finding in enumerate(report.findings)
            if (not self.types or finding.type in self.types) and finding.confidence >= self.confidence
        ]


def selection_of(sink: tree.Sink) -> Selection:
    return Selection(sink.types, sink.confidence, sink.hosts)
