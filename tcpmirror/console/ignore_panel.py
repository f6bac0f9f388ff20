"""What is ignored by order of the people here, and a form for more with every condition that nodes know."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.ignore_rules import BadEntry, NameTaken, checked_entry, create_rule, list_rules, remove_rule
from tcpmirror.cloud.preview import WEEK_NS, preview
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import IGNORED
from tcpmirror.console.address import Address
from tcpmirror.console.frame import Visit
from tcpmirror.console.judgement import entry_text, show_silenced
from tcpmirror.console.parts import LocalTime, Text, block, button, link
from tcpmirror.console.short_rows import Kind, ShortRows
from tcpmirror.console.text import shortened, type_name, visible
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.settings.policy_keys import CONDITION_TYPES, PARSERS
from tcpmirror.settings.tree import Ignore

_KIND: Final = Kind(
    "ignored",
    "Ignored by order of the people here",
    IGNORED,
    "Nothing. Mark an attack as a false positive on its page, and what is ignored stands here.",
    "/api/v1/ignore-rules",
)
_TEXTS: Final = {
    "name": "Name",
    "host": "Host, such as *.shop.example",
    "path": "Path, such as /editor/*",
    "point": "Point, such as post.json_doc",
    "parameter": "Parameter, header or cookie",
}
_LISTS: Final = {"rules": "Rules, such as xss-*", "networks": "Sources, such as 10.0.0.0/8"}
_WHERE_EXAMPLE: Final = "header.HOST equal shop.example"


class IgnorePanel:
    """The panel in one browser tab."""

    def __init__(self, visited: Visit, address: Address, rows: list[Row[Any]]) -> None:
        self._visited = visited
        self._inputs: dict[str, Any] = {}
        with block("section", "tm-panel"):
            self._rows = ShortRows(address, _KIND, self._build)
            self._rows.place(rows)
            if visited.account.role.may(Role.ANALYST):
                self._form()

    def _form(self) -> None:
        with block("details", "tm-details"):
            Text("summary", "Ignore something else")
            Text(
                "p",
                "Sensors no longer report what all of these hold for; what is empty holds for everything.",
                "tm-quiet",
            )
            with block("div", "tm-fields"):
                for name, label in _TEXTS.items():
                    self._inputs[name] = ui.input(label).props("outlined dense maxlength=512").classes("tm-filter")
                for name, label in _LISTS.items():
                    self._inputs[name] = ui.input(label).props("outlined dense maxlength=2000").classes("tm-filter")
                self._choices("types", "Attack types", {kind: type_name(kind) for kind in sorted(ATTACK_TYPES)})
                self._choices("parsers", "Decoded by", {name: name for name in PARSERS})
            where = ui.textarea(f"Where, one a line: {_WHERE_EXAMPLE}")
            where.props("outlined dense autogrow maxlength=8000 spellcheck=false").classes("tm-filter tm-spaced")
            self._inputs["where"] = where
            self._inputs["binary"] = ui.checkbox("Only in values that are binary")
            self._reason = ui.input("Why").props("outlined dense maxlength=1000").classes("tm-filter tm-spaced")
            self._problem = Text("p", "", "tm-warn").props('role="status"')
            self._silenced = block("div")
            with block("div", "tm-buttons"):
                button("See what it would have silenced", self._preview)
                button("Ignore these", self._create, "tm-button tm-main-button")

    def _choices(self, name: str, label: str, words: dict[str, str]) -> None:
        chosen = ui.select(words, multiple=True, value=[], label=label)
        self._inputs[name] = chosen.props("outlined dense options-dense use-chips").classes("tm-filter")

    def _given(self) -> dict[str, Any]:
        """Return what the form says, as fields of `settings.tree.Ignore`; BadEntry."""
        given = {name: self._inputs[name].value for name in ("types", "parsers", "binary")}
        given |= {name: str(self._inputs[name].value or "").strip() for name in _TEXTS}
        given |= {name: str(self._inputs[name].value or "").replace(",", " ").split() for name in _LISTS}
        given["where"] = conditions_of(str(self._inputs["where"].value or ""))
        return {name: value for name, value in given.items() if value}

    async def _preview(self) -> None:
        if not await self._visited.allows(Role.ANALYST):
            return
        self._silenced.clear()
        try:
            entry = checked_entry(self._given())
        except BadEntry as error:
            self._problem.text = visible(str(error))[:600]
            return
        self._problem.text = ""
        service = self._visited.service
        looked = await asyncio.to_thread(preview, service.database, entry, service.clock() - WEEK_NS)
        with self._silenced:
            show_silenced(looked)

    async def _create(self) -> None:
        if not await self._visited.allows(Role.ANALYST):
            return
        service, reason = self._visited.service, str(self._reason.value or "").strip()
        try:
            given = self._given()
            await asyncio.to_thread(create_rule, service.database, given, reason, None, self._visited.actor, service.clock())
        except BadEntry as error:
            self._problem.text = visible(str(error))[:600]
            return
        except NameTaken as error:
            self._problem.text = visible(f"There is an entry called {error} already.")
            return
        self._problem.text = ""
        self._silenced.clear()
        await self._refresh()

    def _build(self, rows: list[Row[Any]]) -> None:
        with block("ul", "tm-comments"):
            for row in rows:
                self._row(row)

    def _row(self, row: Row[Any]) -> None:
        given: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in row.entry.items()}
        entry = Ignore(**given)
        with block("li"):
            with block("span", "tm-hit-line"):
                Text("b", shortened(row.created_by, 64))
                LocalTime(row.created_ns)
            Text("pre", entry_text(entry), "tm-pre")
            if row.reason:
                Text("p", visible(row.reason))
            with block("div", "tm-buttons"):
                if row.attack_id is not None:
                    link(f"Attack #{row.attack_id}", f"/attacks/{row.attack_id}", "tm-chip")
                if self._visited.account.role.may(Role.ANALYST):
                    button("Report these again", lambda: self._remove(row.id), "tm-chip", f"Report {row.name} again")

    async def _remove(self, rule_id: int) -> None:
        if not await self._visited.allows(Role.ANALYST):
            return
        service = self._visited.service
        await asyncio.to_thread(remove_rule, service.database, rule_id, self._visited.actor, service.clock())
        await self._refresh()

    async def _refresh(self) -> None:
        self._rows.show(await asyncio.to_thread(list_rules, self._visited.service.database))


def conditions_of(text: str) -> list[dict[str, str]]:
    """Return the conditions in *text*, one a line: a value's place, how it compares, with what; BadEntry.

    `header.HOST equal shop.example`, `get.page regex ^[0-9]+$`, `header.REFERER absent`.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        point, _, rest = line.strip().partition(" ")
        kind, _, value = rest.strip().partition(" ")
        if kind not in CONDITION_TYPES:
            accepted = f"a place, {', '.join(CONDITION_TYPES)}, and a value, as in {_WHERE_EXAMPLE}"
            raise BadEntry(f"where: line {number}, {line.strip()[:80]!r}; accepted: {accepted}")
        found.append({"point": point, "type": kind} | ({"value": value.strip()} if value.strip() else {}))
    return found
