"""The sources: allow, deny and gray lists, and the databases and lists that tell what a source is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.enrichment.book import Shelf
from tcpmirror.cloud.enrichment.entries import BadEntry, EntryWish, list_entries
from tcpmirror.cloud.enrichment.marking import put_on_list, take_off_list
from tcpmirror.cloud.enrichment.source import KINDS
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import SOURCES
from tcpmirror.console.address import Address
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block, link, table
from tcpmirror.console.short_rows import Kind, ShortRows
from tcpmirror.console.text import shortened, visible

_KIND: Final = Kind("sources", "Allow, deny and gray lists", SOURCES, "Nothing is on a list.", "/api/v1/source-lists")
LISTS: Final = {"deny": "Deny", "gray": "Gray", "allow": "Allow"}
_KINDS: Final = {"network": "Address or network", "country": "Country", "source": "Kind of source"}
_EXPIRIES: Final = {0: "Never", 3600: "In an hour", 86_400: "In a day", 7 * 86_400: "In a week", 30 * 86_400: "In 30 days"}
_HINTS: Final = {
    "network": "As 192.0.2.7, 192.0.2.0/24 or 192.0.2.1-192.0.2.9",
    "country": "Two letters, as NL",
    "source": f"One of {', '.join(KINDS)}",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """What the page shows."""

    entries: list[Row[Any]]
    shelves: list[Shelf]


def read(visited: Visit) -> Stored:
    service = visited.service
    return Stored(list_entries(service.database, service.clock()), service.book.shelves())


class SourcesPage:
    """The page's state in one browser tab; the address may say a value that the form begins with."""

    def __init__(self, visited: Visit, address: Address, stored: Stored) -> None:
        self._visited = visited
        with block("div", "tm-head"):
            Text("h1", "Sources")
        with block("div", "tm-stack"):
            with block("section", "tm-panel"):
                self._rows = ShortRows(address, _KIND, self._build)
                Text(
                    "p",
                    "A mirror sees copies of the traffic and cannot block: a list marks what comes from its sources, "
                    "so that you can find it (list:deny) or leave it out (!list:allow). "
                    "Where a source is on several, allow goes before deny, and deny before gray.",
                    "tm-quiet",
                )
                if visited.account.role.may(Role.ANALYST):
                    self._form(address.of("value"))
                self._rows.place(stored.entries)
            with block("section", "tm-panel"):
                Text("h2", "What tells of sources")
                _shelves(stored.shelves)

    def _form(self, value: str) -> None:
        with block("div", "tm-fields"):
            on = ui.select(LISTS, value="deny", label="List").props("outlined dense").classes("tm-filter")
            kind = ui.select(_KINDS, value="network", label="What").props("outlined dense").classes("tm-filter")
            what = ui.input("Value", value=value).props("outlined dense maxlength=100 autocomplete=off").classes("tm-filter")
            what.props["hint"] = _HINTS["network"]
            kind.on_value_change(lambda event: what.props(remove="hint").props.update(hint=_HINTS[str(event.value)]))
            reason = ui.input("Reason").props("outlined dense maxlength=500 autocomplete=off").classes("tm-filter")
            expiry = ui.select(_EXPIRIES, value=0, label="Expires").props("outlined dense").classes("tm-filter")

            async def add() -> None:
                now_ns, seconds = self._visited.service.clock(), int(expiry.value or 0)
                wish = EntryWish(
                    str(on.value),
                    str(kind.value),
                    str(what.value or ""),
                    str(reason.value or ""),
                    now_ns + seconds * 10**9 if seconds else None,
                )
                if await self._put(wish):
                    what.value = reason.value = ""

            Text("button", "Put on the list", "tm-button").props('type="button"').on("click", add)

    async def _put(self, wish: EntryWish) -> bool:
        service = self._visited.service
        if not await self._visited.allows(Role.ANALYST):
            return False
        try:
            await asyncio.to_thread(put_on_list, service.database, service.book, wish, self._visited.actor, service.clock())
        except BadEntry as error:
            ui.notify(visible(str(error)), type="warning")
            return False
        ui.notify("Saved.", type="positive")
        await self._again()
        return True

    async def _remove(self, number: int) -> None:
        service = self._visited.service
        if await self._visited.allows(Role.ANALYST):
            await asyncio.to_thread(
                take_off_list, service.database, service.book, number, self._visited.actor, service.clock()
            )
            await self._again()

    async def _again(self) -> None:
        self._rows.show((await asyncio.to_thread(read, self._visited)).entries)

    def _build(self, entries: list[Row[Any]]) -> None:
        names = ("List", "What", "Reason", "Expires", "By", "")
        with block("div", "tm-table-wrap tm-flat"), table("Lists of sources", names, "tm-records"):
            for row in entries:
                self._row(row)

    def _row(self, row: Row[Any]) -> None:
        search = {"network": f"ip:{row.value}", "country": f"country:{row.value}", "source": f"source:{row.value}"}[row.kind]
        with block("tr"):
            with block("td"):
                Text("span", row.list, f"tm-mark-{row.list} tm-list-mark")
            with block("td"):
                Text("span", "What", "tm-sheet-name")
                link(shortened(row.value, 90), f"/attacks?{urlencode({'q': search})}", "tm-mono")
            with block("td"):
                Text("span", "Reason", "tm-sheet-name")
                Text("span", shortened(row.reason, 80) or "—")
            with block("td"):
                Text("span", "Expires", "tm-sheet-name")
                LocalTime(row.expires_ns) if row.expires_ns else Text("span", "never")
            with block("td"):
                Text("span", "By", "tm-sheet-name")
                Text("span", shortened(row.created_by, 64))
            with block("td"):
                if self._visited.account.role.may(Role.ANALYST):
                    remove = Text("button", "Take off", "tm-chip").props('type="button"')
                    remove.on("click", lambda: self._remove(row.id))


def _shelves(shelves: list[Shelf]) -> None:
    if not shelves:
        Text(
            "p",
            "Nothing: countries, networks and kinds of sources are unknown. Give MMDB files and lists of addresses as "
            "cloud.source_databases and cloud.source_lists in the settings, or to tcpmirror-cloud as --source-database and "
            "--source-list.",
            "tm-quiet",
        )
        return
    with block("table", "tm-sheet tm-records").props('aria-label="Databases and lists"'):
        with block("thead"), block("tr"):
            for name in ("Kind", "From", "About", "Problem"):
                Text("th", name).props('scope="col"')
        with block("tbody"):
            for one in shelves:
                with block("tr"):
                    for name, value in (("Kind", one.name), ("From", one.origin), ("About", one.about)):
                        with block("td"):
                            Text("span", name, "tm-sheet-name")
                            Text("span", shortened(value, 200) or "—")
                    with block("td"):
                        Text("span", "Problem", "tm-sheet-name")
                        Text("span", shortened(one.problem, 300) or "none", "tm-warn" if one.problem else "")
