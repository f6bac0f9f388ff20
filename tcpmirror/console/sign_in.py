"""The sign-in page: plain HTML, no script at all."""

from __future__ import annotations

from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tcpmirror.cloud.api.access import Shared, caller_address, set_session_cookie
from tcpmirror.cloud.sign_in import Locked
from tcpmirror.console.frame import THEME_COOKIE

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_WRONG: Final = "The name or the password is wrong."
_PAUSED: Final = "Too many failed attempts. Sign-in for this name pauses for a while; try again later."
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Sign in · {title}</title>
<link rel="icon" type="image/svg+xml" href="/console/mark.svg"><link rel="stylesheet" href="/console/console.css">
</head>
<body class="{theme}">
<main class="tm-door">
<form method="post" action="/sign-in" class="tm-card">
<div class="tm-door-head"><span class="tm-mark"></span><h1>{title}</h1></div>
<p class="tm-quiet">What the mirrored traffic has to tell.</p>
{error}
<label for="user">Name</label>
<input id="user" name="user" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" required
{focus_user} value="{user}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required
{focus_password}>
<input type="hidden" name="next" value="{next}">
<button type="submit">Sign in</button>
<p class="tm-quiet tm-small">The first password was printed when the service started for the first time.</p>
</form>
</main>
</body>
</html>
"""


def sign_in_routes(title: str) -> APIRouter:
    """Return the routes of the sign-in page."""
    router = APIRouter(include_in_schema=False)

    def page(request: Request, after: str, user: str = "", error: str = "", status: int = 200) -> HTMLResponse:
        theme = request.cookies.get(THEME_COOKIE, "")
        focus = "autofocus"
        text = _PAGE.format(
            title=escape(title),
            theme={"dark": "body--dark", "light": "body--light"}.get(theme, "tm-system"),
            error=f'<p class="tm-error" role="alert">{escape(error)}</p>' if error else "",
            user=escape(user),
            next=escape(after),
            focus_user="" if user else focus,
            focus_password=focus if user else "",
        )
        return HTMLResponse(text, status, headers={"Content-Security-Policy": _POLICY})

    @router.get("/sign-in")
    def show(request: Request, next: str = "/overview") -> HTMLResponse:  # noqa: A002 - the query parameter's name
        return page(request, next)

    @router.post("/sign-in")
    def check(
        request: Request,
        service: Shared,
        user: Annotated[str, Form(max_length=256)] = "",
        password: Annotated[str, Form(max_length=4096)] = "",
        next: Annotated[str, Form(max_length=2048)] = "/overview",  # noqa: A002
    ) -> Response:
        try:
            account = service.sign_in.check(user, password, service.clock(), caller_address(request))
        except Locked as locked:
            paused = page(request, next, user, _PAUSED, 429)
            paused.headers["Retry-After"] = str(locked.seconds)
            return paused
        if account is None:
            return page(request, next, user, _WRONG, 401)
        response = RedirectResponse(own_path(next), 303)
        set_session_cookie(response, request, service, account)
        return response

    return router


def own_path(target: str) -> str:
    """Return *target* if it is a path of this console, else the start page: sign-in must not lead to another site."""
    own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable() and "\\" not in target
    return target if own else "/overview"
