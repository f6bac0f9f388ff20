"""What people and scripts ask: attacks, hits, nodes, sums."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field
from sqlalchemy import Row

from tcpmirror.cloud.api.access import Problem, Shared, only
from tcpmirror.cloud.attacks import (
    ORDERS,
    PAGE_LIMIT,
    BadCursor,
    Facet,
    Order,
    attack_detail,
    hit_detail,
    list_attacks,
    list_hits,
    summary,
)
from tcpmirror.cloud.enrichment.marking import known_sources
from tcpmirror.cloud.enrichment.source import kinds_of
from tcpmirror.cloud.judgement import Status
from tcpmirror.cloud.nodes import count_nodes
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.search.grammar import LENGTH_LIMIT, SearchError
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.search.tree import Query as Expression
from tcpmirror.cloud.service import Service
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.finding import SEVERITIES
from tcpmirror.model.point import point_text

_DAY_NS = 86_400 * 1_000_000_000
_Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
_Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Rows at most.")]
_Cursor = Annotated[str | None, Query(max_length=12_000, description="`next_cursor` of the page before.")]
Search = Annotated[
    str,
    Query(
        max_length=LENGTH_LIMIT,
        description="A search, as `sqli last 24h ip:10.0.0.0/8 statuscode:5xx !domain:test.*`; empty: all.",
        examples=["sqli last 24h statuscode:5xx"],
    ),
]
Sort = Annotated[str, Query(json_schema_extra={"enum": list(ORDERS)}, description="Column; a minus sorts downwards.")]


def order_of(sort: str) -> Order:
    """Return the order named *sort*; 422 if there is none."""
    if sort not in ORDERS:
        raise HTTPException(422, f"sort: {sort[:40]!r} is none; accepted: {', '.join(ORDERS)}")
    return ORDERS[sort]


def understood(q: str, service: Service) -> Expression:
    """Return what the search *q* asks for; 400 with the word, its place and what is accepted if that is unclear."""
    try:
        return parse(q, service.clock())
    except SearchError as error:
        raise HTTPException(400, f"q: {error}") from error


class Sourced(BaseModel):
    """What is known of the (last) source; empty or 0 where nothing is."""

    source_country: Annotated[str, Field(description="Two letters (ISO 3166-1).", examples=["NL"])] = ""
    source_network: Annotated[int, Field(description="Number of its network (ASN).", examples=[64500])] = 0
    source_network_name: Annotated[str, Field(examples=["Example Networks"])] = ""
    source_kinds: Annotated[list[str], Field(examples=[["datacenter", "tor"]])] = []
    source_list: Annotated[str, Field(description="Which list of ours it is on: allow, deny, gray.", examples=["deny"])] = ""


class Attack(Sourced):
    """Hits of the same type, parameter and target, none more than an hour from the rest. Text is as it was sent."""

    id: Annotated[int, Field(examples=[17])]
    type: Annotated[str, Field(examples=["sqli"])]
    type_name: Annotated[str, Field(examples=["SQL injection"])]
    cwe: Annotated[list[int], Field(examples=[[89]])]
    point: Annotated[list[str], Field(examples=[["get", "id"]])]
    point_text: Annotated[str, Field(examples=["[get][id]"])]
    parameter: Annotated[str, Field(examples=["id"])]
    host: Annotated[str, Field(examples=["shop.example"])]
    path: Annotated[str, Field(description="Of the newest hit.", examples=["/items"])]
    method: Annotated[str | None, Field(examples=["GET"])]
    server: Annotated[str, Field(examples=["10.0.0.5:80"])]
    first_time: datetime
    last_time: datetime
    hits: Annotated[int, Field(examples=[12])]
    counted: Annotated[int, Field(description="Of these: identical to others, counted and not stored.", examples=[0])]
    payloads: Annotated[int, Field(description="Different payloads (20,000: or more).", examples=[3])]
    sources: Annotated[int, Field(description="Different source addresses (20,000: or more).", examples=[1])]
    last_source: Annotated[str, Field(examples=["203.0.113.9"])]
    last_payload: Annotated[str, Field(examples=["1' OR '1'='1"])]
    last_status: Annotated[int | None, Field(description="Null: no response was seen.", examples=[200])]
    confidence: Annotated[float, Field(description="Highest of its hits.", examples=[0.95])]
    severity: Annotated[str, Field(description="The worst of its hits; empty: nobody judged any.", examples=["high"])]
    evidence_hits: Annotated[int, Field(description="Hits that worked, as the response shows: more than 0 is an incident.")]
    evidence: Annotated[str, Field(description="Of the newest of these.", examples=["root:x:0:0:root:/root:/bin/sh"])]
    status: Annotated[Status, Field(examples=["open"])]
    assignee: Annotated[str, Field(description='An account; "" is nobody.', examples=["maria"])]


class Count(BaseModel):
    value: Annotated[str, Field(examples=["203.0.113.9"])]
    hits: Annotated[int, Field(examples=[12])]


class AttackWithCounts(Attack):
    """An attack with the ten sources, payloads and response codes that most of its hits had ("" is no response)."""

    top_sources: list[Count]
    top_payloads: list[Count]
    statuses: list[Count]


class AttackPage(BaseModel):
    attacks: list[Attack]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class Hit(Sourced):
    """One attack type in one exchange."""

    id: Annotated[int, Field(examples=[4021])]
    attack_id: Annotated[int, Field(examples=[17])]
    request_id: Annotated[str, Field(examples=["9f0c5a1be2d34f6a8b7c6d5e4f3a2b1c"])]
    node_id: str
    time: datetime
    type: Annotated[str, Field(examples=["sqli"])]
    point: Annotated[list[str], Field(examples=[["get", "id"]])]
    payloads: Annotated[list[str], Field(examples=[["1' OR '1'='1"]])]
    rule: Annotated[str, Field(examples=["sqli.tautology"])]
    confidence: Annotated[float, Field(examples=[0.95])]
    grade: Annotated[str, Field(description="injection or command; empty: the type knows neither.", examples=["injection"])]
    severity: Annotated[str, Field(examples=["high"])]
    evidence: Annotated[str, Field(description="What in the response shows that it worked.")]
    source: Annotated[str, Field(description="The client's address after trusted proxy headers.", examples=["203.0.113.9"])]
    client: Annotated[str, Field(examples=["10.0.0.1:51544"])]
    server: Annotated[str, Field(examples=["10.0.0.5:80"])]
    method: str | None
    host: str | None
    uri: str | None
    status: int | None


class HitPage(BaseModel):
    hits: list[Hit]
    next_cursor: str | None


class HitFinding(BaseModel):
    type: str
    point: list[str]
    payload: str
    rule: str
    confidence: float
    grade: str = ""
    severity: str = ""


class HitWithExchange(Hit):
    """A hit with the exchange it was found in: head and decoded body of both messages as kept, in Base64."""

    duration_ms: float | None
    encapsulation: str
    protocol: str
    request_bytes: int
    response_bytes: int
    application: int
    anomalies: list[str]
    findings: list[HitFinding]
    request_b64: str
    response_b64: str


class Sums(BaseModel):
    """Sums over the attacks that had a hit since `since`."""

    since: datetime
    attacks: int
    hits: int
    by_type: list[Count]
    top_hosts: list[Count]
    top_sources: list[Count]
    quarantined_reports: int
    nodes: int


router = APIRouter(
    prefix="/api/v1",
    tags=["Findings"],
    dependencies=[only(Role.READ)],
    responses={401: {"model": Problem}, 403: {"model": Problem}},
)


@router.get("/attacks", responses={400: {"model": Problem}})
def attacks(
    *,
    service: Shared,
    q: Search = "",
    sort: Sort = "-last",
    limit: _Limit = 50,
    cursor: _Cursor = None,
) -> AttackPage:
    """List attacks, the one with the newest hit first unless `sort` says otherwise."""
    wanted = understood(q, service)
    try:
        page = list_attacks(service.database, wanted, limit, cursor, order_of(sort))
    except BadCursor as error:
        raise HTTPException(400, "cursor: not one that this service gave for this sort.") from error
    known = known_sources(service.database, (row.last_source for row in page.rows))
    return AttackPage(attacks=[Attack(**attack_fields(row, known)) for row in page.rows], next_cursor=page.next_cursor)


@router.get("/attacks/{attack_id}", responses={404: {"model": Problem}})
def attack(attack_id: _Id, service: Shared) -> AttackWithCounts:
    """Show one attack."""
    detail = attack_detail(service.database, attack_id)
    if detail is None:
        raise HTTPException(404, "There is no such attack.")
    return AttackWithCounts(
        **attack_fields(detail.row, known_sources(service.database, [detail.row.last_source])),
        top_sources=_counts(detail.sources),
        top_payloads=_counts(detail.payloads),
        statuses=_counts(detail.statuses),
    )


@router.get("/attacks/{attack_id}/hits", responses={400: {"model": Problem}})
def hits_of_attack(attack_id: _Id, service: Shared, limit: _Limit = 50, cursor: _Cursor = None) -> HitPage:
    """List the hits of an attack, newest first."""
    try:
        page = list_hits(service.database, attack_id, limit, cursor)
    except BadCursor as error:
        raise HTTPException(400, "cursor: not one that this service gave.") from error
    known = known_sources(service.database, (row.real_ip for row in page.rows))
    return HitPage(hits=[Hit(**_hit(row, known)) for row in page.rows], next_cursor=page.next_cursor)


@router.get("/hits/{hit_id}", responses={404: {"model": Problem}})
def hit(hit_id: _Id, service: Shared) -> HitWithExchange:
    """Show one hit with its exchange."""
    row = hit_detail(service.database, hit_id)
    if row is None:
        raise HTTPException(404, "There is no such hit.")
    return HitWithExchange(
        **_hit(row, known_sources(service.database, [row.real_ip])),
        duration_ms=None if row.duration_ns is None else row.duration_ns / 1e6,
        encapsulation=row.encapsulation,
        protocol=row.protocol,
        request_bytes=row.request_bytes,
        response_bytes=row.response_bytes,
        application=row.application,
        anomalies=row.anomalies,
        findings=row.findings,
        request_b64=base64.b64encode(row.request).decode(),
        response_b64=base64.b64encode(row.response).decode(),
    )


@router.get("/summary")
def sums(service: Shared, since: Annotated[datetime | None, Query(description="Default: 24 hours ago.")] = None) -> Sums:
    """Sum up what was found.

    `top_sources` goes by all hits of a source where `since` is before every attack, else by the last source of each attack.
    """
    start_ns = _ns(since)
    found = summary(service.database, service.clock() - _DAY_NS if start_ns is None else start_ns)
    return Sums(
        since=_time(found.since_ns),
        attacks=found.attacks,
        hits=found.hits,
        by_type=_counts(found.by_type),
        top_hosts=_counts(found.top_hosts),
        top_sources=_counts(found.top_sources),
        quarantined_reports=found.quarantined,
        nodes=count_nodes(service.database),
    )


def _ns(time: datetime | None) -> int | None:
    if time is None:
        return None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return min(max(int(aware.timestamp() * 1_000_000) * 1000, 0), 2**63 - 1)


def _time(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / 1e9, UTC)


def _counts(found: tuple[Facet, ...]) -> list[Count]:
    return [Count(value=facet.value, hits=facet.hits) for facet in found]


def attack_fields(row: Row[Any], known: Mapping[str, Row[Any]]) -> dict[str, Any]:
    """Return the fields of `Attack`; *known*: what is known of sources, by address."""
    _, name, cwe = ATTACK_TYPES.get(row.type, (0, row.type, ()))
    own = {name: value for name, value in row._mapping.items() if name in Attack.model_fields}
    return (
        own
        | _about(known.get(row.last_source))
        | {
            "type_name": name,
            "cwe": list(cwe),
            "point_text": point_text(tuple(row.point)),
            "first_time": _time(row.first_ns),
            "last_time": _time(row.last_ns),
            "severity": severity_name(row.severity),
        }
    )


def severity_name(level: int) -> str:
    """Return the severity that is stored as *level*; 0: nobody judged it."""
    return SEVERITIES[level - 1] if level else ""


def _about(source: Row[Any] | None) -> dict[str, Any]:
    if source is None:
        return {name: field.default for name, field in Sourced.model_fields.items()}
    return {
        "source_country": source.country,
        "source_network": source.network,
        "source_network_name": source.network_name,
        "source_kinds": list(kinds_of(source.kinds)),
        "source_list": source.mark,
    }


def _hit(row: Row[Any], known: Mapping[str, Row[Any]]) -> dict[str, Any]:
    own = {name: value for name, value in row._mapping.items() if name in Hit.model_fields}
    return (
        own
        | _about(known.get(row.real_ip))
        | {"request_id": row.report_id, "time": _time(row.time_ns), "source": row.real_ip}
        | {"severity": severity_name(row.severity)}
    )
