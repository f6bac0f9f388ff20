"""Masks on the rules page: what nodes overwrite before anything is stored, and a form for another."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.ignore_rules import BadEntry, NameTaken
from tcpmirror.cloud.masks import create_mask, list_masks, mask_text, remove_mask
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import MASKS
from tcpmirror.console.address import Address
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block
from tcpmirror.console.short_rows import Kind, ShortRows
from tcpmirror.console.text import shortened, visible
from tcpmirror.model.sensitive_class import GROUP_NAMES, GROUPS

_KIND: Final = Kind("masks", "Masked values", MASKS, "Nothing is masked by order of the people here.", "/api/v1/masks")
_FIELDS: Final = {
    "name": "Name",
    "parameter": "Parameter, header or cookie",
    "point": "Point, such as post.json_doc.hash.pin",
    "pattern": "Pattern within values",
    "host": "Only for the host",
    "path": "Only for the path",
}


class MaskPanel:
    """The panel in one browser tab."""

    def __init__(self, visited: Visit, address: Address, rows: list[Row[Any]]) -> None:
        self._visited = visited
        self._inputs: dict[str, Any] = {}
        with block("section", "tm-panel"):
            self._rows = ShortRows(address, _KIND, self._build)
            Text(
                "p",
                "Sensors overwrite these before anything is queued, logged or stored; what is here already stays.",
                "tm-quiet",
            )
            self._rows.place(rows)
            if visited.account.role.may(Role.ADMIN):
                self._form()

    def _form(self) -> None:
        with block("details", "tm-details"):
            Text("summary", "Mask something else")
            for name, label in _FIELDS.items():
                self._inputs[name] = ui.input(label).props("outlined dense maxlength=512").classes("tm-filter tm-spaced")
            words = {word: word.replace("_", " ") for word in (*GROUP_NAMES, *sorted(GROUPS))}
            self._inputs["classes"] = ui.select(words, multiple=True, value=[], label="Classes of sensitive data")
            self._inputs["classes"].props("outlined dense use-chips").classes("tm-filter tm-spaced")
            self._problem = Text("p", "", "tm-warn").props('role="status"')
            with block("div", "tm-buttons"):
                Text("button", "Mask these", "tm-button tm-main-button").props('type="button"').on("click", self._create)

    async def _create(self) -> None:
        if not await self._visited.allows(Role.ADMIN):
            return
        given = {
            name: item.value.strip() if isinstance(item.value, str) else item.value for name, item in self._inputs.items()
        }
        service = self._visited.service
        try:
            await asyncio.to_thread(
                create_mask, service.database, {name: value for name, value in given.items() if value}, "",
                self._visited.actor, service.clock(),
            )  # fmt: skip
        except BadEntry as error:
            self._problem.text = visible(str(error))[:600]
            return
        except NameTaken as error:
            self._problem.text = visible(f"There is a mask called {error} already.")
            return
        self._problem.text = ""
        await self._refresh()

    def _build(self, rows: list[Row[Any]]) -> None:
        with block("ul", "tm-comments"):
            for row in rows:
                self._row(row)

    def _row(self, row: Row[Any]) -> None:
        with block("li"):
            with block("span", "tm-hit-line"):
                Text("b", shortened(row.created_by, 64))
                LocalTime(row.created_ns)
            Text("pre", visible(mask_text(row.entry), keep="\n"), "tm-pre")
            if self._visited.account.role.may(Role.ADMIN):
                with block("div", "tm-buttons"):
                    remove = Text("button", "Mask no longer", "tm-chip").props('type="button"')
                    remove.on("click", lambda: self._remove(row.id))

    async def _remove(self, mask_id: int) -> None:
        if not await self._visited.allows(Role.ADMIN):
            return
        service = self._visited.service
        await asyncio.to_thread(remove_mask, service.database, mask_id, self._visited.actor, service.clock())
        await self._refresh()

    async def _refresh(self) -> None:
        self._rows.show(await asyncio.to_thread(list_masks, self._visited.service.database))
