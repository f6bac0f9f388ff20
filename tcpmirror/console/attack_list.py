"""The attack list: searched, sorted, grouped and paged by the server, kept up to date, its view in the URL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.attacks import GROUPINGS, ORDERS, BadCursor, Group, Page, count_attacks, group_attacks, list_attacks
from tcpmirror.cloud.enrichment.marking import known_sources
from tcpmirror.cloud.nodes import count_nodes
from tcpmirror.cloud.search.grammar import SearchError
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.search.tree import All
from tcpmirror.cloud.search.writing import narrowed, term
from tcpmirror.cloud.service import Service
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import AttackTable, LocalTime, SearchBox, Text, block, link
from tcpmirror.console.text import counted, shortened, source_text, status_family, type_family, type_name, utc, visible
from tcpmirror.model.finding import SEVERITIES
from tcpmirror.model.point import point_text

ROWS: Final = 50
REFRESH_S: Final = 3.0
DEFAULT_SORT: Final = "-last"
_COUNTED: Final = 10_000
_PERIODS: Final = {"last hour": "1 hour", "last 24h": "24 hours", "last week": "7 days", "last month": "30 days"}
_GROUP_NAMES: Final = {
    "": "Attacks",
    "type": "By type",
    "source": "By source",
    "country": "By country",
    "target": "By target",
}
_GROUP_KEYS: Final = {"type": "type", "source": "ip", "country": "country", "target": "domain"}


@dataclass(frozen=True, slots=True)
class Place:
    """A page of attacks; ``search``: what all of them have in common."""

    name: str
    path: str
    search: str


PLACES: Final = {
    place.name: place for place in (Place("Attacks", "/attacks", ""), Place("Incidents", "/incidents", "incidents"))
}


@dataclass(frozen=True, slots=True)
class View:
    """What the URL says: which attacks, in which order, from which one on, or grouped by what."""

    place: Place = PLACES["Attacks"]
    q: str = ""
    sort: str = DEFAULT_SORT
    group: str = ""
    cursor: str | None = None

    def url(self, path: str = "") -> str:
        path = path or self.place.path
        sort = "" if self.sort == DEFAULT_SORT else self.sort
        named = {"q": self.q, "sort": sort, "group": self.group, "cursor": self.cursor or ""}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"{path}?{query}" if query else path

    def narrowed(self, more: str) -> View:
        return replace(self, q=narrowed(self.q, more), cursor=None)

    def file(self, ending: str) -> str:
        """Return where all that the view shows can be had as a file."""
        return replace(self, q=self.whole, group="", cursor=None).url(f"/api/v1/attacks.{ending}")

    @property
    def whole(self) -> str:
        """The search together with what the page is about."""
        return narrowed(self.q, self.place.search)


@dataclass(frozen=True, slots=True)
class Shown:
    """One reading of the store for a view; ``problem``: the search cannot be understood, and nothing else was read."""

    page: Page | None = None
    groups: tuple[Group, ...] = ()
    total: int = 0
    nodes: int = 0
    problem: str = ""
    known: Mapping[str, Row[Any]] = field(default_factory=dict)  # of the sources, by address


def view_of(place: Place, q: str, sort: str, group: str, cursor: str) -> View:
    """Return the view of a URL; what is no order or grouping counts as not given."""
    return View(
        place, q.strip(), sort if sort in ORDERS else DEFAULT_SORT, group if group in GROUPINGS else "", cursor or None
    )


def read(service: Service, view: View) -> Shown:
    """Return what *view* shows; ``page`` None: it is grouped, or its cursor is not one of ours."""
    database = service.database
    try:
        wanted = parse(view.q, service.clock())
        if view.place.search:
            wanted = All((wanted, parse(view.place.search, service.clock())))
    except SearchError as error:
        return Shown(problem=str(error))
    nodes = count_nodes(database)
    if view.group:
        groups = group_attacks(database, wanted, view.group, ROWS)
        return Shown(None, groups, count_attacks(database, wanted, _COUNTED), nodes)
    try:
        page = list_attacks(database, wanted, ROWS, view.cursor, ORDERS[view.sort])
    except BadCursor:
        return Shown(None, (), count_attacks(database, wanted, _COUNTED), nodes)
    # What is rare takes longest to find; where one page has all of it, it has been counted.
    is_all = view.cursor is None and page.next_cursor is None
    total = len(page.rows) if is_all else count_attacks(database, wanted, _COUNTED)
    known = known_sources(database, (row.last_source for row in page.rows))
    return Shown(page, (), total, nodes, known=known)


class AttackList:
    """The page's state in one browser tab."""

    def __init__(self, visited: Visit, view: View, shown: Shown) -> None:
        self._visited = visited
        self._view = view
        with block("div", "tm-head"):
            Text("h1", view.place.name)
            self._count = Text("span", "", "tm-count").props('aria-live="polite"')
            self._live = ui.switch("Live", value=True).props("dense").classes("tm-live")
        self._search = SearchBox(view.q, self._searched, self._back)
        with block("div", "tm-chips"):
            for term_, label in _PERIODS.items():
                self._chip(label, f"Only the {term_}", lambda term_=term_: self._during(term_))
            block("span", "tm-chips-gap")
            self._groupings = {
                name: self._chip(label, "", lambda name=name: self._group(name)) for name, label in _GROUP_NAMES.items()
            }
            block("span", "tm-chips-gap")
            self._files = {ending: link(ending.upper(), "", "tm-chip") for ending in ("csv", "json")}
            for ending, anchor in self._files.items():
                anchor.props(f'download aria-label="Export as {ending.upper()}"')
        self._table = AttackTable([], view.sort, self._narrow, self._sort)
        self._groups = block("div")
        self._empty = block("div", "tm-empty")
        with block("div", "tm-pager"):
            self._newest = link("First page", view.place.path, "tm-button")
            self._older = link("Next page", view.place.path, "tm-button")
        self._empty.set_visibility(False)
        self._show_links(None)
        self._show(shown)
        ui.timer(REFRESH_S, self._refresh, immediate=False)

    def _chip(self, label: str, title: str, act: Any) -> Text:
        chip = Text("button", label, "tm-chip").props('type="button"').on("click", act)
        if title:
            chip.props(f'title="{title}"')
        return chip

    async def _searched(self, q: str) -> None:
        if q != self._view.q:
            await self._go(replace(self._view, q=q, cursor=None))

    async def _back(self, named: dict[str, str]) -> None:
        self._view = view_of(self._view.place, *(str(named.get(name, "")) for name in ("q", "sort", "group", "cursor")))
        await self._read_again()

    async def _narrow(self, more: str) -> None:
        await self._go(replace(self._view.narrowed(more), group=""))

    async def _during(self, period: str) -> None:
        """Put *period* in the place of one that was chosen before."""
        kept = self._view.q
        for other in _PERIODS:
            kept = f" {kept} ".replace(f" {other} ", " ").strip()
        await self._go(replace(self._view, q=narrowed(kept, period), cursor=None))

    async def _sort(self, sort: str) -> None:
        if sort in ORDERS:
            await self._go(replace(self._view, sort=sort, cursor=None))

    async def _group(self, name: str) -> None:
        await self._go(replace(self._view, group=name, cursor=None))

    async def _go(self, view: View) -> None:
        if view == self._view:
            return
        self._view = view
        ui.navigate.history.push(view.url())
        self._search.show(view.q, self._search.problem)
        await self._read_again()

    async def _refresh(self) -> None:
        if self._live.value:
            await self._read_again()

    async def _read_again(self) -> None:
        view = self._view
        if not await asyncio.to_thread(self._visited.is_signed_in):
            ui.navigate.to("/sign-in")
            return
        shown = await asyncio.to_thread(read, self._visited.service, view)
        if view is self._view:  # else it was changed meanwhile, and its own answer is on the way
            self._show(shown)

    def _show(self, shown: Shown) -> None:
        self._search.show(self._view.q, shown.problem)
        if shown.problem:  # what was there stays in view while a search is being written
            self._table.set_visibility(self._table.has_rows)
            return
        rows = [table_row(row, shown.known.get(row.last_source)) for row in shown.page.rows] if shown.page else []
        self._table.show(rows, self._view.sort)
        self._table.set_visibility(bool(rows))
        more = "+" if shown.total >= _COUNTED else ""
        self._count.text = f"{shown.total:,}{more}" if shown.total else "none"
        self._show_groups(shown.groups)
        self._show_links(shown.page.next_cursor if shown.page else None)
        self._show_empty(shown, bool(rows or shown.groups))

    def _show_links(self, next_cursor: str | None) -> None:
        self._older.set_visibility(next_cursor is not None)
        self._older.props["href"] = replace(self._view, cursor=next_cursor).url()
        self._newest.set_visibility(self._view.cursor is not None)
        self._newest.props["href"] = replace(self._view, cursor=None).url()
        for ending, anchor in self._files.items():
            anchor.props["href"] = self._view.file(ending)
        for name, chip in self._groupings.items():
            chip.props["aria-pressed"] = "true" if name == self._view.group else "false"

    def _show_groups(self, groups: tuple[Group, ...]) -> None:
        self._groups.set_visibility(bool(groups))
        self._groups.clear()
        if not groups:
            return
        most = max(group.hits for group in groups)
        with self._groups, block("div", "tm-table-wrap"), block("table", "tm-sheet tm-groups") as table:
            table.props(f'aria-label="Attacks {_GROUP_NAMES[self._view.group].lower()}"')
            with block("thead"), block("tr"):
                for name in (_GROUP_NAMES[self._view.group][3:].capitalize(), "Attacks", "Hits", "Last seen"):
                    Text("th", name).props('scope="col"')
            with block("tbody"):
                for group in groups:
                    self._group_row(group, most)

    def _group_row(self, group: Group, most: int) -> None:
        kind = self._view.group
        more = term(_GROUP_KEYS[kind], group.value)
        label = (
            type_name(group.value)
            if kind == "type"
            else shortened(group.value, 200) or ("unknown" if kind == "country" else "—")
        )
        with block("tr"):
            with block("td"):
                target = replace(self._view.narrowed(more), group="").url()
                link(label, target, "" if kind == "type" else "tm-mono") if more else Text("span", label)
                block("span", "tm-facet-bar").style(f"width: {100 * group.hits / most:.1f}%")
            for name, number in (("Attacks", group.attacks), ("Hits", group.hits)):
                with block("td"):
                    Text("span", name, "tm-sheet-name")
                    Text("span", f"{number:,}")
            with block("td"):
                Text("span", "Last seen", "tm-sheet-name")
                LocalTime(group.last_ns)

    def _show_empty(self, shown: Shown, has_rows: bool) -> None:
        self._empty.set_visibility(not has_rows)
        self._empty.clear()
        if has_rows:
            return
        with self._empty:
            ui.icon("shield").classes("tm-empty-icon")
            if self._view.cursor:
                Text("h2", "There is nothing here any more")
                Text("p", "This link points past the end of the list.")
                link("Go to the first page", replace(self._view, cursor=None).url(), "tm-button")
            elif self._view.q:
                Text("h2", "No attack matches")
                Text("p", "Take a word out of the search, or widen what it looks for.")
                link(f"Show all {self._view.place.name.lower()}", self._view.place.path, "tm-button")
            elif self._view.place.search:
                Text("h2", "No incident seen")
                Text(
                    "p",
                    "An incident is an attack whose response shows that it succeeded. No attack here did.",
                )
                link("Look at the attacks", "/attacks", "tm-button")
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


def table_row(row: Row[Any], known: Row[Any] | None = None) -> dict[str, Any]:
    """Return what the table shows of one attack, and the terms its values narrow a search by; text is visible and short.

    *known*: what is known of its last source.
    """
    return {
        "id": row.id,
        "time_ms": row.last_ns // 1_000_000,
        "iso": utc(row.last_ns),
        "type": row.type,
        "type_name": type_name(row.type),
        "family": type_family(row.type),
        "source": shortened(row.last_source, 60),
        "more_sources": row.sources - 1,
        "country": known.country if known else "",
        "about_source": source_text(known) if known else "",
        "mark": known.mark if known else "",
        "host": shortened(row.host, 200),
        "method": shortened(row.method or "", 16),
        "path": shortened(row.path, 300) or "/",
        "parameter": shortened(row.parameter, 80),
        "point": visible(point_text(tuple(row.point)))[:400],
        "payload": shortened(row.last_payload, 200) or "—",
        "more_payloads": max(row.payloads - 1, 0),
        "hits": f"{row.hits:,}",
        "severity": SEVERITIES[row.severity - 1] if row.severity else "",
        "proof": shortened(row.evidence, 120) if row.evidence_hits else "",
        "status": str(row.last_status) if row.last_status is not None else "—",
        "status_family": status_family(row.last_status),
        "terms": {
            "type": term("type", row.type),
            "severity": term("severity", SEVERITIES[row.severity - 1]) if row.severity else "",
            "source": term("ip", row.last_source),
            "country": term("country", known.country) if known else "",
            "mark": term("list", known.mark) if known else "",
            "host": term("domain", row.host),
            "path": term("url", row.path),
            "parameter": term("param", row.parameter),
            "status": term("statuscode", "none" if row.last_status is None else str(row.last_status)),
        },
    }
