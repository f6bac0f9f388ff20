"""Rows on their way, as JSON (RFC 8259): what workers tell the exporter, and the exporter the cloud.

A record is ``{"id": text, "rows": [row, ...]}``; what a row is, its stage knows. Who writes records parses hostile traffic,
so whoever reads them checks all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

ENVELOPE: Final = 128  # bytes around the rows
ID_CHARACTERS: Final = 64


def chunks(rows: Iterable[bytes], limit_bytes: int, most: int) -> Iterator[list[bytes]]:
    """Yield *rows* in lists of up to *most*, their records within *limit_bytes*; a row that alone is larger is left out."""
    chunk, size = list[bytes](), ENVELOPE
    for row in rows:
        if len(row) + ENVELOPE > limit_bytes:
            continue
        if chunk and (size + len(row) + 1 > limit_bytes or len(chunk) >= most):
            yield chunk
            chunk, size = [], ENVELOPE
        chunk.append(row)
        size += len(row) + 1
    if chunk:
        yield chunk


def encode_rows(record_id: str, rows: Iterable[bytes]) -> bytes:
    """Return the record of *rows* (JSON each) under *record_id*; `checked_rows` takes it apart again."""
    return b'{"id":%b,"rows":[%b]}' % (json.dumps(record_id, ensure_ascii=False).encode(), b",".join(rows))


def checked_rows(record: Any, most: int) -> tuple[str, list[Any]]:
    """Return (id, rows) of *record*, JSON that was read; ValueError if it is no record of up to *most* rows."""
    if not isinstance(record, dict) or not isinstance(record.get("rows"), list) or len(record["rows"]) > most:
        raise ValueError(f"a digest needs a list of up to {most} rows")
    record_id = record.get("id")
    if not isinstance(record_id, str) or not 1 <= len(record_id) <= ID_CHARACTERS or not record_id.isprintable():
        raise ValueError(f"id: 1 to {ID_CHARACTERS} printable characters are needed")
    return record_id, record["rows"]
