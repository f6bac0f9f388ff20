"""Counters on their way: from a worker to the exporter, and from there to the cloud, as JSON (RFC 8259)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from tcpmirror.behavior.counter import Counter, read_row, row_of

ROWS: Final = 4_000  # of one record
_ENVELOPE: Final = 128  # bytes around the rows


def records(counters: Iterable[Counter], limit_bytes: int) -> Iterator[list[bytes]]:
    """Yield the rows of *counters* in lists whose record keeps within *limit_bytes*.

    A row that alone is larger goes without its samples, and is left out if that does not help.
    """
    chunk, size = list[bytes](), _ENVELOPE
    for counter in counters:
        row = _fitting(counter, limit_bytes)
        if row is None:
            continue
        if chunk and (size + len(row) + 1 > limit_bytes or len(chunk) >= ROWS):
            yield chunk
            chunk, size = [], _ENVELOPE
        chunk.append(row)
        size += len(row) + 1
    if chunk:
        yield chunk


def encode_rows(digest_id: str, rows: Iterable[bytes]) -> bytes:
    """Return the record of *rows* (JSON each) under *digest_id*; `decode_rows` is the inverse."""
    return orjson.dumps({"id": digest_id, "rows": [orjson.Fragment(row) for row in rows]})


def decode_rows(record: bytes) -> tuple[str, list[Counter]]:
    """Return (id, counters) of *record*; ValueError if it is none. Its writer parses hostile traffic: all is checked."""
    found: Any = orjson.loads(record)
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list) or len(found["rows"]) > ROWS:
        raise ValueError(f"a digest needs a list of up to {ROWS} rows")
    digest_id = found.get("id")
    if not isinstance(digest_id, str) or not 1 <= len(digest_id) <= 64 or not digest_id.isprintable():
        raise ValueError("id: 1 to 64 printable characters are needed")
    return digest_id, [read_row(row) for row in found["rows"]]


def _fitting(counter: Counter, limit_bytes: int) -> bytes | None:
    for candidate in (counter, Counter(counter.key, counter.slots)):
        row = orjson.dumps(row_of(candidate))
        if len(row) + _ENVELOPE <= limit_bytes:
            return row
    return None
