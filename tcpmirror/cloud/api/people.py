"""Accounts, sessions, tokens and the audit log: who may use this cloud, who does, and who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, Field

from tcpmirror.cloud.accounts import (
    PASSWORD_LIMIT,
    SHORTEST_PASSWORD,
    AccountChange,
    AccountProblem,
    change_account,
    change_own_password,
    create_account,
    list_accounts,
    remove_account,
)
from tcpmirror.cloud.api.access import NEEDS_ROLE, Calling, Problem, Shared, only
from tcpmirror.cloud.api.asking import asked_of
from tcpmirror.cloud.api.fields import Name, RowId, ns_of, optional_time_of, time_of
from tcpmirror.cloud.api.files import ROWS, Rows, csv_file, json_file
from tcpmirror.cloud.audit import PAGE_LIMIT, AuditFilter, list_audit
from tcpmirror.cloud.roles import ROLES_OF_PEOPLE, Role
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.short_lists import PEOPLE, SIGN_INS, TOKENS, Asked
from tcpmirror.cloud.sign_in import Locked, list_sessions, revoke_session, session_name
from tcpmirror.cloud.tokens import create_token, list_tokens, revoke_token

_MISSING: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "There is nothing of this id."}}
_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: {"model": Problem, "description": "The change cannot be made."}}


def _of_people(role: Role) -> Role:
    if role not in ROLES_OF_PEOPLE:
        raise ValueError("people have one of read, analyst, admin")
    return role


PeopleRole = Annotated[Role, AfterValidator(_of_people), Field(examples=["analyst"])]
NewPassword = Annotated[
    str, Field(min_length=SHORTEST_PASSWORD, max_length=PASSWORD_LIMIT, examples=["correct horse battery staple"])
]


class AccountWish(BaseModel):
    name: Annotated[Name, Field(examples=["maria"])]
    role: PeopleRole
    password: NewPassword


class AccountWishedChange(BaseModel):
    """What is to be different; what is left out stays."""

    role: PeopleRole | None = None
    disabled: Annotated[bool | None, Field(examples=[True])] = None
    password: NewPassword | None = None


class AccountShown(BaseModel):
    id: Annotated[int, Field(examples=[2])]
    name: Annotated[str, Field(examples=["maria"])]
    role: Role
    disabled: bool
    created_time: datetime


class AccountList(BaseModel):
    accounts: list[AccountShown]


class PasswordChange(BaseModel):
    current: Annotated[str, Field(max_length=PASSWORD_LIMIT, examples=["correct horse battery staple"])]
    new: NewPassword


class SessionShown(BaseModel):
    """A browser in which somebody is signed in."""

    id: Annotated[str, Field(examples=["9f0c5a1be2d34f6a"])]
    account: Annotated[str, Field(examples=["maria"])]
    address: Annotated[str, Field(examples=["192.0.2.17"])]
    browser: Annotated[str, Field(description="What the browser calls itself.", examples=["Mozilla/5.0"])]
    created_time: datetime
    last_used_time: datetime
    expires_time: datetime
    current: Annotated[bool, Field(description="This very session.")]


class SessionList(BaseModel):
    sessions: list[SessionShown]


class TokenWish(BaseModel):
    name: Name
    role: Role
    expires_time: Annotated[datetime | None, Field(description="Null: it stays valid until it is revoked.")] = None


class NewToken(BaseModel):
    """A new API token. It is shown here and never again."""

    name: str
    role: Role
    token: Annotated[str, Field(examples=["tcpm_read_7tS0m3Random"])]


class TokenShown(BaseModel):
    id: Annotated[int, Field(examples=[3])]
    name: Annotated[str, Field(examples=["grafana"])]
    role: Role
    created_time: datetime
    created_by: Annotated[str, Field(examples=["admin"])]
    expires_time: datetime | None
    last_used_time: Annotated[datetime | None, Field(description="Up to half a minute late. Null: never.")]


class TokenList(BaseModel):
    tokens: list[TokenShown]


class AuditEntry(BaseModel):
    id: Annotated[int, Field(examples=[118])]
    time: datetime
    actor: Annotated[str, Field(examples=["admin"])]
    address: Annotated[str, Field(description="Where the call came from.", examples=["192.0.2.17"])]
    action: Annotated[str, Field(examples=["account.change"])]
    object: Annotated[str, Field(examples=["maria"])]
    details: Annotated[dict[str, Any], Field(examples=[{"role": "analyst"}])]


class AuditPage(BaseModel):
    entries: list[AuditEntry]
    next_before: Annotated[int | None, Field(description="`before` of the next page. Null on the last one.")]


_COLUMNS: Final = tuple(AuditEntry.model_fields)

router = APIRouter(prefix="/api/v1", tags=["Access"], responses=NEEDS_ROLE)


@router.get("/accounts", dependencies=[only(Role.ADMIN)])
def accounts(service: Shared, asked: Annotated[Asked, asked_of(PEOPLE)]) -> AccountList:
    """List the accounts, by name unless `sort` says otherwise."""
    shown = [
        AccountShown(
            id=row.id, name=row.name, role=row.role, disabled=bool(row.disabled), created_time=time_of(row.created_ns)
        )
        for row in PEOPLE.chosen(list_accounts(service.database), asked)
    ]
    return AccountList(accounts=shown)


@router.post("/accounts", status_code=201, dependencies=[only(Role.ADMIN)], responses=_CONFLICT)
def new_account(wish: AccountWish, service: Shared, caller: Calling) -> AccountShown:
    """Make an account."""
    now_ns = service.clock()
    try:
        made = create_account(service.database, wish.name, wish.role, wish.password, caller.actor, now_ns)
    except AccountProblem as problem:
        raise HTTPException(409, str(problem)) from problem
    return AccountShown(id=made, name=wish.name, role=wish.role, disabled=False, created_time=time_of(now_ns))


@router.patch("/accounts/{account_id}", status_code=204, dependencies=[only(Role.ADMIN)], responses=_MISSING | _CONFLICT)
def change_one(account_id: RowId, wish: AccountWishedChange, service: Shared, caller: Calling) -> None:
    """Change an account's role or password, disable or enable it; its sessions end."""
    change = AccountChange(wish.role, wish.disabled, wish.password)
    try:
        found = change_account(service.database, account_id, change, caller.actor, service.clock())
    except AccountProblem as problem:
        raise HTTPException(409, str(problem)) from problem
    _require(found, "account")


@router.delete("/accounts/{account_id}", status_code=204, dependencies=[only(Role.ADMIN)], responses=_MISSING | _CONFLICT)
def remove_one(account_id: RowId, service: Shared, caller: Calling) -> None:
    """Remove an account with its sessions."""
    try:
        _require(remove_account(service.database, account_id, caller.actor, service.clock()), "account")
    except AccountProblem as problem:
        raise HTTPException(409, str(problem)) from problem


@router.put("/session/password", status_code=204, responses={400: {"model": Problem}, 429: {"model": Problem}})
def change_password(wish: PasswordChange, service: Shared, caller: Calling) -> None:
    """Change the password of whoever is signed in; all other sessions of the account end."""
    if caller.account is None:
        raise HTTPException(400, "A token has no password; sign in.")
    now_ns = service.clock()
    try:
        known = service.sign_in.check(caller.account.name, wish.current, now_ns, caller.actor.address)
    except Locked as locked:
        raise HTTPException(
            429, "Too many failed attempts; wait and try again.", headers={"Retry-After": str(locked.seconds)}
        ) from locked
    if known is None:
        raise HTTPException(400, "The current password is wrong.")
    change_own_password(service.database, known, wish.new, caller.session, caller.actor, now_ns)


@router.get("/sign-ins")
def sessions(service: Shared, caller: Calling, asked: Annotated[Asked, asked_of(SIGN_INS)]) -> SessionList:
    """List the sessions that hold: an administrator sees everybody's, others their own."""
    own = None if caller.role is Role.ADMIN else (caller.account.id if caller.account is not None else -1)
    shown = [
        SessionShown(
            id=session_name(row.sha256),
            account=row.account,
            address=row.address,
            browser=row.browser,
            created_time=time_of(row.created_ns),
            last_used_time=time_of(row.last_used_ns),
            expires_time=time_of(row.expires_ns),
            current=row.sha256 == caller.session,
        )
        for row in SIGN_INS.chosen(list_sessions(service.database, service.clock(), own), asked)
    ]
    return SessionList(sessions=shown)


@router.delete("/sign-ins/{session_id}", status_code=204, responses=_MISSING)
def end_session(session_id: str, service: Shared, caller: Calling) -> None:
    """End a session: an administrator anybody's, others one of their own."""
    own = None if caller.role is Role.ADMIN else (caller.account.id if caller.account is not None else -1)
    _require(revoke_session(service.database, session_id, caller.actor, service.clock(), own), "session")


@router.get("/tokens", dependencies=[only(Role.ADMIN)])
def tokens(service: Shared, asked: Annotated[Asked, asked_of(TOKENS)]) -> TokenList:
    """List the API tokens, newest first unless `sort` says otherwise; the tokens themselves are not stored."""
    shown = [
        TokenShown(
            id=row.id,
            name=row.name,
            role=row.role,
            created_time=time_of(row.created_ns),
            created_by=row.created_by,
            expires_time=optional_time_of(row.expires_ns),
            last_used_time=optional_time_of(row.last_used_ns),
        )
        for row in TOKENS.chosen(list_tokens(service.database), asked)
    ]
    return TokenList(tokens=shown)


@router.post("/tokens", status_code=201, dependencies=[only(Role.ADMIN)])
def new_token(wish: TokenWish, service: Shared, caller: Calling) -> NewToken:
    """Make an API token. Only its digest is stored: the token stands in this answer and nowhere else."""
    made = create_token(service.database, wish.name, wish.role, service.clock(), caller.actor, ns_of(wish.expires_time))
    return NewToken(name=wish.name, role=wish.role, token=made)


@router.delete("/tokens/{token_id}", status_code=204, dependencies=[only(Role.ADMIN)], responses=_MISSING)
def end_token(token_id: RowId, service: Shared, caller: Calling) -> None:
    """Revoke an API token: it is not valid any more, from the next call on."""
    _require(revoke_token(service.database, token_id, caller.actor, service.clock()), "token")


def wanted_entries(
    actor: Annotated[str, Query(max_length=200, description="Whole name, as `admin` or `token grafana`.")] = "",
    action: Annotated[str, Query(max_length=100, description="As `account.create`, or `account` for all of them.")] = "",
    object: Annotated[str, Query(max_length=300, description="What was changed.")] = "",  # noqa: A002 - the field's name
    since: Annotated[datetime | None, Query(description="At or after this time.")] = None,
    until: Annotated[datetime | None, Query(description="At or before this time.")] = None,
) -> AuditFilter:
    """Return which entries are asked for."""
    return AuditFilter(actor, action, object, ns_of(since), ns_of(until))


_WantedEntries = Annotated[AuditFilter, Depends(wanted_entries)]


@router.get("/audit", dependencies=[only(Role.ADMIN)])
def audit(
    *,
    service: Shared,
    wanted: _WantedEntries,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next_before` of the page before.")] = None,
) -> AuditPage:
    """List who changed what, when and from where, newest first."""
    entries = _audit_entries(service, wanted, limit + 1, before)
    return AuditPage(entries=entries[:limit], next_before=entries[limit - 1].id if len(entries) > limit else None)


@router.get(
    "/audit.csv",
    dependencies=[only(Role.ADMIN)],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}},
)
def audit_as_csv(service: Shared, wanted: _WantedEntries) -> StreamingResponse:
    """Give the audit log as CSV (RFC 4180), newest first, up to 100,000 entries."""
    return csv_file("audit", _COLUMNS, _audit_rows(service, wanted))


@router.get(
    "/audit.json",
    dependencies=[only(Role.ADMIN)],
    response_class=StreamingResponse,
    responses={200: {"model": list[AuditEntry]}},
)
def audit_as_json(service: Shared, wanted: _WantedEntries) -> StreamingResponse:
    """Give the audit log as one JSON array, newest first, up to 100,000 entries."""
    return json_file("audit", _COLUMNS, _audit_rows(service, wanted))


def _audit_rows(service: Service, wanted: AuditFilter) -> Rows:
    before: int | None = None
    for _ in range(0, ROWS, PAGE_LIMIT):
        entries = _audit_entries(service, wanted, PAGE_LIMIT, before)
        yield from (entry.model_dump() for entry in entries)
        if len(entries) < PAGE_LIMIT:
            return
        before = entries[-1].id


def _audit_entries(service: Service, wanted: AuditFilter, limit: int, before: int | None) -> list[AuditEntry]:
    return [
        AuditEntry(
            id=row.id, time=time_of(row.time_ns), actor=row.actor, address=row.address,
            action=row.action, object=row.object, details=row.details,
        )
        for row in list_audit(service.database, wanted, limit, before)
    ]  # fmt: skip


def _require(found: bool, what: str) -> None:
    if not found:
        raise HTTPException(404, f"There is no such {what}.")
