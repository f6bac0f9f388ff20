"""One log line per report with findings, for whoever watches the log instead of a console."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tcpmirror.model.point import point_text
from tcpmirror.model.report import Report

LINE_LIMIT: Final = 2048  # characters: what rsyslog and journald keep whole by default
URI_LIMIT: Final = 512
FINDINGS_SHOWN: Final = 8
log = logging.getLogger("tcpmirror.attacks")


@dataclass(slots=True)
class AttackLog:
    """Writes lines of reports with findings: *burst* at once, then *rate_s* a second, and how many it left out.

    A scanner makes thousands of attacks a second, and each would be a line: the disk would fill, or the journal drop what
    matters. Every attack is in the console all the same. ``clock``: seconds, monotonic.
    """

    burst: int = 100
    rate_s: float = 10.0
    clock: Callable[[], float] = time.monotonic
    _room: float = field(init=False)
    _at_s: float = field(init=False)
    _left_out: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._room, self._at_s = float(self.burst), self.clock()

    def write(self, report: Report) -> None:
        """Write the line of *report*, if it has findings and there is room."""
        if not report.findings:
            return
        now_s = self.clock()
        self._room = min(float(self.burst), self._room + (now_s - self._at_s) * self.rate_s)
        self._at_s = now_s
        if self._room < 1.0:
            self._left_out += 1
            return
        self._room -= 1.0
        if self._left_out:
            log.warning("%d attacks were left out of this log, at more than %g a second", self._left_out, self.rate_s)
            self._left_out = 0
        log.warning("%s", attack_line(report))


def attack_line(report: Report) -> str:
    """Return one line of printable ASCII, LINE_LIMIT long at most, whatever the traffic held."""
    shown = report.findings[:FINDINGS_SHOWN]
    fields = {
        "id": report.id,
        "types": ",".join(dict.fromkeys(finding.type for finding in report.findings)),
        "time": datetime.fromtimestamp(report.time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "client": report.client,
        "real_ip": report.real_ip,
        "server": report.server,
        "method": report.method or "-",
        "host": report.host or "-",
        "uri": (report.uri or "-")[:URI_LIMIT],
        "status": "-" if report.status is None else str(report.status),
        "points": ",".join(point_text(finding.point) for finding in shown),
        "rules": ",".join(finding.rule for finding in shown),
    }
    return "attack " + " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())[: LINE_LIMIT - len("attack ")]


def _quoted(text: str) -> str:
    """Return *text* in ASCII, in quotes if a reader could take it for more than one field."""
    escaped = text.encode("unicode_escape").decode()
    return '"' + escaped.replace('"', '\\"') + '"' if not escaped or any(mark in escaped for mark in ' "=') else escaped
