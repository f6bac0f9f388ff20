"""Counters on their way: from a worker to the exporter, and from there to the cloud, as JSON (RFC 8259)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import orjson

from tcpmirror.behavior.counter import Counter, read_row, row_of
from tcpmirror.model import rows as wire
from tcpmirror.model.rows import ENVELOPE, encode_rows

__all__ = ["ROWS", "decode_rows", "encode_rows", "records"]

ROWS: Final = 4_000  # of one record


def records(counters: Iterable[Counter], limit_bytes: int) -> Iterator[list[bytes]]:
    """Yield the rows of *counters* in lists whose record keeps within *limit_bytes*.

    A row that alone is larger goes without its samples, and is left out if that does not help.
    """
    return wire.chunks((_fitting(counter, limit_bytes) for counter in counters), limit_bytes, ROWS)


def decode_rows(record: bytes) -> tuple[str, list[Counter]]:
    """Return (id, counters) of *record*, which `encode_rows` wrote; ValueError if it is none."""
    digest_id, rows = wire.checked_rows(orjson.loads(record), ROWS)
    return digest_id, [read_row(row) for row in rows]


def _fitting(counter: Counter, limit_bytes: int) -> bytes:
    """Return the row of *counter*, without its samples where it is larger than a record may be."""
    row = orjson.dumps(row_of(counter))
    if len(row) + ENVELOPE <= limit_bytes:
        return row
    return orjson.dumps(row_of(Counter(counter.key, counter.slots)))
