"""Settings pushed to nodes: the texts that administrators write, and the signed document in which a node fetches its own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Response
from pydantic import BaseModel, Field

from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Problem, Shared, calling_node, only
from tcpmirror.cloud.api.fields import time_of
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.served_rules import public_key
from tcpmirror.cloud.served_settings import BadSettings, keep_settings, list_settings, signed_settings
from tcpmirror.settings.pushed import PUSHABLE, TEXT_CHARS

_EXAMPLE: Final = "log: {level: debug}\nlimits: {body: 512KiB}\n"
_BAD: Final[dict[int | str, dict[str, Any]]] = {400: {"model": Problem, "description": "A node would refuse the settings."}}
_Scope = Annotated[
    str, Field(max_length=300, description="`all`, `group:NAME` or `node:ID`; the narrower goes first.", examples=["all"])
]
_Text = Annotated[str, Field(max_length=TEXT_CHARS, description="YAML, as of the settings file.", examples=[_EXAMPLE])]


class SettingsWish(BaseModel):
    """What the nodes of a scope are to have over their files; an empty text: nothing."""

    scope: _Scope
    text: _Text


class SettingsShown(BaseModel):
    scope: _Scope
    text: _Text
    changed_time: datetime
    changed_by: Annotated[str, Field(examples=["admin"])]


class SettingsList(BaseModel):
    """All that nodes are given, the number of the last change, and the keys that a node takes from a cloud."""

    serial: Annotated[int, Field(examples=[3])]
    settings: list[SettingsShown]
    keys: Annotated[list[str], Field(description="Each with all below it.", examples=[["log.level", "shedding"]])]


class ServedSettings(BaseModel):
    """Texts in YAML, each with its scope, of which a later one goes before an earlier one."""

    serial: Annotated[int, Field(examples=[3])]
    node: Annotated[str, Field(description="Whom they are for.", examples=["5f0c5a1be2d34f6a8b7c6d5e4f3a2b1c"])]
    layers: Annotated[list[tuple[str, str]], Field(examples=[[("all", _EXAMPLE)]])]


class SigningKey(BaseModel):
    rules_key: Annotated[str, Field(description="Ed25519 key that signs rules and settings for nodes, Base64.")]


router = APIRouter(prefix="/api/v1")
_SERVED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": ServedSettings,
        "description": "`Tcpmirror-Signature`: their Ed25519 signature (Base64) over a prefix and this body.",
    },
    304: {"description": "They are those of `If-None-Match`."},
    401: {"model": Problem},
}


@router.get("/nodes/settings", tags=["Nodes"], response_class=Response, responses=_SERVED)
def settings_of_node(
    service: Shared,
    node_id: Annotated[str, Depends(calling_node)],
    if_none_match: Annotated[str, Header(max_length=200)] = "",
) -> Response:
    """Hand a node the settings it is to have over those of its file, signed."""
    signed = signed_settings(service.database, node_id)
    headers = {"ETag": signed.etag, "Tcpmirror-Signature": signed.signature}
    if if_none_match == signed.etag:
        return Response(status_code=304, headers=headers)
    return Response(signed.payload, media_type="application/json", headers=headers)


@router.get("/nodes/key", tags=["Nodes"], responses={401: {"model": Problem}})
def key_of_node(service: Shared, node_id: Annotated[str, Depends(calling_node)]) -> SigningKey:
    """Hand the key that is to be pinned to a node that registered when there was none yet."""
    return SigningKey(rules_key=public_key(service.database))


@router.get("/node-settings", tags=["Nodes"], dependencies=[only(Role.READ)], responses=NEEDS_ROLE)
def node_settings(service: Shared) -> SettingsList:
    """List the settings that nodes are given over those of their files."""
    serial, rows = list_settings(service.database)
    shown = [
        SettingsShown(scope=row.scope, text=row.text, changed_time=time_of(row.changed_ns), changed_by=row.changed_by)
        for row in rows
    ]
    return SettingsList(serial=serial, settings=shown, keys=list(PUSHABLE))


@router.put("/node-settings", status_code=204, tags=["Nodes"], dependencies=[only(Role.ADMIN)], responses=NEEDS_ROLE | _BAD)
def change_settings(wish: SettingsWish, service: Shared, caller: Calling) -> None:
    """Give the nodes of a scope settings; they are looked through as a node will do it."""
    try:
        keep_settings(service.database, wish.scope, wish.text, caller.actor, service.clock())
    except BadSettings as error:
        raise HTTPException(400, str(error)) from error
