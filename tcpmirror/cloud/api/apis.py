"""The inventory of APIs over HTTP: digests in; hosts, endpoints, changes, documents out; specifications and templates."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import Row

from tcpmirror.cloud.api.access import Calling, Problem, Shared, calling_node, only
from tcpmirror.cloud.api.digests import REFUSALS, DigestReceipt, bounded_body, receipt_of
from tcpmirror.cloud.api.files import Rows, counted_off, csv_file, json_file
from tcpmirror.cloud.apis import corrections, reading, specifications
from tcpmirror.cloud.apis.building import build_stale
from tcpmirror.cloud.apis.intake import take_digests
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service
from tcpmirror.discovery.record import decode_rows
from tcpmirror.discovery.specification import DOCUMENT_BYTES

_Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
_Host = Annotated[str, Query(max_length=200, description="The whole name, with its port.")]


class ApiHost(BaseModel):
    host: Annotated[str, Field(examples=["api.example"])]
    endpoints: int
    requests: int
    risk: Annotated[int, Field(ge=1, le=10, description="Of its riskiest endpoint.")]
    last_time: datetime


class ApiHostList(BaseModel):
    hosts: list[ApiHost]


class ApiEndpoint(BaseModel):
    """One endpoint: a method and a path template of a host, or an operation behind it."""

    id: Annotated[int, Field(examples=[17])]
    host: Annotated[str, Field(examples=["api.example"])]
    method: Annotated[str, Field(examples=["GET"])]
    path: Annotated[str, Field(examples=["/users/{user_id}"])]
    kind: Annotated[str, Field(examples=["rest"])]
    operation: Annotated[str, Field(description="Of GraphQL, SOAP, JSON-RPC, MCP.", examples=[""])]
    requests: int
    errors: Annotated[int, Field(description="Answers of 400 and above.")]
    first_time: datetime
    last_time: datetime
    risk: Annotated[int, Field(ge=1, le=10)]
    sensitive: Annotated[list[str], Field(examples=[["email"]])]
    auth_state: Annotated[str, Field(examples=["consistent"])]
    parameters: int
    states: Annotated[list[str], Field(description="new, changed, unused, shadow, zombie", examples=[["new"]])]


class ApiEndpointPage(BaseModel):
    endpoints: list[ApiEndpoint]
    total: int


class ApiParameter(BaseModel):
    side: Annotated[str, Field(examples=["request"])]
    location: Annotated[str, Field(examples=["query"])]
    name: Annotated[str, Field(description="Of nested ones a JSON pointer, `[]` for any element.", examples=["/tags/[]"])]
    required: bool
    type: Annotated[str, Field(examples=["int32"])]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    sensitive: list[str]
    count: int
    distinct: Annotated[int, Field(description="Estimate of how many different values there were.")]


class ApiEndpointDetail(ApiEndpoint):
    statuses: dict[str, int]
    latency_ms: dict[str, float]
    auth: dict[str, int]
    types: dict[str, int]
    factors: Annotated[list[str], Field(description="What the risk is made of.")]
    parameter_list: list[ApiParameter]


class ApiChange(BaseModel):
    id: int
    time: datetime
    host: str
    method: str
    path: str
    operation: str
    change: Annotated[str, Field(description="added, changed, unused, gone", examples=["changed"])]
    details: dict[str, Any]


class ApiChangeList(BaseModel):
    changes: list[ApiChange]


class ApiSpecification(BaseModel):
    id: int
    host: str
    name: str
    version: str
    operations: int
    time: datetime
    enforced: Annotated[bool, Field(description="Nodes compare requests to the host with it.")]


class ApiEnforcement(BaseModel):
    enforced: bool


class ApiSpecificationList(BaseModel):
    specifications: list[ApiSpecification]


class ApiRogue(BaseModel):
    """Operations as ``METHOD /path``."""

    shadow: Annotated[list[str], Field(description="In traffic, in no specification.", examples=[["GET /debug"]])]
    zombie: Annotated[list[str], Field(description="In traffic, in a former version of a specification only.")]
    orphan: Annotated[list[str], Field(description="In a specification, not in traffic.")]


class ApiTemplate(BaseModel):
    """A path template that the operator gave: ``/users/{id}``; what is not in braces is a name."""

    host: Annotated[str, Field(max_length=200, examples=["api.example"])]
    path: Annotated[str, Field(max_length=1000, examples=["/users/{id}"])]


class ApiTemplateRow(ApiTemplate):
    id: int
    time: datetime


class ApiTemplateList(BaseModel):
    templates: list[ApiTemplateRow]


nodes = APIRouter(prefix="/api/v1/inventory", tags=["Nodes"])
router = APIRouter(
    prefix="/api/v1/inventory",
    tags=["APIs"],
    dependencies=[only(Role.READ)],
    responses={401: {"model": Problem}, 403: {"model": Problem}},
)


@nodes.post("/digests", responses=REFUSALS)
async def digests(request: Request, service: Shared, node_id: Annotated[str, Depends(calling_node)]) -> DigestReceipt:
    """Take what a sensor learned about APIs; the answer comes after the commit. The same digest again changes nothing."""

    def take(body: bytes) -> bool:
        digest_id, rows = decode_rows(body)
        taken = take_digests(service.database, node_id, digest_id, rows, service.clock())
        build_stale(service.database, service.clock(), at_once=False)
        return taken

    return await receipt_of(request, take)


@router.get("/hosts")
def hosts(service: Shared) -> ApiHostList:
    """List the hosts that have endpoints, the most called first."""
    rows = reading.list_hosts(service.database, service.clock())
    return ApiHostList(hosts=[ApiHost(**(dict(row._mapping) | {"last_time": _time(row.last_ns)})) for row in rows])


def _wanted(
    host: _Host = "",
    path: Annotated[str, Query(max_length=200, description="Part of the path or the operation.")] = "",
    method: Annotated[str, Query(max_length=16)] = "",
    kind: Annotated[str, Query(pattern="^(rest|graphql|soap|grpc|jsonrpc|mcp|)$")] = "",
    state: Annotated[str, Query(pattern="^(new|changed|unused|shadow|zombie|)$")] = "",
    sensitive: Annotated[str, Query(max_length=20, description="A class, as `email`.")] = "",
    min_risk: Annotated[int, Query(ge=0, le=10)] = 0,
) -> reading.EndpointFilter:
    """Return which endpoints a call asks for."""
    return reading.EndpointFilter(host, path, method, kind, state, sensitive, min_risk)


_Wanted = Annotated[reading.EndpointFilter, Depends(_wanted)]


@router.get("/endpoints")
def endpoints(
    *,
    service: Shared,
    wanted: _Wanted,
    sort: Annotated[str, Query(pattern="^(last|risk|requests|path|errors)$")] = "last",
    limit: Annotated[int, Query(ge=1, le=reading.PAGE_LIMIT)] = 50,
    offset: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> ApiEndpointPage:
    """List endpoints."""
    now_ns = service.clock()
    page = reading.list_endpoints(service.database, wanted, now_ns, sort, limit, offset)
    return ApiEndpointPage(endpoints=[ApiEndpoint(**_endpoint(row, now_ns)) for row in page.rows], total=page.total)


_CSV_COLUMNS = (
    "host",
    "method",
    "path",
    "kind",
    "operation",
    "requests",
    "errors",
    "risk",
    "sensitive",
    "auth_state",
    "states",
)


@router.get("/endpoints.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
def endpoints_as_csv(service: Shared, wanted: _Wanted) -> StreamingResponse:
    """List all endpoints that match as CSV (RFC 4180). A cell that a spreadsheet would run begins with an apostrophe."""
    return csv_file("endpoints", _CSV_COLUMNS, _rows(service, wanted))


@router.get("/endpoints.json", response_class=StreamingResponse, responses={200: {"model": list[ApiEndpoint]}})
def endpoints_as_json(service: Shared, wanted: _Wanted) -> StreamingResponse:
    """List all endpoints that match as one JSON array."""
    return json_file("endpoints", tuple(ApiEndpoint.model_fields), _rows(service, wanted))


def _rows(service: Service, wanted: reading.EndpointFilter) -> Rows:
    now_ns = service.clock()

    def page_at(offset: int) -> list[dict[str, Any]]:
        page = reading.list_endpoints(service.database, wanted, now_ns, "path", reading.PAGE_LIMIT, offset)
        return [_endpoint(row, now_ns) for row in page.rows]

    return islice(counted_off(page_at, reading.PAGE_LIMIT), reading.EXPORT_LIMIT)


@router.get("/endpoints/{endpoint_id}", responses={404: {"model": Problem}})
def endpoint(endpoint_id: _Id, service: Shared) -> ApiEndpointDetail:
    """Show one endpoint with its parameters."""
    found = reading.endpoint_detail(service.database, endpoint_id)
    if found is None:
        raise HTTPException(404, "There is no such endpoint.")
    row, known = found
    return ApiEndpointDetail(
        **_endpoint(row, service.clock()),
        statuses=known.statuses,
        latency_ms=known.latency_ms,
        auth=known.auth,
        types=known.types,
        factors=list(known.factors),
        parameter_list=[ApiParameter(**dataclasses.asdict(each)) for each in known.parameters],
    )


@router.get("/changes")
def changes(
    service: Shared,
    host: _Host = "",
    limit: Annotated[int, Query(ge=1, le=reading.PAGE_LIMIT)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Only changes with a smaller id.")] = None,
) -> ApiChangeList:
    """List what changed, newest first."""
    rows = reading.list_changes(service.database, host, limit, before)
    return ApiChangeList(changes=[ApiChange(**(dict(row._mapping) | {"time": _time(row.time_ns)})) for row in rows])


@router.get(
    "/openapi",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}, 404: {"model": Problem}},
)
def openapi(service: Shared, host: _Host) -> Response:
    """Return what is known of the REST endpoints of a host as an OpenAPI 3.1 document."""
    found = reading.exported(service.database, host, service.clock())
    if found is None:
        raise HTTPException(404, "Nothing is known of this host.")
    return Response(orjson.dumps(found), media_type="application/json", headers=_attachment("openapi.json"))


@router.get("/specifications")
def list_specifications(service: Shared, host: _Host = "") -> ApiSpecificationList:
    """List the specifications that were given."""
    rows = specifications.list_specifications(service.database, host)
    return ApiSpecificationList(
        specifications=[ApiSpecification(**(dict(row._mapping) | {"time": _time(row.created_ns)})) for row in rows]
    )


@router.post(
    "/specifications",
    status_code=201,
    dependencies=[only(Role.ANALYST)],
    responses={400: {"model": Problem}, 413: {"model": Problem}},
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {}, "application/yaml": {}}}},
)
async def add_specification(
    request: Request,
    service: Shared,
    caller: Calling,
    host: _Host,
    name: Annotated[str, Query(max_length=200, description="The same name again is a newer version.")] = "",
) -> ApiSpecificationList:
    """Give an OpenAPI 2.0, 3.0 or 3.1 document of a host, to compare its traffic with."""
    raw = await bounded_body(request, DOCUMENT_BYTES)
    try:
        await asyncio.to_thread(
            specifications.add_specification, service.database, caller.actor, host.lower(), name, raw, service.clock()
        )
    except ValueError as error:
        raise HTTPException(400, str(error)[:300]) from error
    return await asyncio.to_thread(list_specifications, service, host.lower())


@router.patch(
    "/specifications/{specification_id}",
    status_code=204,
    dependencies=[only(Role.ADMIN)],
    responses={400: {"model": Problem}, 404: {"model": Problem}},
)
def enforce_specification(specification_id: _Id, wish: ApiEnforcement, service: Shared, caller: Calling) -> None:
    """Have nodes compare requests with a specification, in its newest version, or no longer."""
    try:
        found = specifications.enforce(service.database, caller.actor, specification_id, wish.enforced, service.clock())
    except ValueError as error:
        raise HTTPException(400, str(error)[:300]) from error
    if not found:
        raise HTTPException(404, "There is no such specification.")


@router.delete(
    "/specifications/{specification_id}",
    status_code=204,
    dependencies=[only(Role.ANALYST)],
    responses={404: {"model": Problem}},
)
def delete_specification(specification_id: _Id, service: Shared, caller: Calling) -> None:
    """Take a specification away."""
    if not specifications.delete_specification(service.database, caller.actor, specification_id, service.clock()):
        raise HTTPException(404, "There is no such specification.")


@router.get("/rogue", responses={404: {"model": Problem}})
def rogue(service: Shared, host: _Host) -> ApiRogue:
    """Compare the traffic of a host with its specifications: shadow, zombie and orphan operations."""
    found = reading.rogue_of(service.database, host, service.clock())
    if found is None:
        raise HTTPException(404, "There is no specification of this host.")
    return ApiRogue(shadow=_written(found.shadow), zombie=_written(found.zombie), orphan=_written(found.orphan))


@router.get("/templates")
def templates(service: Shared, host: _Host = "") -> ApiTemplateList:
    """List the templates that operators gave."""
    rows = corrections.list_corrections(service.database, host)
    return ApiTemplateList(
        templates=[
            ApiTemplateRow(id=row.id, host=row.host, path="/" + "/".join(row.template), time=_time(row.created_ns))
            for row in rows
        ]
    )


@router.post("/templates", status_code=201, dependencies=[only(Role.ANALYST)], responses={400: {"model": Problem}})
def add_template(wish: ApiTemplate, service: Shared, caller: Calling) -> ApiTemplateList:
    """Say how paths of a host are to be read; this goes before what statistics say."""
    try:
        corrections.add_correction(service.database, caller.actor, wish.host.lower(), wish.path, service.clock())
    except ValueError as error:
        raise HTTPException(400, str(error)[:300]) from error
    return templates(service, wish.host.lower())


@router.delete(
    "/templates/{template_id}", status_code=204, dependencies=[only(Role.ANALYST)], responses={404: {"model": Problem}}
)
def delete_template(template_id: _Id, service: Shared, caller: Calling) -> None:
    """Take a template away."""
    if not corrections.delete_correction(service.database, caller.actor, template_id, service.clock()):
        raise HTTPException(404, "There is no such template.")


def _endpoint(row: Row[Any], now_ns: int) -> dict[str, Any]:
    own = {name: value for name, value in row._mapping.items() if name in ApiEndpoint.model_fields}
    return own | {
        "first_time": _time(row.first_ns),
        "last_time": _time(row.last_ns),
        "sensitive": row.sensitive.split(),
        "states": reading.states_of(row, now_ns),
    }


def _written(operations: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
    return [f"{method} /{'/'.join(path)}" for method, path in operations]


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _time(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / 1e9, UTC)
