"""The attack list: filtered and paged by the server, kept up to date, its view in the URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.attacks import AttackFilter, BadCursor, Page, attack_types, count_attacks, list_attacks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.nodes import list_nodes
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import AttackTable, Text, block, link
from tcpmirror.console.text import counted, shortened, status_family, type_family, type_name, utc, visible
from tcpmirror.model.point import point_text

ROWS: Final = 50
REFRESH_S: Final = 3.0
_COUNTED: Final = 10_000
_TEXT_FILTERS: Final = {"source": "Source", "host": "Host", "path": "Path", "status": "Response"}
_HINTS: Final = {"source": "203.0.113.", "host": "shop.example", "path": "/login", "status": "404 or 4xx"}


@dataclass(frozen=True, slots=True)
class View:
    """What the URL says: which attacks, from which one on."""

    wanted: AttackFilter = field(default_factory=AttackFilter)
    cursor: str | None = None

    def url(self) -> str:
        named = {name: getattr(self.wanted, name) for name in ("type", *_TEXT_FILTERS)} | {"cursor": self.cursor or ""}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"/attacks?{query}" if query else "/attacks"


@dataclass(frozen=True, slots=True)
class Shown:
    """One reading of the store for a view; ``page`` None: the cursor in the URL is not one of ours."""

    page: Page | None
    total: int
    types: list[str]
    nodes: int


def read(database: Database, view: View) -> Shown:
    try:
        page = list_attacks(database, view.wanted, ROWS, view.cursor)
    except BadCursor:
        page = None
    return Shown(page, count_attacks(database, view.wanted, _COUNTED), attack_types(database), len(list_nodes(database)))


class AttackList:
    """The page's state in one browser tab."""

    def __init__(self, visited: Visit, view: View, shown: Shown) -> None:
        self._visited = visited
        self._view = view
        with block("div", "tm-head"):
            Text("h1", "Attacks")
            self._count = Text("span", "", "tm-count").props('aria-live="polite"')
            self._live = ui.switch("Live", value=True).props("dense").classes("tm-live")
        self._filters(shown.types)
        self._table = AttackTable([])
        self._empty = block("div", "tm-empty")
        with block("div", "tm-pager"):
            self._newest = link("Newest", "/attacks", "tm-button")
            self._older = link("Older", "/attacks", "tm-button")
        self._show(shown)
        ui.timer(REFRESH_S, self._refresh, immediate=False)

    def _filters(self, types: list[str]) -> None:
        wanted = self._view.wanted
        with block("div", "tm-filters").props('role="search"'):
            options = {"": "All types"} | {kind: type_name(kind) for kind in sorted({*types, wanted.type} - {""})}
            self._type = ui.select(options, value=wanted.type, label="Type", on_change=self._filter("type"))
            self._type.props("outlined dense options-dense").classes("tm-filter")
            for name, label in _TEXT_FILTERS.items():
                text = ui.input(label, placeholder=_HINTS[name], value=getattr(wanted, name), on_change=self._filter(name))
                text.props("outlined dense clearable debounce=300 maxlength=200 autocomplete=off").classes("tm-filter")

    def _filter(self, name: str) -> Callable[[Any], Any]:
        async def change(event: Any) -> None:
            value = str(event.value or "").strip()
            changes: dict[str, Any] = {name: value}
            wanted = replace(self._view.wanted, **changes)
            if wanted == self._view.wanted:
                return
            self._view = View(wanted)
            ui.navigate.history.replace(self._view.url())
            await self._read_again()

        return change

    async def _refresh(self) -> None:
        if self._live.value:
            await self._read_again()

    async def _read_again(self) -> None:
        view = self._view
        if not await asyncio.to_thread(self._visited.is_signed_in):
            ui.navigate.to("/sign-in")
            return
        shown = await asyncio.to_thread(read, self._visited.service.database, view)
        if view is self._view:  # else the filter was changed meanwhile, and its own answer is on the way
            self._show(shown)

    def _show(self, shown: Shown) -> None:
        rows = [table_row(row) for row in shown.page.rows] if shown.page else []
        self._table.show(rows)
        self._table.set_visibility(bool(rows))
        more = "+" if shown.total >= _COUNTED else ""
        self._count.text = f"{shown.total:,}{more}" if shown.total else "none"
        next_cursor = shown.page.next_cursor if shown.page else None
        self._older.set_visibility(next_cursor is not None)
        self._older.props["href"] = View(self._view.wanted, next_cursor).url()
        self._newest.set_visibility(self._view.cursor is not None)
        self._newest.props["href"] = View(self._view.wanted).url()
        self._show_empty(shown, bool(rows))

    def _show_empty(self, shown: Shown, has_rows: bool) -> None:
        self._empty.set_visibility(not has_rows)
        self._empty.clear()
        if has_rows:
            return
        with self._empty:
            ui.icon("shield").classes("tm-empty-icon")
            if shown.page is None or self._view.cursor:
                Text("h2", "There is nothing here any more")
                Text("p", "This link points past the end of the list.")
                link("Go to the newest attacks", View(self._view.wanted).url(), "tm-button")
            elif self._view.wanted != AttackFilter():
                Text("h2", "No attack matches")
                Text("p", "Take a filter away, or shorten what it looks for.")
                link("Show all attacks", "/attacks", "tm-button")
            else:
                _first_steps(shown.nodes)


def _first_steps(nodes: int) -> None:
    Text("h2", "No attack seen yet")
    if not nodes:
        Text("p", "No sensor has registered here. Start one and it appears under Nodes within seconds.")
        link("Open Nodes", "/nodes", "tm-button")
        return
    Text("p", f"{counted(nodes, 'sensor')} registered and listening. To see the whole road work, send this past the mirror:")
    Text("pre", "curl 'http://YOUR-SERVER/?file=../../../../etc/passwd'", "tm-pre")
    Text("p", "It shows up here within seconds. If it does not, look at what the sensor receives:")
    Text("pre", "tcpmirror-supervisor status", "tm-pre")


def table_row(row: Row[Any]) -> dict[str, Any]:
    """Return what the table shows of one attack; text is visible and short."""
    return {
        "id": row.id,
        "time_ms": row.last_ns // 1_000_000,
        "iso": utc(row.last_ns),
        "type": row.type,
        "type_name": type_name(row.type),
        "family": type_family(row.type),
        "source": shortened(row.last_source, 60),
        "more_sources": row.sources - 1,
        "host": shortened(row.host, 200),
        "method": shortened(row.method or "", 16),
        "path": shortened(row.path, 300) or "/",
        "parameter": shortened(row.parameter, 80),
        "point": visible(point_text(tuple(row.point)))[:400],
        "payload": shortened(row.last_payload, 200) or "—",
        "more_payloads": max(row.payloads - 1, 0),
        "hits": f"{row.hits:,}",
        "status": str(row.last_status) if row.last_status is not None else "—",
        "status_family": status_family(row.last_status),
    }
