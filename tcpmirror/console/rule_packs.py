"""The operator's rule packs, which the cloud gives to its sensors: listed, written, tried, taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.served_rules import PACK_LIMIT, BadPack, keep_pack, list_packs, remove_pack
from tcpmirror.cloud.short_lists import PACKS
from tcpmirror.console.address import Address
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block, button, cell, table, text_cell
from tcpmirror.console.short_rows import Kind, ShortRows
from tcpmirror.console.text import shortened, visible

_KIND: Final = Kind("packs", "Own rule packs", PACKS, "None yet. What is built in is below.", "/api/v1/rule-packs")
_COLUMNS: Final = ("Pack", "Rules", "Changed by", "Changed", "")
_EXAMPLE: Final = """type: vpatch
rules:
  - id: own-legacy-export
    title: The export that nobody may call
    why: It hands out everything; only the batch host needs it.
    severity: high
    confidence: 0.9
    patterns: ['/legacy/export']
    examples: {match: [/legacy/export], no_match: [/export]}
"""


class RulePacks:
    """The part of the page in one browser tab; readers see the packs, administrators change them."""

    def __init__(self, visited: Visit, address: Address, rows: list[Row[Any]]) -> None:
        self._visited = visited
        self._may_change = visited.account.role.may(Role.ADMIN)
        with block("section", "tm-panel"):
            self._rows = ShortRows(address, _KIND, self._build)
            Text(
                "p",
                "Sensors fetch them, signed, with their next heartbeat; each is checked first as a sensor will.",
                "tm-quiet",
            )
            self._rows.place(rows)
            with block("details", "tm-details") as self._editor:
                Text("summary", "Write a pack" if self._may_change else "Look at a pack")
                self._build_editor()

    @property
    def draft(self) -> tuple[str, str]:
        """The name and the text of the pack that is being written; both empty while none is."""
        name, text = str(self._name.value or "").strip(), str(self._text.value or "")
        return (name, text) if name and text.strip() else ("", "")

    def _build_editor(self) -> None:
        self._name = ui.input("Name of the pack").props("outlined dense maxlength=64 autocomplete=off").classes("tm-filter")
        self._text = ui.textarea("Rules, YAML", value=_EXAMPLE if self._may_change else "")
        self._text.props(f"outlined maxlength={PACK_LIMIT} spellcheck=false").classes("tm-filter tm-paste tm-tall")
        self._problem = block("div").props('role="status"')
        if self._may_change:
            with block("div", "tm-buttons"):
                button("Give it to the sensors", self._save)

    async def _save(self) -> None:
        name, text = str(self._name.value or "").strip(), str(self._text.value or "")
        self._tell("")
        visited = self._visited
        if await self._change(
            lambda: keep_pack(visited.service.database, name, text, visited.actor, visited.service.clock())
        ):
            ui.notify(f"Kept: {shortened(name, 64)}.", type="positive")

    async def _remove(self, name: str) -> None:
        visited = self._visited
        await self._change(lambda: remove_pack(visited.service.database, name, visited.actor, visited.service.clock()))

    async def _change(self, act: Callable[[], object]) -> bool:
        """Do *act* if this person is still an administrator, and show what is kept then; return whether it was done."""
        if not await self._visited.allows(Role.ADMIN):
            return False
        try:
            await asyncio.to_thread(act)
        except BadPack as problem:
            self._tell(str(problem))
            return False
        self._rows.show(await asyncio.to_thread(list_packs, self._visited.service.database))
        return True

    def _tell(self, problem: str) -> None:
        self._problem.clear()
        if problem:
            with self._problem:
                Text("p", visible(problem)[:1000], "tm-advice tm-problem")

    def _open(self, row: Row[Any]) -> None:
        self._name.value, self._text.value = row.name, row.text
        self._tell("")
        self._editor.props("open")

    def _build(self, rows: list[Row[Any]]) -> None:
        with block("div", "tm-table-wrap tm-flat"), table("Own rule packs", _COLUMNS):
            for row in rows:
                with block("tr"):
                    self._row(row)

    def _row(self, row: Row[Any]) -> None:
        text_cell("Pack", row.name, "tm-mono")
        text_cell("Rules", f"{row.rules:,}")
        text_cell("Changed by", shortened(row.changed_by, 64))
        with cell("Changed"):
            LocalTime(row.changed_ns)
        with block("td"), block("div", "tm-buttons"):
            button("Edit" if self._may_change else "Look", lambda: self._open(row), "tm-chip", f"Open the pack {row.name}")
            if self._may_change:
                button("Remove", lambda: self._remove(row.name), "tm-chip", f"Remove the pack {row.name}")
