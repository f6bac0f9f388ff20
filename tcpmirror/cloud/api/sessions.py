"""Sessions over HTTP: digests of nodes in; lists, one session with its time line, and CSV out.

``GET /api/v1/sessions`` gives ``{"sessions": [SessionRow], "total": n}``; a row is one session on one day (UTC), its ``key``
is what ``GET /api/v1/sessions/{key}`` wants. That gives the row with counts by status, endpoint and attack type and
``events``: the newest requests and those with attacks, the newest first, up to 400. Texts out of traffic are as sent: escape
them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import Row

from tcpmirror.cloud.api.access import Problem, Shared, calling_node, only
from tcpmirror.cloud.api.digests import REFUSALS, DigestReceipt, receipt_of
from tcpmirror.cloud.api.fields import ns_of
from tcpmirror.cloud.api.files import Rows, counted_off, csv_file, json_file
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.sessions import reading
from tcpmirror.cloud.sessions.intake import key_of, take_digests
from tcpmirror.sessions.digest import Event, SessionDigest
from tcpmirror.sessions.record import decode_rows

_LISTS = ("types", "sources", "hosts", "users", "roles")
_Text = Annotated[str, Query(max_length=256)]


class SessionRow(BaseModel):
    """A session on one day. ``kind`` says where the value stands that names it; the value itself is not kept."""

    key: Annotated[str, Field(examples=["0123456789abcdef-20654"])]
    session: Annotated[str, Field(examples=["0123456789abcdef"])]
    kind: Annotated[str, Field(examples=["cookie PHPSESSID"])]
    first_time: datetime
    last_time: datetime
    requests: int
    errors: Annotated[int, Field(description="Answers of 400 and above.")]
    attacks: Annotated[int, Field(description="Findings in its requests.")]
    types: Annotated[list[str], Field(description="Of the attacks.", examples=[["sqli"]])]
    sources: Annotated[list[str], Field(description="Up to 8 addresses.", examples=[["203.0.113.9"]])]
    hosts: list[str]
    users: Annotated[list[str], Field(examples=[["bob@shop.example"]])]
    roles: list[str]


class SessionPage(BaseModel):
    sessions: list[SessionRow]
    total: int


class SessionEvent(BaseModel):
    time: datetime
    source: str
    method: str
    host: str
    path: Annotated[str, Field(description="Without the query.")]
    status: Annotated[int | None, Field(description="Null: no answer was seen.")]
    duration_ms: float | None
    bytes: Annotated[int, Field(description="Of the answer's body.")]
    attacks: Annotated[list[str], Field(description="Types of findings.")]


class SessionDetail(SessionRow):
    days: Annotated[list[str], Field(description="Keys of all days of this session, the newest first.")]
    request_bytes: int
    response_bytes: int
    agents: Annotated[list[str], Field(description="User agents.")]
    linked: Annotated[list[str], Field(description="Sessions whose token was handed out in this one.")]
    context: Annotated[list[str], Field(description="`name=value` of parameters that the operator named.")]
    statuses: Annotated[dict[str, int], Field(examples=[{"2xx": 17, "4xx": 3}])]
    endpoints: Annotated[dict[str, int], Field(examples=[{"GET shop.example/users/{}": 12}])]
    attack_types: Annotated[dict[str, int], Field(examples=[{"sqli": 2}])]
    events: list[SessionEvent]


nodes = APIRouter(prefix="/api/v1/sessions", tags=["Nodes"])
router = APIRouter(
    prefix="/api/v1/sessions",
    tags=["Sessions"],
    dependencies=[only(Role.READ)],
    responses={401: {"model": Problem}, 403: {"model": Problem}},
)


@nodes.post("/digests", responses=REFUSALS)
async def digests(request: Request, service: Shared, node_id: Annotated[str, Depends(calling_node)]) -> DigestReceipt:
    """Take what a sensor noted of sessions; the answer comes after the commit. The same digest again changes nothing."""

    def take(body: bytes) -> bool:
        digest_id, found = decode_rows(body)
        return take_digests(service.database, node_id, digest_id, found, service.clock())

    return await receipt_of(request, take)


def wanted_sessions(
    session: Annotated[str, Query(pattern="^[0-9a-f]{0,16}$")] = "",
    user: _Text = "",
    source: _Text = "",
    host: _Text = "",
    attack: Annotated[str, Query(pattern="^[a-z0-9_]{0,40}$", description="Attack type.")] = "",
    text: Annotated[str, Query(max_length=256, description="Part of a user, source, host or kind.")] = "",
    attacks_only: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> reading.SessionFilter:
    """Return which sessions are asked for; `user`, `source` and `host` are whole."""
    return reading.SessionFilter(
        session, user, source, host, attack, text, attacks_only, ns_of(since) or 0, ns_of(until) or 0
    )


_Wanted = Annotated[reading.SessionFilter, Depends(wanted_sessions)]
_Sort = Annotated[str, Query(pattern="^(last|first|requests|errors|attacks)$")]
_COLUMNS: Final = tuple(SessionRow.model_fields)


@router.get("")
def sessions(
    *,
    service: Shared,
    wanted: _Wanted,
    sort: _Sort = "last",
    limit: Annotated[int, Query(ge=1, le=reading.PAGE_LIMIT)] = 50,
    offset: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> SessionPage:
    """List sessions, of the last seven days."""
    page = reading.list_sessions(service.database, wanted, sort, limit, offset)
    return SessionPage(sessions=[SessionRow(**_row(row)) for row in page.rows], total=page.total)


@router.get(".csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
def sessions_as_csv(service: Shared, wanted: _Wanted, sort: _Sort = "last") -> StreamingResponse:
    """Give them as CSV (RFC 4180), up to 100,000. A cell that a spreadsheet would run begins with an apostrophe."""
    return csv_file("sessions", _COLUMNS, _rows(service, wanted, sort))


@router.get(".json", response_class=StreamingResponse, responses={200: {"model": list[SessionRow]}})
def sessions_as_json(service: Shared, wanted: _Wanted, sort: _Sort = "last") -> StreamingResponse:
    """Give them as one JSON array, up to 100,000."""
    return json_file("sessions", _COLUMNS, _rows(service, wanted, sort))


def _rows(service: Service, wanted: reading.SessionFilter, sort: str) -> Rows:
    def page_at(offset: int) -> list[dict[str, Any]]:
        page = reading.list_sessions(service.database, wanted, sort, reading.PAGE_LIMIT, offset)
        return [_row(row) for row in page.rows]

    return counted_off(page_at, reading.PAGE_LIMIT)


@router.get("/{key}", responses={404: {"model": Problem}})
def session(key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}-\d{1,6}$")], service: Shared) -> SessionDetail:
    """Read one session on one day, with its time line."""
    digest = _digest(service, key)
    return SessionDetail(**_detail(digest), days=list(reading.days_of(service.database, digest.id)))


@router.get(
    "/{key}/events.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}, 404: {"model": Problem}},
)
def events_as_csv(key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}-\d{1,6}$")], service: Shared) -> StreamingResponse:
    """Read the time line of a session as CSV (RFC 4180). A cell that a spreadsheet would calculate is quoted."""
    return csv_file(key, tuple(SessionEvent.model_fields), map(_event, _digest(service, key).time_line))


def _digest(service: Shared, key: str) -> SessionDigest:
    digest = reading.read_session(service.database, key)
    if digest is None:
        raise HTTPException(404, "There is no such session, or no more.")
    return digest


def _row(row: Row[Any]) -> dict[str, Any]:
    own = {name: value for name, value in row._mapping.items() if name in SessionRow.model_fields}
    own |= {name: own[name].strip("\n").split("\n") if own[name].strip("\n") else [] for name in _LISTS}
    return own | {"first_time": _time(row.first_ns), "last_time": _time(row.last_ns)}


def _detail(digest: SessionDigest) -> dict[str, Any]:
    plain = ("kind", "requests", "errors", "request_bytes", "response_bytes")
    found: dict[str, Any] = {name: getattr(digest, name) for name in plain}
    found |= {
        name: sorted(getattr(digest, name)) for name in ("sources", "hosts", "users", "roles", "agents", "linked", "context")
    }
    return found | {
        "key": key_of(digest.id, digest.day),
        "session": digest.id,
        "first_time": _time(digest.first_ns),
        "last_time": _time(digest.last_ns),
        "attacks": sum(digest.attacks.values()),
        "types": sorted(digest.attacks),
        "statuses": dict(digest.statuses),
        "endpoints": dict(digest.endpoints.most_common()),
        "attack_types": dict(digest.attacks),
        "events": [SessionEvent(**_event(event)) for event in digest.time_line],
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "time": _time(event.time_ns),
        "source": event.source,
        "method": event.method,
        "host": event.host,
        "path": event.path,
        "status": event.status if event.status >= 0 else None,
        "duration_ms": event.duration_us / 1000 if event.duration_us >= 0 else None,
        "bytes": event.bytes,
        "attacks": event.attacks.split(),
    }


def _time(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / 1e9, UTC)
