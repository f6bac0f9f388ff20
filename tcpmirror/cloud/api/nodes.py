"""The sensors that report here, and how each does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from tcpmirror.cloud.api.access import NEEDS_ROLE, Shared, only
from tcpmirror.cloud.api.fields import time_of
from tcpmirror.cloud.api.files import Rows, csv_file, json_file
from tcpmirror.cloud.nodes import NODE_LIMIT, ORDERS, NodeFilter, node_health, page_of_nodes
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service


class NodeHealthShown(BaseModel):
    """What the last heartbeat says; null: it does not."""

    model_config = ConfigDict(from_attributes=True)

    is_live: Annotated[bool, Field(description="Heard of within the last two minutes.")]
    packets: Annotated[int | None, Field(description="Since the sensor's start, as all of these.", examples=[120345])]
    exchanges: Annotated[int | None, Field(examples=[3012])]
    drops: Annotated[int | None, Field(description="Packets and segments that were not analysed.", examples=[0])]
    coverage: Annotated[float | None, Field(description="Share of the segments that were.", examples=[1.0])]
    backlog: Annotated[int | None, Field(description="Reports in its spool that wait for us.", examples=[0])]
    rules_serial: Annotated[int | None, Field(description="Which of our rules it took.", examples=[12])]
    rules_problem: Annotated[str, Field(description="Why it took no newer ones.", examples=[""])]
    settings_serial: Annotated[int | None, Field(description="Which of our settings it took.", examples=[3])]
    settings_problem: Annotated[str, Field(description="Why it took no newer ones.", examples=[""])]


class NodeFacts(BaseModel):
    id: str
    name: str
    group: str
    version: str
    mode: str
    hostname: str
    registered_time: datetime
    last_seen_time: datetime


class Node(NodeFacts):
    health: NodeHealthShown
    stats: Annotated[dict[str, Any], Field(description="All of the last heartbeat.", examples=[{"capture_packets": 120345}])]


class NodeList(BaseModel):
    nodes: list[Node]


class NodeRow(NodeHealthShown, NodeFacts):
    """A node and how it does, as one row."""


_COLUMNS: Final = tuple(NodeRow.model_fields)

router = APIRouter(prefix="/api/v1", tags=["Nodes"], dependencies=[only(Role.READ)], responses=NEEDS_ROLE)


def wanted_nodes(
    text: Annotated[str, Query(max_length=200, description="Part of a name, group, host, version or mode.")] = "",
    sort: Annotated[str, Query(json_schema_extra={"enum": list(ORDERS)})] = "last",
) -> NodeFilter:
    """Return which nodes are asked for; 422: there is no such order."""
    if sort not in ORDERS:
        raise HTTPException(422, f"sort: {sort[:40]!r} is none; accepted: {', '.join(ORDERS)}")
    return NodeFilter(text, sort)


WantedNodes = Annotated[NodeFilter, Depends(wanted_nodes)]


@router.get("/nodes")
def nodes(service: Shared, wanted: WantedNodes) -> NodeList:
    """List the nodes, the one heard of last first."""
    return NodeList(nodes=_nodes(service, wanted))


@router.get("/nodes.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
def nodes_as_csv(service: Shared, wanted: WantedNodes) -> StreamingResponse:
    """Give the nodes as CSV (RFC 4180)."""
    return csv_file("nodes", _COLUMNS, _rows(service, wanted))


@router.get("/nodes.json", response_class=StreamingResponse, responses={200: {"model": list[NodeRow]}})
def nodes_as_json(service: Shared, wanted: WantedNodes) -> StreamingResponse:
    """Give the nodes as one JSON array."""
    return json_file("nodes", _COLUMNS, _rows(service, wanted))


def _rows(service: Service, wanted: NodeFilter) -> Rows:
    for node in _nodes(service, wanted):
        fields = node.model_dump()
        yield fields | fields["health"]


def _nodes(service: Service, wanted: NodeFilter) -> list[Node]:
    now_ns = service.clock()
    return [_node(row, now_ns) for row in page_of_nodes(service.database, wanted, NODE_LIMIT).rows]


def _node(row: Row[Any], now_ns: int) -> Node:
    return Node(
        id=row.id,
        name=row.name,
        group=row.group_name,
        version=row.version,
        mode=row.mode,
        hostname=row.hostname,
        registered_time=time_of(row.registered_ns),
        last_seen_time=time_of(row.last_seen_ns),
        health=NodeHealthShown.model_validate(node_health(row, now_ns)),
        stats=row.stats,
    )
