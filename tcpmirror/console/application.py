"""The cloud's application with the console's pages on it."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Annotated, Final

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from nicegui import app as pages_app
from nicegui import ui
from pydantic import Field
from starlette.middleware import Middleware

from tcpmirror.cloud.apis.reading import endpoint_detail
from tcpmirror.cloud.application import create_application
from tcpmirror.cloud.ignore_rules import list_rules
from tcpmirror.cloud.nodes import list_nodes
from tcpmirror.cloud.search.grammar import LENGTH_LIMIT
from tcpmirror.cloud.service import Service
from tcpmirror.console import (
    api_list,
    api_page,
    attack_list,
    attack_page,
    mirror_health,
    overview,
    rules_page,
    settings_page,
    setup_page,
)
from tcpmirror.console.attack_list import AttackList
from tcpmirror.console.content_policy import ContentPolicy
from tcpmirror.console.frame import frame, visit
from tcpmirror.console.node_list import NodeList
from tcpmirror.console.rule_book import rule_book
from tcpmirror.console.sign_in import sign_in_routes

_FILES: Final = {"console.css": "text/css", "mark.svg": "image/svg+xml"}
_Text = Annotated[str, Query(max_length=200)]
_Cursor = Annotated[str, Query(max_length=12_000)]
_Search = Annotated[str, Query(max_length=LENGTH_LIMIT)]
_Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
_MISSING: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not found</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/console/console.css">
</head><body class="tm-system"><main class="tm-door"><div class="tm-card"><h1>There is no such page</h1>
<p class="tm-quiet">It may have been removed with what it showed.</p>
<p><a href="/attacks">Go to the attacks</a></p></div></main>
</body></html>"""
_MISSING_POLICY: Final = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def create_console(service: Service, title: str, *, pages: bool = True) -> FastAPI:
    """Return the application over *service*: the API, and unless *pages* is False the console.

    NiceGUI keeps its pages in the process: a process can have one console.
    """
    app = create_application(service)
    if not pages:
        return app
    app.include_router(sign_in_routes(title))
    _add_files(app)
    _add_overview(service, title)
    _add_pages(service, title)
    _add_health(service, title)
    _add_rules(service, title)
    _add_management(service, title)
    _add_apis(service, title)
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
    pages_app.add_exception_handler(404, _missing)
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


def _add_list(service: Service, title: str, place: attack_list.Place) -> None:
    @ui.page(place.path)
    async def attacks(
        request: Request,
        *,
        q: _Search = "",
        sort: _Text = "",
        group: _Text = "",
        cursor: _Cursor = "",
    ) -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        view = attack_list.view_of(place, q, sort, group, cursor)
        shown = await asyncio.to_thread(attack_list.read, service, view)
        with frame(visited, place.name, place.name):
            AttackList(visited, view, shown)
        return None


def _add_rules(service: Service, title: str) -> None:
    @ui.page("/rules")
    async def rules(request: Request) -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        ignored = await asyncio.to_thread(list_rules, service.database)
        await asyncio.to_thread(rule_book)
        with frame(visited, "Rules", "Rules"):
            rules_page.RulesPage(visited, ignored)
        return None

    @ui.page("/rules/{rule_id}")
    async def rule(request: Request, rule_id: str) -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        known = (await asyncio.to_thread(rule_book)).get(rule_id)
        if known is None:
            return _missing_page()
        with frame(visited, known.id, "Rules"):
            rules_page.show_rule(known)
        return None


def _add_management(service: Service, title: str) -> None:
    @ui.page("/settings")
    async def settings(request: Request, before: _Id | None = None) -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        stored = await asyncio.to_thread(settings_page.read, visited, before)
        with frame(visited, "Settings", "Settings"):
            settings_page.SettingsPage(visited, stored, before)
        return None

    @ui.page("/setup")
    async def setup(request: Request, kind: _Text = "") -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        nodes = await asyncio.to_thread(list_nodes, service.database)
        with frame(visited, "Set up a mirror", "Set-up"):
            setup_page.SetupPage(kind if kind in setup_page.MIRRORS else "aws", nodes)
        return None


def _add_overview(service: Service, title: str) -> None:
    @ui.page("/overview")
    async def of_all(request: Request, period: _Text = "") -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        shown = await asyncio.to_thread(overview.read, service, overview.PERIODS.get(period, overview.DEFAULT))
        with frame(visited, "Overview", "Overview"):
            overview.OverviewPage(visited, shown)
        return None


def _add_pages(service: Service, title: str) -> None:
    for place in attack_list.PLACES.values():
        _add_list(service, title, place)

    @ui.page("/attacks/{attack_id}")
    async def attack(request: Request, attack_id: _Id, hit: _Id | None = None, cursor: _Cursor = "") -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        opened = await asyncio.to_thread(attack_page.read, visited, attack_id, hit, cursor or None)
        if opened is None:
            return _missing_page()
        with frame(visited, f"Attack #{attack_id}", "Attacks"):
            attack_page.show(visited, opened)
        return None

    @ui.page("/nodes")
    async def nodes(request: Request) -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        rows = await asyncio.to_thread(list_nodes, service.database)
        with frame(visited, "Nodes", "Nodes"):
            NodeList(visited, rows)
        return None


def _add_health(service: Service, title: str) -> None:
    @ui.page("/health")
    async def health(request: Request) -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        told = mirror_health.read(await asyncio.to_thread(list_nodes, service.database))
        with frame(visited, "Mirror health", "Mirror"):
            mirror_health.HealthPage(visited, told)
        return None


def _add_apis(service: Service, title: str) -> None:
    @ui.page("/apis")
    async def apis(
        request: Request,
        *,
        host: _Text = "",
        path: _Text = "",
        state: _Text = "",
        risk: _Text = "",
        sensitive: _Text = "",
        sort: _Text = "",
        page: _Text = "",
    ) -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        view = api_list.view_of(host, path, state, risk, sensitive, sort, page)
        shown = await asyncio.to_thread(api_list.read, service, view)
        with frame(visited, "API Discovery", "APIs"):
            api_list.ApiList(visited, view, shown)
        return None

    @ui.page("/apis/{endpoint_id}")
    async def api(request: Request, endpoint_id: _Id) -> Response | None:
        visited = await asyncio.to_thread(visit, service, title, request)
        if isinstance(visited, Response):
            return visited
        found = await asyncio.to_thread(endpoint_detail, service.database, endpoint_id)
        if found is None:
            return _missing_page()
        with frame(visited, f"{found[1].method} {found[1].path}"[:80], "APIs"):
            api_page.show(*found)
        return None


async def _missing(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": "There is nothing at this address."}, 404)
    return _missing_page()


def _missing_page() -> Response:
    return HTMLResponse(_MISSING, 404, headers={"Content-Security-Policy": _MISSING_POLICY})
