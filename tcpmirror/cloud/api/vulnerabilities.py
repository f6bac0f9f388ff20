"""Vulnerabilities over HTTP: records of sensors in; lists and details out, and what people say of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import Row

from tcpmirror.cloud import vulnerabilities as store
from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Problem, Shared, calling_node, only
from tcpmirror.cloud.api.digests import DIGEST_BYTES, bounded_body
from tcpmirror.cloud.api.fields import RowId, optional_time_of, time_of
from tcpmirror.cloud.api.files import Rows, counted_off, csv_file, json_file
from tcpmirror.cloud.batch import BatchTooLarge, MalformedBatch, decoded_body
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service
from tcpmirror.vulns.catalog import KINDS, SEVERITIES, TYPES
from tcpmirror.vulns.weakness import decode_weaknesses

_SEVERITY = f"^({'|'.join(SEVERITIES)}|)$"


class WeaknessReceipt(BaseModel):
    taken: Annotated[bool, Field(description="False: this record was taken before.")]


class VulnerabilityShown(BaseModel):
    """A weakness or vulnerability that traffic shows, at one endpoint or host."""

    id: Annotated[int, Field(examples=[7])]
    kind: Annotated[str, Field(examples=["secret-in-url"])]
    type: Annotated[str, Field(examples=["infoleak"])]
    title: Annotated[str, Field(examples=["A secret in an address"])]
    severity: Annotated[str, Field(description=", ".join(SEVERITIES), examples=["medium"])]
    status: store.VulnerabilityStatus
    host: Annotated[str, Field(examples=["api.example"])]
    method: Annotated[str, Field(description="Empty: of the whole host.", examples=["GET"])]
    path: Annotated[str, Field(examples=["/orders/{}"])]
    subject: Annotated[str, Field(description="The parameter, cookie, product or rule it is about.", examples=["token"])]
    count: Annotated[int, Field(description="Exchanges that showed it, of those looked at.")]
    first_time: datetime
    last_time: datetime
    judged_time: datetime | None
    judged_by: str
    comment: str


_FIRST: Final = ("id", "severity", "status")  # of the columns of a file
_COLUMNS: Final = (*_FIRST, *(name for name in VulnerabilityShown.model_fields if name not in _FIRST))


class VulnerabilityDetail(VulnerabilityShown):
    cwe: Annotated[list[int], Field(examples=[[598]])]
    risk: str
    remediation: str
    evidence: Annotated[str, Field(description="What of the first exchange shows it; text out of traffic as it was sent.")]
    evidence_time: datetime
    client: Annotated[str, Field(examples=["192.0.2.7:40112"])]
    server: Annotated[str, Field(examples=["198.51.100.2:443"])]
    response_status: Annotated[int | None, Field(examples=[200])]
    marks: Annotated[list[str], Field(description="Different signs, where a kind needs more than one.")]


class VulnerabilityList(BaseModel):
    vulnerabilities: list[VulnerabilityShown]
    total: int
    open: Annotated[dict[str, int], Field(description="Open ones by severity.", examples=[{"high": 2}])]


class VulnerabilityJudgement(BaseModel):
    status: store.VulnerabilityStatus
    comment: Annotated[str, Field(max_length=store.COMMENT_LIMIT, examples=["Mended in 2.4."])] = ""


nodes = APIRouter(prefix="/api/v1/vulnerabilities", tags=["Nodes"])
router = APIRouter(prefix="/api/v1/vulnerabilities", tags=["Vulnerabilities"], responses=NEEDS_ROLE)
_MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is no such vulnerability."}}


@nodes.post("/records", responses={400: {"model": Problem}, 401: {"model": Problem}, 413: {"model": Problem}})
async def records(request: Request, service: Shared, node_id: Annotated[str, Depends(calling_node)]) -> WeaknessReceipt:
    """Take weaknesses that a sensor found; the answer comes after the commit. The same record again changes nothing."""
    raw = await bounded_body(request, DIGEST_BYTES)

    def take() -> bool:
        given = decoded_body(raw, request.headers.get("content-encoding", ""), DIGEST_BYTES)
        return store.take_weaknesses(service.database, node_id, *decode_weaknesses(given), service.clock())

    try:
        return WeaknessReceipt(taken=await asyncio.to_thread(take))
    except BatchTooLarge as error:
        raise HTTPException(413, f"A record has at most {DIGEST_BYTES} bytes, compressed and decoded.") from error
    except (MalformedBatch, ValueError) as error:
        raise HTTPException(400, str(error)[:300]) from error


def wanted_vulnerabilities(
    status: Annotated[str, Query(pattern="^(open|closed|false_positive|)$")] = "",
    of_type: Annotated[str, Query(alias="type", pattern=f"^({'|'.join(TYPES)}|)$")] = "",
    kind: Annotated[str, Query(pattern=f"^({'|'.join(KINDS)}|)$")] = "",
    host: Annotated[str, Query(max_length=200, description="The whole name, with its port.")] = "",
    severity: Annotated[str, Query(pattern=_SEVERITY)] = "",
    text: Annotated[str, Query(max_length=200, description="Part of the path or the subject.")] = "",
) -> store.VulnerabilityFilter:
    """Return which ones are asked for."""
    return store.VulnerabilityFilter(status, of_type, kind, host, severity, text)


_Wanted = Annotated[store.VulnerabilityFilter, Depends(wanted_vulnerabilities)]
_Sort = Annotated[str, Query(pattern="^(severity|last|first|count)$")]


@router.get("", dependencies=[only(Role.READ)])
def vulnerabilities(
    *,
    service: Shared,
    wanted: _Wanted,
    sort: _Sort = "severity",
    limit: Annotated[int, Query(ge=1, le=store.PAGE_LIMIT)] = 50,
    offset: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> VulnerabilityList:
    """List vulnerabilities, the gravest first."""
    page = store.list_vulnerabilities(service.database, wanted, sort, limit, offset)
    return VulnerabilityList(
        vulnerabilities=[VulnerabilityShown(**_shown(row)) for row in page.rows],
        total=page.total,
        open=store.count_vulnerabilities(service.database),
    )


@router.get(
    ".csv",
    dependencies=[only(Role.READ)],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}},
)
def vulnerabilities_as_csv(service: Shared, wanted: _Wanted, sort: _Sort = "severity") -> StreamingResponse:
    """Give them as CSV (RFC 4180), up to 100,000. A cell that a spreadsheet would run begins with an apostrophe."""
    return csv_file("vulnerabilities", _COLUMNS, _rows(service, wanted, sort))


@router.get(
    ".json",
    dependencies=[only(Role.READ)],
    response_class=StreamingResponse,
    responses={200: {"model": list[VulnerabilityShown]}},
)
def vulnerabilities_as_json(service: Shared, wanted: _Wanted, sort: _Sort = "severity") -> StreamingResponse:
    """Give them as one JSON array, up to 100,000."""
    return json_file("vulnerabilities", _COLUMNS, _rows(service, wanted, sort))


def _rows(service: Service, wanted: store.VulnerabilityFilter, sort: str) -> Rows:
    def page_at(offset: int) -> list[dict[str, Any]]:
        page = store.list_vulnerabilities(service.database, wanted, sort, store.PAGE_LIMIT, offset)
        return [_shown(row) for row in page.rows]

    return counted_off(page_at, store.PAGE_LIMIT)


@router.get("/{vulnerability_id}", dependencies=[only(Role.READ)], responses=_MISSING)
def one(vulnerability_id: RowId, service: Shared) -> VulnerabilityDetail:
    """Show one with its evidence, its risk and what to do."""
    row = store.vulnerability(service.database, vulnerability_id)
    if row is None or not row.is_proven:
        raise HTTPException(404, "There is no such vulnerability.")
    kind = KINDS[row.kind]
    time_ns, text, client, server, status = row.weakness["sample"]
    return VulnerabilityDetail(
        **_shown(row),
        cwe=list(kind.cwe),
        risk=kind.risk,
        remediation=kind.remediation,
        evidence=text,
        evidence_time=time_of(time_ns),
        client=client,
        server=server,
        response_status=status or None,
        marks=row.weakness["marks"],
    )


@router.patch("/{vulnerability_id}", status_code=204, dependencies=[only(Role.ANALYST)], responses=_MISSING)
def judge(vulnerability_id: RowId, wish: VulnerabilityJudgement, service: Shared, caller: Calling) -> None:
    """Change the status of one. A closed one that is seen again is open again; a false positive stays that."""
    now_ns = service.clock()
    if not store.judge_vulnerability(service.database, vulnerability_id, wish.status, wish.comment, caller.actor, now_ns):
        raise HTTPException(404, "There is no such vulnerability.")


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "type": row.type,
        "title": KINDS[row.kind].title,
        "severity": SEVERITIES[row.severity],
        "status": row.status,
        "host": row.host,
        "method": row.method,
        "path": row.path,
        "subject": row.subject,
        "count": row.count,
        "first_time": time_of(row.first_ns),
        "last_time": time_of(row.last_ns),
        "judged_time": optional_time_of(row.judged_ns or None),
        "judged_by": row.judged_by,
        "comment": row.comment,
    }
