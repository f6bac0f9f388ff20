"""The cloud's application with the console's pages on it."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from nicegui import app as pages_app
from nicegui import ui
from starlette.middleware import Middleware

from tcpmirror.cloud.application import create_application
from tcpmirror.cloud.service import Service
from tcpmirror.console.content_policy import ContentPolicy
from tcpmirror.console.frame import Console, NotSignedIn
from tcpmirror.console.pages import NoSuchPage
from tcpmirror.console.sign_in import sign_in_routes

_FILES: Final = {"console.css": "text/css", "mark.svg": "image/svg+xml"}
_MISSING: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not found</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/console/console.css">
</head><body class="tm-system"><main class="tm-door"><div class="tm-card"><h1>There is no such page</h1>
<p class="tm-quiet">It may have been removed with what it showed.</p>
<p><a href="/attacks">Go to the attacks</a></p></div></main>
</body></html>"""
_MISSING_POLICY: Final = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def create_console(service: Service, title: str) -> FastAPI:
    """Return the application over *service*: the API and the console.

    NiceGUI keeps its pages in the process: a process can have one console.
    """
    app = create_application(service)
    app.include_router(sign_in_routes(title))
    _add_files(app)
    pages_app.state.console = Console(service, title)
    app.user_middleware.append(Middleware(ContentPolicy))  # innermost: before headers are given their defaults
    ui.run_with(
        app,
        title=title,
        dark=None,
        tailwind=False,
        gzip_middleware_factory=None,
        show_welcome_message=False,
        reconnect_timeout=10,
    )
    pages_app.add_exception_handler(NotSignedIn, _to_sign_in)
    for nothing in (404, NoSuchPage):
        pages_app.add_exception_handler(nothing, _missing)
    pages_app.add_exception_handler(RequestValidationError, _missing)  # such as an attack number that is none
    return app


def _add_files(app: FastAPI) -> None:
    @app.get("/console/{name}", include_in_schema=False)
    def own_file(name: str) -> Response:
        if name not in _FILES:
            return _missing_page()
        path = str(files("tcpmirror.console") / name)
        return FileResponse(path, media_type=_FILES[name], headers={"Cache-Control": "public, max-age=300"})

    @app.get("/", include_in_schema=False)
    def start() -> RedirectResponse:
        return RedirectResponse("/overview", 307)


async def _to_sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, NotSignedIn), "what it is registered for"
    return RedirectResponse(error.address, 303)


async def _missing(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": "There is nothing at this address."}, 404)
    return _missing_page()


def _missing_page() -> Response:
    return HTMLResponse(_MISSING, 404, headers={"Content-Security-Policy": _MISSING_POLICY})
