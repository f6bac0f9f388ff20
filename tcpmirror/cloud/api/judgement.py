"""What people make of attacks: status, assignee, comments, and rules about what is to be ignored."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Problem, Shared, only
from tcpmirror.cloud.api.asking import asked_of
from tcpmirror.cloud.api.fields import ConditionEntry, RowId, time_of
from tcpmirror.cloud.attacks import attack_detail
from tcpmirror.cloud.ignore_rules import (
    BadEntry,
    NameTaken,
    checked_entry,
    create_rule,
    list_rules,
    proposed_entry,
    remove_rule,
)
from tcpmirror.cloud.judgement import COMMENT_LIMIT, NoSuchAccount, Status, comment, judge, list_comments
from tcpmirror.cloud.preview import WEEK_NS, Preview, preview
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import IGNORED, Asked

_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "There is nothing of this id."}}
_BAD: Final[dict[int | str, dict[str, Any]]] = {400: {"model": Problem, "description": "A node would refuse the entry."}}
_TAKEN: Final[dict[int | str, dict[str, Any]]] = {409: {"model": Problem, "description": "The name is taken."}}
_Words = Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=64)]


class Judgement(BaseModel):
    """What is to be different; what is left out stays."""

    status: Status | None = None
    assignee: Annotated[str | None, Field(max_length=64, description='An account; "" is nobody.', examples=["maria"])] = None


class CommentWish(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=COMMENT_LIMIT, examples=["Our own scanner, Tuesdays."])]


class CommentShown(BaseModel):
    id: int
    time: datetime
    author: Annotated[str, Field(examples=["maria"])]
    text: str


class CommentList(BaseModel):
    comments: list[CommentShown]


class IgnoreEntry(BaseModel):
    """Which findings are not to be reported: those for which all conditions hold. One is needed. As `inspection.ignore`."""

    name: Annotated[str, Field(max_length=64, examples=["page-editor"])]
    rules: Annotated[_Words, Field(description="Ids, with `*` and `?`.", examples=[["xss-*"]])] = []
    types: Annotated[_Words, Field(examples=[["xss"]])] = []
    host: Annotated[str, Field(max_length=512, description="A glob.", examples=["*.shop.example"])] = ""
    path: Annotated[str, Field(max_length=2048, description="A glob, or `~` and an expression.", examples=["/editor/*"])] = (
        ""
    )
    point: Annotated[str, Field(max_length=2048, description="There or below.", examples=["[post][json_doc]"])] = ""
    parameter: Annotated[str, Field(max_length=512, description="A glob, or `~` and an expression.")] = ""
    networks: Annotated[_Words, Field(description="Of the client's real address.", examples=[["10.0.0.0/8"]])] = []
    where: Annotated[list[ConditionEntry], Field(max_length=16, description="What else has to hold of the request.")] = []
    parsers: Annotated[_Words, Field(description="Found in what one of them made of it.", examples=[["base64"]])] = []
    binary: Annotated[bool, Field(description="Found in a value that is binary.")] = False


class SilencedShown(BaseModel):
    attack_id: int
    type: str
    host: str
    path: str
    silenced: Annotated[int, Field(description="Hits of the week that would not have been reported.")]
    hits: Annotated[int, Field(description="Hits of the week.")]


class PreviewShown(BaseModel):
    """What an entry would have silenced over the last week."""

    since: datetime
    looked_at: Annotated[int, Field(description="Hits that were looked at.", examples=[1200])]
    silenced: Annotated[int, Field(description="Of these, the ones that would not have been reported.", examples=[36])]
    attack_count: Annotated[int, Field(description="Attacks that have any of them.", examples=[2])]
    attacks: Annotated[list[SilencedShown], Field(description="Those with most of them.")]
    is_whole: Annotated[bool, Field(description="False: the week holds more hits than are looked at.")]


class Proposal(BaseModel):
    """The narrowest entry that would have ignored an attack, and what else it would have silenced."""

    entry: IgnoreEntry
    preview: PreviewShown


class IgnoreWish(BaseModel):
    entry: IgnoreEntry
    reason: Annotated[str, Field(max_length=1000, examples=["The page editor sends markup."])] = ""
    attack_id: Annotated[int | None, Field(ge=1, le=2**63 - 1, description="Marked as a false positive with it.")] = None


class IgnoreShown(BaseModel):
    id: int
    entry: IgnoreEntry
    reason: str
    attack_id: int | None
    created_time: datetime
    created_by: Annotated[str, Field(examples=["maria"])]


class IgnoreList(BaseModel):
    rules: list[IgnoreShown]


router = APIRouter(prefix="/api/v1", tags=["Judgement"], responses=NEEDS_ROLE)


@router.patch("/attacks/{attack_id}", status_code=204, dependencies=[only(Role.ANALYST)], responses=_MISSING | _BAD)
def judge_attack(attack_id: RowId, wish: Judgement, service: Shared, caller: Calling) -> None:
    """Change an attack's status or assignee."""
    try:
        found = judge(service.database, attack_id, wish.status, wish.assignee, caller.actor, service.clock())
    except NoSuchAccount as error:
        raise HTTPException(400, f"assignee: nobody here is called {str(error)!r}.") from error
    if not found:
        raise HTTPException(404, "There is no such attack.")


@router.get("/attacks/{attack_id}/comments", dependencies=[only(Role.READ)])
def comments(attack_id: RowId, service: Shared) -> CommentList:
    """List the newest 500 comments on an attack, oldest of them first."""
    rows = list_comments(service.database, attack_id)
    shown = [CommentShown(id=row.id, time=time_of(row.time_ns), author=row.author, text=row.text) for row in rows]
    return CommentList(comments=shown)


@router.post("/attacks/{attack_id}/comments", status_code=201, dependencies=[only(Role.ANALYST)], responses=_MISSING)
def new_comment(attack_id: RowId, wish: CommentWish, service: Shared, caller: Calling) -> CommentShown:
    """Say something about an attack."""
    now_ns = service.clock()
    made = comment(service.database, attack_id, wish.text, caller.actor, now_ns)
    if made is None:
        raise HTTPException(404, "There is no such attack.")
    return CommentShown(id=made, time=time_of(now_ns), author=caller.actor.name, text=wish.text)


@router.get("/attacks/{attack_id}/ignore-proposal", dependencies=[only(Role.READ)], responses=_MISSING)
def propose(attack_id: RowId, service: Shared) -> Proposal:
    """Propose the narrowest entry that would have ignored an attack, with what else it would have silenced."""
    entry = proposed_entry(service.database, attack_id)
    if entry is None:
        raise HTTPException(404, "There is no such attack.")
    looked = preview(service.database, entry, service.clock() - WEEK_NS)
    return Proposal(entry=IgnoreEntry.model_validate(asdict(entry)), preview=_shown(looked))


@router.post("/ignore-rules/preview", dependencies=[only(Role.READ)], responses=_BAD)
def look_ahead(entry: IgnoreEntry, service: Shared) -> PreviewShown:
    """Tell what an entry would have silenced over the last week; nothing is stored."""
    try:
        checked = checked_entry(entry.model_dump())
    except BadEntry as error:
        raise HTTPException(400, str(error)) from error
    return _shown(preview(service.database, checked, service.clock() - WEEK_NS))


@router.get("/ignore-rules", dependencies=[only(Role.READ)])
def ignore_rules(service: Shared, asked: Annotated[Asked, asked_of(IGNORED)]) -> IgnoreList:
    """List what nodes are told to ignore, the newest first unless `sort` says otherwise."""
    shown = [
        IgnoreShown(
            id=row.id,
            entry=IgnoreEntry.model_validate(row.entry),
            reason=row.reason,
            attack_id=row.attack_id,
            created_time=time_of(row.created_ns),
            created_by=row.created_by,
        )
        for row in IGNORED.chosen(list_rules(service.database), asked)
    ]
    return IgnoreList(rules=shown)


@router.post("/ignore-rules", status_code=201, dependencies=[only(Role.ANALYST)], responses=_BAD | _TAKEN | _MISSING)
def new_ignore_rule(wish: IgnoreWish, service: Shared, caller: Calling) -> IgnoreShown:
    """Tell nodes to ignore findings from now on; with `attack_id`, that attack is marked as a false positive."""
    now_ns = service.clock()
    if wish.attack_id is not None and attack_detail(service.database, wish.attack_id) is None:
        raise HTTPException(404, "There is no such attack.")
    try:
        made = create_rule(service.database, wish.entry.model_dump(), wish.reason, wish.attack_id, caller.actor, now_ns)
    except BadEntry as error:
        raise HTTPException(400, str(error)) from error
    except NameTaken as error:
        raise HTTPException(409, f"name: {str(error)!r} is taken.") from error
    if wish.attack_id is not None:
        judge(service.database, wish.attack_id, Status.FALSE_POSITIVE, None, caller.actor, now_ns)
    return IgnoreShown(
        id=made,
        entry=wish.entry,
        reason=wish.reason,
        attack_id=wish.attack_id,
        created_time=time_of(now_ns),
        created_by=caller.actor.name,
    )


@router.delete("/ignore-rules/{rule_id}", status_code=204, dependencies=[only(Role.ANALYST)], responses=_MISSING)
def end_ignore_rule(rule_id: RowId, service: Shared, caller: Calling) -> None:
    """Have nodes report again what an entry ignored."""
    if not remove_rule(service.database, rule_id, caller.actor, service.clock()):
        raise HTTPException(404, "There is no such rule.")


def _shown(looked: Preview) -> PreviewShown:
    attacks = [
        SilencedShown(
            attack_id=one.row.id, type=one.row.type, host=one.row.host, path=one.row.path,
            silenced=one.silenced, hits=one.hits,
        )
        for one in looked.attacks
    ]  # fmt: skip
    return PreviewShown(
        since=time_of(looked.since_ns),
        looked_at=looked.looked_at,
        silenced=looked.silenced,
        attack_count=looked.attack_count,
        attacks=attacks,
        is_whole=looked.is_whole,
    )
