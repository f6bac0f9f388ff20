"""One log line for each hit, for whoever watches the log instead of a console."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tcpmirror.model.finding import Finding
from tcpmirror.model.point import point_text
from tcpmirror.model.report import Report
from tcpmirror.telemetry.token_bucket import TokenBucket

TEXT_LIMIT: Final = 384  # bytes of one fact, its controls written as escapes; a line stays within what rsyslog keeps (8 KiB)
HITS_SHOWN: Final = 8  # of one exchange
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
    _room: TokenBucket = field(init=False)
    _left_out: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._room = TokenBucket(self.burst, self.rate_s, self.clock)

    def write(self, report: Report) -> None:
        """Write the lines of *report*, one for each of its first HITS_SHOWN findings, as far as there is room."""
        if not report.findings:
            return
        self._room.refill()
        of_report = report.findings[:HITS_SHOWN]
        shown = of_report[: self._room.take(len(of_report))]
        if self._left_out and shown:
            log.warning("%d hits were left out of this log, at more than %g a second", self._left_out, self.rate_s)
            self._left_out = 0
        self._left_out += len(of_report) - len(shown)
        for finding in shown:
            log.warning("attack", extra=hit_facts(report, finding, len(report.findings)))


def hit_facts(report: Report, finding: Finding, hits: int) -> dict[str, Any]:
    """Return what a line says of one of the *hits* of *report*; never the payload, and texts as they were masked."""
    texts = {
        "method": report.method,
        "host": report.host,
        "uri": report.uri,
        "status": report.status,
        "point": point_text(finding.point),
        "rule": finding.rule,
        "client": report.client,
        "real_ip": report.real_ip,
        "server": report.server,
    }
    return {
        "request_id": report.id,
        "type": finding.type,
        "confidence": finding.confidence,
        "hits": hits,
        "seen": datetime.fromtimestamp(report.time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **{name: short_text(value) if isinstance(value, str) else value for name, value in texts.items()},
    }


def short_text(text: str) -> str:
    """Return as much of *text* as takes TEXT_LIMIT bytes when all that is not printable ASCII is written as an escape."""
    escaped = text[:TEXT_LIMIT].encode("unicode_escape")
    return (
        text
        if len(escaped) <= TEXT_LIMIT and len(text) <= TEXT_LIMIT
        else escaped[:TEXT_LIMIT].decode("unicode_escape", "ignore")
    )
