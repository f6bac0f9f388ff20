"""Lists as files: streamed page by page, so that neither a long list nor a slow reader holds the store."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from fastapi import APIRouter, HTTPException
from fastapi.responses import Response, StreamingResponse

from tcpmirror.cloud.api.access import Problem, Shared, only
from tcpmirror.cloud.api.fields import RowId
from tcpmirror.cloud.api.queries import Attack, Search, Sort, attack_fields, order_of, understood
from tcpmirror.cloud.attacks import PAGE_LIMIT, Order, hit_detail, list_attacks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.marking import known_sources
from tcpmirror.cloud.exchange_pcap import NoAddresses, exchange_pcap
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.search.tree import Query

# What a spreadsheet takes for the start of a formula (OWASP, CSV Injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_COLUMNS: Final = tuple(Attack.model_fields)

router = APIRouter(
    prefix="/api/v1",
    tags=["Findings"],
    dependencies=[only(Role.READ)],
    responses={400: {"model": Problem}, 401: {"model": Problem}, 403: {"model": Problem}},
)


@router.get("/attacks.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
def attacks_as_csv(service: Shared, q: Search = "", sort: Sort = "-last") -> StreamingResponse:
    """Give all attacks of a search as CSV (RFC 4180). A cell that a spreadsheet would run begins with an apostrophe."""
    rows = _rows(service.database, understood(q, service), order_of(sort))
    return _file(_csv(rows), "csv", "text/csv; charset=utf-8")


@router.get("/attacks.json", response_class=StreamingResponse, responses={200: {"model": list[Attack]}})
def attacks_as_json(service: Shared, q: Search = "", sort: Sort = "-last") -> StreamingResponse:
    """Give all attacks of a search as one JSON array."""
    rows = _rows(service.database, understood(q, service), order_of(sort))
    return _file(_json(rows), "json", "application/json")


@router.get(
    "/hits/{hit_id}/exchange.pcap",
    response_class=Response,
    responses={
        200: {"content": {"application/vnd.tcpdump.pcap": {}}},
        404: {"model": Problem},
        409: {"model": Problem, "description": "The exchange has no addresses that packets could carry."},
    },
)
def exchange_as_capture(hit_id: RowId, service: Shared) -> Response:
    """Give the exchange of a hit as a capture file: the connection it would have been, its messages as they were kept."""
    row = hit_detail(service.database, hit_id)
    if row is None:
        raise HTTPException(404, "There is no such hit.")
    try:
        capture = exchange_pcap(row.client, row.server, row.time_ns, row.duration_ns, row.request, row.response)
    except NoAddresses as error:
        raise HTTPException(409, "The exchange has no addresses that packets could carry.") from error
    headers = {"Content-Disposition": f'attachment; filename="hit-{hit_id}.pcap"'}
    return Response(capture, media_type="application/vnd.tcpdump.pcap", headers=headers)


def cell(value: Any) -> str:
    """Return *value* as the text of a CSV cell that no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat()
    text = "" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)
    is_number = isinstance(value, int | float)
    return f"'{text}" if not is_number and text.lstrip(" ").startswith(_FORMULA) else text


def _rows(database: Database, wanted: Query, order: Order) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = list_attacks(database, wanted, PAGE_LIMIT, cursor, order)
        known = known_sources(database, (row.last_source for row in page.rows))
        for row in page.rows:
            yield attack_fields(row, known)
        cursor = page.next_cursor
        if cursor is None:
            return


def _csv(attacks: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for fields in attacks:
        writer.writerow([cell(fields[name]) for name in _COLUMNS])
        if text.tell() > 64 * 1024:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return taken


def _json(attacks: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    before = b"["
    for fields in attacks:
        yield before + orjson.dumps({name: fields[name] for name in _COLUMNS})
        before = b",\n"
    yield b"[]" if before == b"[" else b"]"


def _file(chunks: Iterator[bytes], ending: str, media_type: str) -> StreamingResponse:
    name = f"attacks-{datetime.now(UTC):%Y%m%d-%H%M%S}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, media_type=media_type, headers=headers)
