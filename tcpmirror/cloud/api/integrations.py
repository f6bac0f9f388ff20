"""Integrations: where the cloud sends hits by itself."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from tcpmirror.cloud import integrations as store
from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Problem, Shared, only
from tcpmirror.cloud.api.asking import asked_of
from tcpmirror.cloud.api.fields import RowId
from tcpmirror.cloud.ignore_rules import NameTaken
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import INTEGRATIONS, Asked

_BAD: Final[dict[int | str, dict[str, Any]]] = {400: {"model": Problem, "description": "It cannot be sent there so."}}
_TAKEN: Final[dict[int | str, dict[str, Any]]] = {409: {"model": Problem, "description": "The name is taken."}}
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "There is no such integration."}}
_Type = Literal["webhook", "slack", "teams", "syslog", "elasticsearch", "splunk", "nats", "s3"]
_Words = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=64)]


class IntegrationWish(BaseModel):
    """As one of `sinks` in the settings of a node; see docs/sinks.md. ``url`` and ``token`` are never shown again."""

    name: Annotated[str, Field(max_length=63, examples=["siem"])]
    type: _Type
    url: Annotated[str, Field(max_length=2048, examples=["tls://siem.example:6514"])] = ""
    target: Annotated[str, Field(max_length=512, description="Index, subject or BUCKET/PREFIX.")] = ""
    format: Literal["json", "cef", "leef"] = "json"
    token: Annotated[str, Field(max_length=4096)] = ""
    types: Annotated[_Words, Field(description="Attack types; empty: all.", examples=[["sqli"]])] = []
    hosts: Annotated[_Words, Field(description="Globs; empty: all.", examples=[["*.shop.example"]])] = []
    confidence: Annotated[float, Field(ge=0, le=1, description="Findings from this confidence up.")] = 0.0
    verify_tls: bool = True


class IntegrationShown(BaseModel):
    id: int
    name: str
    type: str
    to: Annotated[str, Field(description="Without its path and credentials.", examples=["tls://siem.example"])]
    target: str
    format: str
    types: list[str]
    hosts: list[str]
    confidence: float
    sent: Annotated[int, Field(description="Hits so far.")]
    problem: Annotated[str, Field(description="Why the last delivery failed; empty: it did not.")]


class IntegrationList(BaseModel):
    integrations: list[IntegrationShown]


class IntegrationMade(BaseModel):
    id: int


router = APIRouter(
    prefix="/api/v1/integrations", tags=["Integrations"], dependencies=[only(Role.ADMIN)], responses=NEEDS_ROLE
)


@router.get("")
def integrations(service: Shared, asked: Annotated[Asked, asked_of(INTEGRATIONS)]) -> IntegrationList:
    """List where hits are sent."""
    rows = INTEGRATIONS.chosen(store.list_integrations(service.database), asked)
    return IntegrationList(integrations=[IntegrationShown(**store.shown(row)) for row in rows])


@router.post("", status_code=201, responses=_BAD | _TAKEN)
def new_integration(wish: IntegrationWish, service: Shared, caller: Calling) -> IntegrationMade:
    """Send the hits that are stored from now on to another place."""
    try:
        made = store.create_integration(service.database, given_of(wish.model_dump()), caller.actor, service.clock())
    except store.BadIntegration as error:
        raise HTTPException(400, str(error)) from error
    except NameTaken as error:
        raise HTTPException(409, f"name: {str(error)!r} is taken.") from error
    return IntegrationMade(id=made)


@router.delete("/{integration_id}", status_code=204, responses=_MISSING)
def end_integration(integration_id: RowId, service: Shared, caller: Calling) -> None:
    """Send nothing there any more."""
    if not store.remove_integration(service.database, integration_id, caller.actor, service.clock()):
        raise HTTPException(404, "There is no such integration.")


def given_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a sink that differ from what they are without being said."""
    usual = {"format": "json", "verify_tls": True, "confidence": 0.0}
    return {name: value for name, value in fields.items() if value not in ("", []) and value != usual.get(name)}
