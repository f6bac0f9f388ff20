"""Behaviour over HTTP: counters of nodes in. What they come to is among the attacks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from tcpmirror.behavior.record import decode_rows
from tcpmirror.cloud.api.access import Shared, calling_node
from tcpmirror.cloud.api.digests import REFUSALS, DigestReceipt, receipt_of
from tcpmirror.cloud.behavior.intake import take_counters

nodes = APIRouter(prefix="/api/v1/behavior", tags=["Nodes"])


@nodes.post("/digests", responses=REFUSALS)
async def digests(request: Request, service: Shared, node_id: Annotated[str, Depends(calling_node)]) -> DigestReceipt:
    """Take what a sensor counted; the answer comes after the commit. The same digest again changes nothing.

    Counters of all sensors are merged: an attack of which each sees its part is one attack.
    """

    def take(body: bytes) -> bool:
        digest_id, counters = decode_rows(body)
        return take_counters(service.database, node_id, digest_id, counters, service.clock(), service.book)

    return await receipt_of(request, take)
