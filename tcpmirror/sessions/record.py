"""Digests of sessions on their way: from a worker to the exporter, and from there to the cloud, as JSON (RFC 8259)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import orjson

from tcpmirror.model import rows as wire
from tcpmirror.model.rows import encode_rows
from tcpmirror.sessions.digest import SessionDigest, read_row, row_of

__all__ = ["ROWS", "chunks", "decode_rows", "encode_rows", "wire_row"]

ROWS: Final = 2_000  # of one record


def wire_row(digest: SessionDigest) -> bytes:
    return orjson.dumps(row_of(digest))


def chunks(rows: Iterable[bytes], limit_bytes: int) -> Iterator[list[bytes]]:
    """Yield *rows* in lists whose record keeps within *limit_bytes*; a row that alone is larger is left out."""
    return wire.chunks(rows, limit_bytes, ROWS)


def decode_rows(record: bytes) -> tuple[str, list[SessionDigest]]:
    """Return (id, digests) of *record*, which `encode_rows` wrote; ValueError if it is none."""
    digest_id, rows = wire.checked_rows(orjson.loads(record), ROWS)
    return digest_id, [read_row(row) for row in rows]
