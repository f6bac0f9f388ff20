"""The weaknesses of capture files, merged from all workers."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from tcpmirror.vulns.catalog import KINDS, SEVERITIES
from tcpmirror.vulns.weakness import Weakness, WeaknessKey, add, decode_weaknesses


class WeaknessSummary:
    def __init__(self) -> None:
        self._table: dict[WeaknessKey, Weakness] = {}

    def add(self, record: bytes) -> None:
        """Take the weaknesses in *record*."""
        for weakness in decode_weaknesses(record)[1]:
            add(self._table, weakness)

    def lines(self) -> Iterator[bytes]:
        """Yield a JSON line for each proven weakness, the gravest first, then in the order of host, path and method."""
        for weakness in sorted(filter(lambda each: each.is_proven, self._table.values()), key=_rank):
            kind, sample = KINDS[weakness.kind], weakness.sample
            yield orjson.dumps(
                {
                    "kind": weakness.kind,
                    "type": kind.type,
                    "title": kind.title,
                    "severity": kind.severity,
                    "cwe": kind.cwe,
                    "host": weakness.host,
                    "method": weakness.method,
                    "path": "/" + "/".join(weakness.path),
                    "subject": weakness.subject,
                    "count": weakness.count,
                    "first_ns": weakness.first_ns,
                    "last_ns": weakness.last_ns,
                    "evidence": sample.text,
                    "client": sample.client,
                    "server": sample.server,
                    "status": sample.status,
                }
            )


def _rank(weakness: Weakness) -> tuple[int, str, tuple[str, ...], str, str, str]:
    severity = SEVERITIES.index(KINDS[weakness.kind].severity)
    return (-severity, weakness.host, weakness.path, weakness.method, weakness.kind, weakness.subject)
