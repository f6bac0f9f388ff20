"""Lists as files: streamed a page at a time, so that neither a long list nor a slow reader holds the store."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

import orjson
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.types import Send

# What a spreadsheet takes for the start of a formula (OWASP, CSV Injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CHUNK: Final = 64 * 1024  # characters or bytes
_DISPOSITION: Final = "content-disposition"
ROWS: Final = 100_000  # of a file whose pages are counted off

Rows = Iterator[dict[str, Any]]
_log = logging.getLogger(__name__)


def csv_file(name: str, columns: Sequence[str], rows: Rows) -> StreamingResponse:
    """Return *rows* as CSV (RFC 4180); a cell that a spreadsheet would run begins with an apostrophe."""
    return _file(_csv(columns, rows), name, "csv", "text/csv; charset=utf-8")


def json_file(name: str, columns: Sequence[str], rows: Rows) -> StreamingResponse:
    """Return *rows* as one JSON array."""
    return _file(_json(columns, rows), name, "json", "application/json")


def cell(value: Any) -> str:
    """Return *value* as the text of a CSV cell that no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    text = "" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)
    is_number = isinstance(value, int | float)
    return f"'{text}" if not is_number and text.lstrip(" ").startswith(_FORMULA) else text


def counted_off(page_at: Callable[[int], Sequence[dict[str, Any]]], limit: int) -> Rows:
    """Give up to ROWS rows of a list whose pages of *limit* rows begin at an offset."""
    for offset in range(0, ROWS, limit):
        page = page_at(offset)
        yield from page
        if len(page) < limit:
            return


def _csv(columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for fields in rows:
        writer.writerow([cell(fields[name]) for name in columns])
        if text.tell() > _CHUNK:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return taken


def _json(columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    text, before = bytearray(), b"["
    for fields in rows:
        text += before + orjson.dumps({name: fields[name] for name in columns})
        before = b",\n"
        if len(text) > _CHUNK:
            yield bytes(text)
            text.clear()
    yield bytes(text) + (b"[]" if before == b"[" else b"]")


class _Streamed(StreamingResponse):
    """A file that ends in order or not at all: where the store fails on the way, the connection goes without its last chunk.

    So whoever fetches it is told of an incomplete transfer (RFC 9112, 8) and does not take a part for the whole.
    """

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except (DBAPIError, PoolTimeoutError) as error:
            _log.error("%s is cut short, the store failed: %s", self.headers[_DISPOSITION], getattr(error, "orig", error))


def _file(chunks: Iterator[bytes], name: str, ending: str, media_type: str) -> StreamingResponse:
    """Return *chunks* as a file. The first is made here: a store that fails at once is told by the status (503)."""
    first = next(chunks, b"")
    dated = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.{ending}"
    headers = {_DISPOSITION: f'attachment; filename="{dated}"'}
    return _Streamed(chain((first,), chunks), media_type=media_type, headers=headers)
