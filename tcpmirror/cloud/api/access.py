"""Who may call what: bearer tokens, node credentials, browser sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request, Response, params
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from tcpmirror.cloud.accounts import PASSWORD_LIMIT, Account
from tcpmirror.cloud.audit import Actor
from tcpmirror.cloud.nodes import node_of
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.sign_in import Locked, account_of_session, close_session, open_session
from tcpmirror.cloud.tokens import digest, known_token

COOKIE: Final = "tcpmirror_session"
_bearer = HTTPBearer(auto_error=False, description="An API token; for a node `<node_id>.<secret>`.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="A session of the console.")
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
_Cookie = Annotated[str | None, Depends(_cookie)]


class Problem(BaseModel):
    """Why a call failed, in words."""

    detail: Annotated[str, Field(examples=["The token is not valid."])]


NEEDS_ROLE: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": Problem, "description": "Nothing valid came along that says who calls."},
    403: {"model": Problem, "description": "The caller's role may not do this."},
}


class Credentials(BaseModel):
    user: Annotated[str, Field(max_length=64, examples=["admin"])]
    password: Annotated[str, Field(max_length=PASSWORD_LIMIT, examples=["correct horse battery staple"])]


class SignedIn(BaseModel):
    user: Annotated[str, Field(examples=["admin"])]
    role: Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever calls. ``account`` and ``session`` (its digest) are those of a browser; a token has neither."""

    actor: Actor
    role: Role
    account: Account | None = None
    session: bytes = b""


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Shared = Annotated[Service, Depends(service_of)]


def caller_address(request: Request) -> str:
    """Return the address the call came from; that of the proxy, if one stands in front."""
    return request.client.host if request.client is not None else ""


def calling(request: Request, service: Shared, bearer: _Bearer, cookie: _Cookie) -> Caller:
    """Return whoever calls; 401 if nothing valid came along."""
    now_ns, address = service.clock(), caller_address(request)
    if bearer is not None:
        token = known_token(service.database, bearer.credentials, now_ns)
        if token is None:
            raise unauthorized("The token is not valid.")
        service.last_uses.note_token(token.id, now_ns)
        return Caller(Actor(f"token {token.name}", address), token.role)
    account = account_of_session(service.database, cookie, now_ns) if cookie else None
    if account is None or cookie is None:
        raise unauthorized("A bearer token or a console session is needed.")
    service.last_uses.note_session(digest(cookie), now_ns)
    return Caller(Actor(account.name, address), account.role, account, digest(cookie))


Calling = Annotated[Caller, Depends(calling)]


def calling_node(service: Shared, bearer: _Bearer) -> str:
    """Return the id of the node that calls; 401 if its credential is not valid."""
    node_id = node_of(service.database, bearer.credentials) if bearer is not None else None
    if node_id is None:
        raise unauthorized("The node credential is not valid; register again.")
    return node_id


def only(role: Role) -> params.Depends:
    """Return a dependency that lets callers with *role* (or more) through and answers 403 to others."""

    def check(caller: Calling) -> None:
        if not caller.role.may(role):
            raise HTTPException(403, f"This needs the role {role}; the caller has {caller.role}.")

    return params.Depends(check)


def unauthorized(why: str) -> HTTPException:
    return HTTPException(401, why, headers={"WWW-Authenticate": "Bearer"})


def set_session_cookie(response: Response, request: Request, service: Service, account: Account) -> None:
    """Open a session for *account* and give it to the browser, out of reach of scripts and of other sites."""
    browser = request.headers.get("user-agent", "")
    secret = open_session(service.database, account, service.clock(), caller_address(request), browser)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, secret, httponly=True, samesite="lax", secure=secure, path="/")


router = APIRouter(prefix="/api/v1", tags=["Access"])


@router.post(
    "/session",
    responses={
        401: {"model": Problem, "description": "The name or the password is wrong."},
        429: {"model": Problem, "description": "Too many failed attempts; see Retry-After."},
    },
)
def sign_in(credentials: Credentials, request: Request, response: Response, service: Shared) -> SignedIn:
    """Sign in; the answer sets the session cookie. After five failures the name is locked for a while."""
    try:
        account = service.sign_in.check(credentials.user, credentials.password, service.clock(), caller_address(request))
    except Locked as locked:
        raise HTTPException(
            429, "Too many failed attempts; wait and try again.", headers={"Retry-After": str(locked.seconds)}
        ) from locked
    if account is None:
        raise HTTPException(401, "The name or the password is wrong.")
    set_session_cookie(response, request, service, account)
    return SignedIn(user=account.name, role=account.role)


@router.get("/session", responses={401: {"model": Problem}})
def who_am_i(caller: Calling) -> SignedIn:
    """Tell who calls, and with which role."""
    return SignedIn(user=caller.actor.name, role=caller.role)


@router.delete("/session", status_code=204)
def sign_out(response: Response, service: Shared, cookie: _Cookie) -> None:
    """End the session of the cookie, if there is one."""
    if cookie:
        close_session(service.database, cookie)
    response.delete_cookie(COOKIE, path="/")
