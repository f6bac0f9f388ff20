"""The nodes: which sensors report here, how each does and what its doctor finds; administrators name and remove them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.nodes import (
    ORDERS,
    SILENT_NS,
    NodeFilter,
    NodePage,
    change_node,
    node_health,
    page_of_nodes,
    remove_node,
)
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service
from tcpmirror.console import mirror_health
from tcpmirror.console.frame import Visit
from tcpmirror.console.live_list import ROWS, LiveList, page_number, pager
from tcpmirror.console.parts import LocalTime, Text, block, button, cell, choice, files_of, link, table, text_filter
from tcpmirror.console.text import counted, shortened

_NAME_LIMIT: Final = 256
_COLUMNS: Final = ("Node", "Last heard of", "Exchanges", "Packets", "Dropped", "Coverage", "Waiting", "Rules", "Doctor")
_ORDER_NAMES: Final = {
    "last": "Last heard of",
    "first": "Registered last",
    "name": "Name",
    "group": "Group",
    "version": "Version",
}
_FINDINGS: Final = 5  # of a doctor, in the list; its page has all


_ALL: Final = NodeFilter()


@dataclass(frozen=True, slots=True)
class View:
    """What the URL says: which nodes, in which order, which page of them."""

    wanted: NodeFilter = _ALL
    page: int = 1

    def url(self) -> str:
        query = urlencode(self._named() | ({} if self.page == 1 else {"page": str(self.page)}))
        return f"/nodes?{query}" if query else "/nodes"

    def files(self) -> dict[str, str]:
        """Return where all that the view shows can be had as a file, by ending."""
        return files_of("/api/v1/nodes", self._named())

    def of(self, **changes: str) -> View:
        """Return the first page of the view with other *changes* of what is wanted."""
        return View(replace(self.wanted, **changes))

    def _named(self) -> dict[str, str]:
        named = {"text": self.wanted.text, "sort": "" if self.wanted.sort == "last" else self.wanted.sort}
        return {name: value for name, value in named.items() if value}


def view_of(text: str, sort: str, page: str) -> View:
    """Return what the parameters of a URL ask for; what is none of the choices is left out."""
    return View(NodeFilter(text.strip()[:200], sort if sort in ORDERS else "last"), page_number(page))


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of nodes; ``silent``: for each, since how many minutes it has not been heard of."""

    page: NodePage
    silent: tuple[int, ...]


def read(service: Service, view: View) -> Shown:
    page = page_of_nodes(service.database, view.wanted, ROWS, (view.page - 1) * ROWS)
    return Shown(page, tuple((service.clock() - row.last_seen_ns) // (SILENT_NS // 2) for row in page.rows))


class NodeList:
    """The page's state in one browser tab."""

    def __init__(self, visited: Visit, view: View, shown: Shown) -> None:
        self._visited, self._view = visited, view
        files = view.files()
        self._rows = LiveList(
            visited, "Nodes", files, lambda: read(visited.service, view), lambda found: found.page.total, self._build
        )
        self._filters()
        self._rows.place(shown)
        self._asked = block("div")  # what asks back lives here: the list is built anew whenever it changes

    def _filters(self) -> None:
        view = self._view
        with block("div", "tm-filters").props('role="search"'):
            choice("Sorted by", _ORDER_NAMES, view.wanted.sort, lambda value: view.of(sort=value).url())
            text_filter("Name, host or group", view.wanted.text, lambda text: view.of(text=text).url())

    def _build(self, shown: Shown) -> None:
        if not shown.page.rows:
            _nobody() if self._view == View() else _no_match()
            return
        may_change = self._visited.account.role.may(Role.ADMIN)
        with block("div", "tm-table-wrap"), table("Nodes", (*_COLUMNS, "") if may_change else _COLUMNS):
            for row in shown.page.rows:
                with block("tr"):
                    self._row(row, may_change)
        pager(self._view.page, shown.page.total, lambda page: replace(self._view, page=page).url())

    def _row(self, row: Row[Any], may_change: bool) -> None:
        now_ns = self._visited.service.clock()
        health = node_health(row, now_ns)
        with block("td"), block("div"):
            Text("span", "", "tm-dot tm-heard" if health.is_live else "tm-dot tm-silent")
            Text("b", shortened(row.name, 80) or row.id[:8]).tooltip(row.id)
            about = (row.hostname, row.group_name, row.version, row.mode)
            Text("div", " · ".join(shortened(each, 60) for each in about if each), "tm-quiet tm-small")
        with cell("Last heard of"):
            LocalTime(row.last_seen_ns)
            if not health.is_live:
                Text(
                    "div",
                    f"silent for {counted((now_ns - row.last_seen_ns) // 60_000_000_000, 'minute')}",
                    "tm-warn tm-small",
                )
        for name, number in (("Exchanges", health.exchanges), ("Packets", health.packets), ("Dropped", health.drops)):
            with cell(name):
                Text("span", "—" if number is None else f"{number:,}", "tm-warn" if name == "Dropped" and number else "")
        with cell("Coverage"):
            Text("span", "—" if health.coverage is None else f"{health.coverage:.1%}")
        with cell("Waiting"):
            Text("span", "—" if health.backlog is None else f"{health.backlog:,}").tooltip("reports in its spool")
        with cell("Rules"):
            Text("span", "—" if health.rules_serial is None else f"#{health.rules_serial}")
            if health.rules_problem:
                Text("div", shortened(health.rules_problem, 300), "tm-warn tm-small")
            if health.settings_serial:
                Text("div", f"settings #{health.settings_serial}", "tm-quiet tm-small")
            if health.settings_problem:
                Text("div", f"settings refused: {shortened(health.settings_problem, 300)}", "tm-warn tm-small")
        with cell("Doctor"):
            _doctor(row)
        if may_change:
            with block("td"), block("div", "tm-buttons"):
                button("Rename", lambda: self._rename(row), "tm-chip", f"Rename {shortened(row.name, 80) or row.id[:8]}")
                button("Remove", lambda: self._remove(row), "tm-chip", f"Remove {shortened(row.name, 80) or row.id[:8]}")

    def _rename(self, row: Row[Any]) -> None:
        """Ask for a name and a group; the list goes on meanwhile."""
        with self._asked, ui.dialog(value=True) as dialog, ui.card().classes("tm-dialog"):
            Text("h2", "Name and group")
            name = _field("Name", row.name)
            group = _field("Group", row.group_name)

            async def save() -> None:
                wished = str(name.value or "").strip(), str(group.value or "").strip()
                if wished[0]:
                    dialog.close()
                    await self._administer(row.id, wished)

            with block("div", "tm-buttons"):
                button("Save", save, "tm-chip", "Save the name and the group")
                button("Cancel", dialog.close, "tm-chip", "Leave them as they are")
        dialog.on("hide", dialog.delete)

    def _remove(self, row: Row[Any]) -> None:
        with self._asked, ui.dialog(value=True) as dialog, ui.card().classes("tm-dialog"):
            Text("h2", f"Remove {shortened(row.name, 80) or row.id[:8]}?")
            Text("p", "Its credential ends. What it reported stays. A sensor that is alive registers again by its token.")

            async def remove() -> None:
                dialog.close()
                await self._administer(row.id, None)

            with block("div", "tm-buttons"):
                button("Remove it", remove, "tm-chip", "Remove the node")
                button("Keep it", dialog.close, "tm-chip", "Keep the node")
        dialog.on("hide", dialog.delete)

    async def _administer(self, node_id: str, wished: tuple[str, str] | None) -> None:
        """Give the node the name and group *wished*, or remove it, if this person is still an administrator."""
        visited = self._visited
        if not await visited.allows(Role.ADMIN):
            return
        database, actor, now_ns = visited.service.database, visited.actor, visited.service.clock()
        if wished is None:
            await asyncio.to_thread(remove_node, database, node_id, actor, now_ns)
        else:
            await asyncio.to_thread(change_node, database, node_id, *wished, actor, now_ns)
        await self._rows.refresh()


def _doctor(row: Row[Any]) -> None:
    """Say what the sensor's doctor finds, the worst first."""
    told = mirror_health.read([row])[0].health
    if told is None:
        Text("span", "has not told", "tm-quiet")
        return
    found = [one for level in ("problem", "warning") for one in told.advice if one.level == level]
    if not found:
        Text("span", "nothing wrong", "tm-good")
        return
    with block("ul", "tm-list"):
        for one in found[:_FINDINGS]:
            Text(
                "li", f"{shortened(one.where, 60)}: {shortened(one.what, 160)}", "tm-warn" if one.level == "problem" else ""
            )
    link(f"All {len(found)}, and what to do" if len(found) > _FINDINGS else "What to do", "/health")


def _no_match() -> None:
    with block("div", "tm-empty"):
        ui.icon("sensors").classes("tm-empty-icon")
        Text("h2", "No node matches")
        link("Show all nodes", "/nodes", "tm-button")


def _nobody() -> None:
    with block("div", "tm-empty"):
        ui.icon("sensors").classes("tm-empty-icon")
        Text("h2", "No sensor has registered")
        Text("p", "A sensor registers with an API token of the role deploy: make one under Settings, put it and the address")
        Text("p", "of this service under cloud: in the sensor's settings, and start the sensor.")
        with block("div", "tm-buttons"):
            link("Make a token", "/settings", "tm-button")
            link("Set up a mirror", "/setup", "tm-button")


def _field(label: str, value: str) -> ui.input:
    field = ui.input(label, value=value).props(f"outlined dense maxlength={_NAME_LIMIT} autocomplete=off")
    return field.classes("tm-filter")
