"""Digests of sessions on their way: from a worker to the exporter, and from there to the cloud, as JSON (RFC 8259)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from tcpmirror.sessions.digest import SessionDigest, read_row, row_of

ROWS: Final = 2_000  # of one record
_ENVELOPE: Final = 128  # bytes around the rows


def wire_row(digest: SessionDigest) -> bytes:
    return orjson.dumps(row_of(digest))


def chunks(rows: Iterable[bytes], limit_bytes: int) -> Iterator[list[bytes]]:
    """Yield *rows* in lists whose record keeps within *limit_bytes*; a row that alone is larger is left out."""
    chunk, size = list[bytes](), _ENVELOPE
    for row in rows:
        if len(row) + _ENVELOPE > limit_bytes:
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


def decode_rows(record: bytes) -> tuple[str, list[SessionDigest]]:
    """Return (id, digests) of *record*; ValueError if it is none. Its writer parses hostile traffic: all is checked."""
    found: Any = orjson.loads(record)
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list) or len(found["rows"]) > ROWS:
        raise ValueError(f"a digest needs a list of up to {ROWS} rows")
    digest_id = found.get("id")
    if not isinstance(digest_id, str) or not 1 <= len(digest_id) <= 64 or not digest_id.isprintable():
        raise ValueError("id: 1 to 64 printable characters are needed")
    return digest_id, [read_row(row) for row in found["rows"]]
