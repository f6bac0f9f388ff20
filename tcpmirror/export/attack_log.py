"""One log line per report with findings, for whoever watches the log instead of a console."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from tcpmirror.model.point import point_text
from tcpmirror.model.report import Report

LINE_LIMIT: Final = 2048  # characters: what rsyslog and journald keep whole by default
URI_LIMIT: Final = 512
FINDINGS_SHOWN: Final = 8
log = logging.getLogger("tcpmirror.attacks")


def log_attack(report: Report) -> None:
    """Write the line of *report* if it has findings."""
    if report.findings:
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
