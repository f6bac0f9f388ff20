"""What was found as files: lists of attacks, and an exchange as a capture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response, StreamingResponse

from tcpmirror.cloud.api.access import Problem, Shared, only
from tcpmirror.cloud.api.fields import RowId
from tcpmirror.cloud.api.files import csv_file, json_file
from tcpmirror.cloud.api.queries import Attack, Search, Sort, attack_fields, order_of, understood
from tcpmirror.cloud.attacks import PAGE_LIMIT, Order, hit_detail, list_attacks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.marking import known_sources
from tcpmirror.cloud.exchange_pcap import NoAddresses, exchange_pcap
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.search.tree import Query

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
    return csv_file("attacks", _COLUMNS, rows)


@router.get("/attacks.json", response_class=StreamingResponse, responses={200: {"model": list[Attack]}})
def attacks_as_json(service: Shared, q: Search = "", sort: Sort = "-last") -> StreamingResponse:
    """Give all attacks of a search as one JSON array."""
    rows = _rows(service.database, understood(q, service), order_of(sort))
    return json_file("attacks", _COLUMNS, rows)


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
