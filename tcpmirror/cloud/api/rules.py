"""What nodes are given: names, groups, rule packs, and the signed document in which they fetch these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Response
from fastapi import Path as UrlPath
from pydantic import BaseModel, Field

from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Problem, Shared, calling_node, only
from tcpmirror.cloud.api.asking import asked_of
from tcpmirror.cloud.api.fields import time_of
from tcpmirror.cloud.nodes import change_node, remove_node
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.served_rules import PACK_LIMIT, BadPack, keep_pack, list_packs, public_key, remove_pack, signed_rules
from tcpmirror.cloud.short_lists import PACKS, Asked

_PackName = Annotated[str, UrlPath(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", examples=["shop"])]
_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "There is no such pack."}}
_BAD: Final[dict[int | str, dict[str, Any]]] = {400: {"model": Problem, "description": "A node would refuse the pack."}}
_NodeId = Annotated[str, UrlPath(pattern=r"^[0-9a-f]{32}$", examples=["5f0c5a1be2d34f6a8b7c6d5e4f3a2b1c"])]
_NO_NODE: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "There is no such node."}}
_EXAMPLE: Final = """type: vpatch
rules:
  - id: own-legacy-export
    title: The export that nobody may call
    why: It hands out everything; only the batch host needs it.
    severity: high
    confidence: 0.9
    patterns: ['/legacy/export']
    examples: {match: [/legacy/export], no_match: [/export]}
"""


class PackText(BaseModel):
    text: Annotated[str, Field(max_length=PACK_LIMIT, description="YAML, as of own rule packs.", examples=[_EXAMPLE])]


class NodeChange(BaseModel):
    """What is to be different; what is left out stays."""

    name: Annotated[str | None, Field(max_length=256, examples=["mirror-1"])] = None
    group: Annotated[str | None, Field(max_length=256, examples=["production"])] = None


class PackShown(BaseModel):
    name: Annotated[str, Field(examples=["shop"])]
    text: str
    rules: Annotated[int, Field(description="How many it has.", examples=[1])]
    changed_time: datetime
    changed_by: Annotated[str, Field(examples=["admin"])]


class PackList(BaseModel):
    """Packs, the number of their last change (also of what is to be ignored), and the key that signs them, Base64."""

    serial: Annotated[int, Field(examples=[12])]
    public_key: str
    packs: list[PackShown]


class ServedRules(BaseModel):
    """Rule packs by name, YAML, and the number of their last change."""

    serial: Annotated[int, Field(examples=[12])]
    packs: Annotated[dict[str, str], Field(examples=[{"shop": _EXAMPLE}])]


router = APIRouter(prefix="/api/v1")
_SERVED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": ServedRules,
        "description": "`Tcpmirror-Signature`: their Ed25519 signature (Base64) over a prefix and this body.",
    },
    304: {"description": "They are those of `If-None-Match`."},
    401: {"model": Problem},
}


@router.get(
    "/nodes/rules",
    tags=["Nodes"],
    response_class=Response,
    responses=_SERVED,
)
def rules_of_node(
    service: Shared,
    node_id: Annotated[str, Depends(calling_node)],
    if_none_match: Annotated[str, Header(max_length=200)] = "",
) -> Response:
    """Hand a node the rules it is to have, signed."""
    signed = signed_rules(service.database)
    headers = {"ETag": signed.etag, "Tcpmirror-Signature": signed.signature}
    if if_none_match == signed.etag:
        return Response(status_code=304, headers=headers)
    return Response(signed.payload, media_type="application/json", headers=headers)


@router.patch(
    "/nodes/{node_id}", status_code=204, tags=["Nodes"], dependencies=[only(Role.ADMIN)], responses=NEEDS_ROLE | _NO_NODE
)
def change_one(node_id: _NodeId, wish: NodeChange, service: Shared, caller: Calling) -> None:
    """Give a node another name or group."""
    if not change_node(service.database, node_id, wish.name, wish.group, caller.actor, service.clock()):
        raise HTTPException(404, "There is no such node.")


@router.delete(
    "/nodes/{node_id}", status_code=204, tags=["Nodes"], dependencies=[only(Role.ADMIN)], responses=NEEDS_ROLE | _NO_NODE
)
def remove_one(node_id: _NodeId, service: Shared, caller: Calling) -> None:
    """Forget a node and its credential; what it reported stays. One that is alive registers again while its token holds."""
    if not remove_node(service.database, node_id, caller.actor, service.clock()):
        raise HTTPException(404, "There is no such node.")


@router.get("/rule-packs", tags=["Rules"], dependencies=[only(Role.READ)], responses=NEEDS_ROLE)
def rule_packs(service: Shared, asked: Annotated[Asked, asked_of(PACKS)]) -> PackList:
    """List the rule packs that nodes get beside their own."""
    shown = [
        PackShown(
            name=row.name, text=row.text, rules=row.rules, changed_time=time_of(row.changed_ns), changed_by=row.changed_by
        )
        for row in PACKS.chosen(list_packs(service.database), asked)
    ]
    return PackList(serial=signed_rules(service.database).serial, public_key=public_key(service.database), packs=shown)


@router.put(
    "/rule-packs/{name}", status_code=204, tags=["Rules"], dependencies=[only(Role.ADMIN)], responses=NEEDS_ROLE | _BAD
)
def keep_rule_pack(name: _PackName, wish: PackText, service: Shared, caller: Calling) -> None:
    """Give nodes a rule pack, in place of one of the same name; it is checked as a node will check it."""
    try:
        keep_pack(service.database, name, wish.text, caller.actor, service.clock())
    except BadPack as error:
        raise HTTPException(400, str(error)) from error


@router.delete(
    "/rule-packs/{name}", status_code=204, tags=["Rules"], dependencies=[only(Role.ADMIN)], responses=NEEDS_ROLE | _MISSING
)
def end_rule_pack(name: _PackName, service: Shared, caller: Calling) -> None:
    """Take a rule pack from the nodes."""
    if not remove_pack(service.database, name, caller.actor, service.clock()):
        raise HTTPException(404, "There is no such pack.")
