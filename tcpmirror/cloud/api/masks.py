"""Masks over HTTP: which values nodes overwrite before anything is queued, logged or stored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from tcpmirror.cloud import masks as store
from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Problem, Shared, only
from tcpmirror.cloud.api.asking import asked_of
from tcpmirror.cloud.api.fields import ConditionEntry, RowId, time_of
from tcpmirror.cloud.ignore_rules import BadEntry, NameTaken
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import MASKS, Asked

_BAD: Final[dict[int | str, dict[str, Any]]] = {400: {"model": Problem, "description": "A node would refuse the mask."}}
_TAKEN: Final[dict[int | str, dict[str, Any]]] = {409: {"model": Problem, "description": "The name is taken."}}
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "There is no such mask."}}


class MaskEntry(BaseModel):
    """Which values are overwritten: one of point, parameter, pattern and classes is needed. As `inspection.mask`."""

    name: Annotated[str, Field(max_length=64, examples=["pins"])]
    host: Annotated[str, Field(max_length=512, description="A glob.", examples=["*.shop.example"])] = ""
    path: Annotated[str, Field(max_length=2048, description="A glob, or `~` and an expression.")] = ""
    where: Annotated[list[ConditionEntry], Field(max_length=16)] = []
    point: Annotated[str, Field(max_length=2048, description="There or below.", examples=["post.json_doc.hash.pin"])] = ""
    parameter: Annotated[str, Field(max_length=512, description="A glob, or `~` and an expression.")] = ""
    pattern: Annotated[str, Field(max_length=2048, description="Of each value, what this finds.")] = ""
    classes: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=32, examples=[["financial"]])] = []


class MaskWish(BaseModel):
    entry: MaskEntry
    reason: Annotated[str, Field(max_length=1000, examples=["Article 32."])] = ""


class MaskShown(BaseModel):
    id: int
    entry: MaskEntry
    reason: str
    created_time: datetime
    created_by: Annotated[str, Field(examples=["maria"])]


class MaskList(BaseModel):
    masks: list[MaskShown]


router = APIRouter(prefix="/api/v1/masks", tags=["Rules"], responses=NEEDS_ROLE)


@router.get("", dependencies=[only(Role.READ)])
def masks(service: Shared, asked: Annotated[Asked, asked_of(MASKS)]) -> MaskList:
    """List what nodes are told to mask, the newest first unless `sort` says otherwise."""
    return MaskList(
        masks=[
            MaskShown(
                id=row.id,
                entry=MaskEntry.model_validate(row.entry),
                reason=row.reason,
                created_time=time_of(row.created_ns),
                created_by=row.created_by,
            )
            for row in MASKS.chosen(store.list_masks(service.database), asked)
        ]
    )


@router.post("", status_code=201, dependencies=[only(Role.ADMIN)], responses=_BAD | _TAKEN)
def new_mask(wish: MaskWish, service: Shared, caller: Calling) -> MaskShown:
    """Have nodes mask values from now on; what was stored before stays as it is."""
    now_ns = service.clock()
    try:
        made = store.create_mask(service.database, wish.entry.model_dump(), wish.reason, caller.actor, now_ns)
    except BadEntry as error:
        raise HTTPException(400, str(error)) from error
    except NameTaken as error:
        raise HTTPException(409, f"name: {str(error)!r} is taken.") from error
    return MaskShown(
        id=made, entry=wish.entry, reason=wish.reason, created_time=time_of(now_ns), created_by=caller.actor.name
    )


@router.delete("/{mask_id}", status_code=204, dependencies=[only(Role.ADMIN)], responses=_MISSING)
def end_mask(mask_id: RowId, service: Shared, caller: Calling) -> None:
    """Take a mask from the nodes."""
    if not store.remove_mask(service.database, mask_id, caller.actor, service.clock()):
        raise HTTPException(404, "There is no such mask.")
