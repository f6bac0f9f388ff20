"""Who may call what: bearer tokens, node credentials, browser sessions."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request, Response, params
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from tcpmirror.cloud.accounts import PASSWORD_LIMIT, Account, Locked, account_of_session, close_session, open_session
from tcpmirror.cloud.nodes import node_of
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.tokens import Role, create_token, role_of_token

COOKIE: Final = "tcpmirror_session"
_bearer = HTTPBearer(auto_error=False, description="An API token; for a node `<node_id>.<secret>`.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="A session of the console.")
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
_Cookie = Annotated[str | None, Depends(_cookie)]


class Problem(BaseModel):
    """Why a call failed, in words."""

    detail: Annotated[str, Field(examples=["The token is not valid."])]


class Credentials(BaseModel):
    user: Annotated[str, Field(max_length=64, examples=["admin"])]
    password: Annotated[str, Field(max_length=PASSWORD_LIMIT, examples=["correct horse battery staple"])]


class SignedIn(BaseModel):
    user: Annotated[str, Field(examples=["admin"])]
    role: Role


class TokenWish(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=100, examples=["grafana"])]
    role: Role


class NewToken(BaseModel):
    """A new API token. It is shown here and never again."""

    name: str
    role: Role
    token: Annotated[str, Field(examples=["tcpm_read_7tS0m3Random"])]


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Shared = Annotated[Service, Depends(service_of)]


def caller_role(service: Shared, bearer: _Bearer, cookie: _Cookie) -> Role:
    """Return the role of whoever calls; 401 if nothing valid came along."""
    if bearer is not None:
        role = role_of_token(service.database, bearer.credentials)
        if role is None:
            raise unauthorized("The token is not valid.")
        return role
    account = account_of_session(service.database, cookie, service.clock()) if cookie else None
    if account is None:
        raise unauthorized("A bearer token or a console session is needed.")
    return account.role


def calling_node(service: Shared, bearer: _Bearer) -> str:
    """Return the id of the node that calls; 401 if its credential is not valid."""
    node_id = node_of(service.database, bearer.credentials) if bearer is not None else None
    if node_id is None:
        raise unauthorized("The node credential is not valid; register again.")
    return node_id


def only(role: Role) -> params.Depends:
    """Return a dependency that lets callers with *role* (or more) through and answers 403 to others."""

    def check(caller: Annotated[Role, Depends(caller_role)]) -> None:
        if not caller.may(role):
            raise HTTPException(403, f"This needs the role {role}; the caller has {caller}.")

    return params.Depends(check)


def unauthorized(why: str) -> HTTPException:
    return HTTPException(401, why, headers={"WWW-Authenticate": "Bearer"})


def set_session_cookie(response: Response, request: Request, service: Service, account: Account) -> None:
    """Open a session for *account* and give it to the browser, out of reach of scripts and of other sites."""
    secret = open_session(service.database, account, service.clock())
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, secret, httponly=True, samesite="lax", secure=secure, path="/")


router = APIRouter(prefix="/api/v1", tags=["Access"])


@router.post("/session", responses={401: {"model": Problem}, 429: {"model": Problem}})
def sign_in(credentials: Credentials, request: Request, response: Response, service: Shared) -> SignedIn:
    """Sign in; the answer sets the session cookie. After five failures the name is locked for a while."""
    try:
        account = service.sign_in.check(credentials.user, credentials.password, service.clock())
    except Locked as locked:
        raise HTTPException(
            429, "Too many failed attempts; wait and try again.", headers={"Retry-After": str(locked.seconds)}
        ) from locked
    if account is None:
        raise HTTPException(401, "The name or the password is wrong.")
    set_session_cookie(response, request, service, account)
    return SignedIn(user=account.name, role=account.role)


@router.delete("/session", status_code=204)
def sign_out(response: Response, service: Shared, cookie: _Cookie) -> None:
    """End the session of the cookie, if there is one."""
    if cookie:
        close_session(service.database, cookie)
    response.delete_cookie(COOKIE, path="/")


@router.post(
    "/tokens", status_code=201, dependencies=[only(Role.ADMIN)], responses={401: {"model": Problem}, 403: {"model": Problem}}
)
def new_token(wish: TokenWish, service: Shared) -> NewToken:
    """Make an API token. Only its digest is stored: the token stands in this answer and nowhere else."""
    return NewToken(
        name=wish.name, role=wish.role, token=create_token(service.database, wish.name, wish.role, service.clock())
    )
