"""Records that nodes sent and that could not be read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from tcpmirror.cloud.api.access import NEEDS_ROLE, Shared, only
from tcpmirror.cloud.api.fields import time_of
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.schema import quarantine


class RefusedRecord(BaseModel):
    id: Annotated[int, Field(examples=[3])]
    node_id: Annotated[str, Field(examples=["5f0c5a1be2d34f6a8b7c6d5e4f3a2b1c"])]
    batch_id: Annotated[str, Field(examples=["b-00000042-0017"])]
    index: Annotated[int, Field(description="Place in the batch, from 0.", examples=[3])]
    reason: Annotated[str, Field(examples=["status: Input should be a valid integer"])]
    record: Annotated[str, Field(description="The start of it, as JSON.", examples=['{"id":5}'])]
    received_time: datetime


class Quarantine(BaseModel):
    records: list[RefusedRecord]
    next_before: Annotated[int | None, Field(description="`before` of the next page. Null on the last one.")]


router = APIRouter(prefix="/api/v1", tags=["Nodes"], dependencies=[only(Role.READ)], responses=NEEDS_ROLE)


@router.get("/quarantine")
def refused_records(
    service: Shared,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next_before` of the page before.")] = None,
) -> Quarantine:
    """List the records that could not be read, the newest first; the newest 10,000 are kept."""
    statement = select(quarantine).order_by(quarantine.c.id.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(quarantine.c.id < before)
    with service.database.reading() as connection:
        rows = connection.execute(statement).all()
    records = [
        RefusedRecord(
            id=row.id, node_id=row.node_id, batch_id=row.batch_id, index=row.position,
            reason=row.reason, record=row.record, received_time=time_of(row.received_ns),
        )
        for row in rows[:limit]
    ]  # fmt: skip
    return Quarantine(records=records, next_before=records[-1].id if len(rows) > limit else None)
