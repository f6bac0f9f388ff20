"""Batches: the spool's records, cut into what one call to the cloud takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from tcpmirror.export.slice import Slice
from tcpmirror.export.spool_reader import SpoolReader
from tcpmirror.export.wire import read_report, wire_batch, wire_report

BATCH_LIMIT_BYTES: Final = 8 << 20  # of JSON before compression: a quarter of what the cloud decodes at most


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of the spool, the JSON of each, and for each that has none the ``problem`` (else empty)."""

    part: Slice
    reports: tuple[bytes, ...]
    problems: tuple[str, ...]

    @property
    def id(self) -> str:
        """32 hexadecimal digits, the same whenever the same records of the same segment are sent again."""
        place = f"{self.part.segment}|{self.part.salt}|{self.part.offset}|{self.part.end}"
        return hashlib.blake2b(place.encode(), digest_size=16).hexdigest()

    @property
    def body(self) -> bytes:
        return wire_batch(self.id, self.reports)

    @property
    def problem(self) -> str:
        """Why the batch cannot be sent as it is; empty if it can."""
        return next(filter(None, self.problems), "")

    def halves(self) -> tuple[Batch, Batch]:
        """Return the first and the second half of two records or more."""
        return self._cut(0, len(self.reports) // 2), self._cut(len(self.reports) // 2, len(self.reports))

    def _cut(self, start: int, stop: int) -> Batch:
        return Batch(self.part.part(start, stop), self.reports[start:stop], self.problems[start:stop])


def next_batch(reader: SpoolReader, limit_reports: int) -> Batch | None:
    """Return the next batch, remembered by the reader as planned; None when everything is acknowledged."""
    part = reader.read(limit_reports, BATCH_LIMIT_BYTES)
    if part is None:
        return None
    reports, problems, size = list[bytes](), list[str](), 0
    for record in part.records:
        report, problem = _wired(record)
        if size and size + len(report) > BATCH_LIMIT_BYTES:
            break
        reports.append(report)
        problems.append(problem)
        size += len(report)
    batch = Batch(part.part(0, len(reports)), tuple(reports), tuple(problems))
    reader.plan(batch.part)
    return batch


def _wired(record: bytes) -> tuple[bytes, str]:
    """Return the JSON of *record* and why it has none: one of the two is empty."""
    try:
        return wire_report(read_report(record)), ""
    except ValueError as error:
        return b"", str(error)
