"""What operators say of their APIs: specifications, how traffic differs from them, and templates of paths."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import events, ui
from sqlalchemy import Row

from tcpmirror.cloud.apis.corrections import add_correction, delete_correction, list_corrections
from tcpmirror.cloud.apis.reading import rogue_of
from tcpmirror.cloud.apis.specifications import (
    add_specification,
    delete_specification,
    enforce,
    list_specifications,
)
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block, button, cell, link, table, text_cell
from tcpmirror.console.text import counted, shortened
from tcpmirror.discovery.specification import DOCUMENT_BYTES, Operation, Rogue

_HOST_LIMIT: Final = 200
_SHOWN: Final = 200  # operations of one kind of difference
_ABOUT: Final = {
    "Shadow": "in traffic, in no specification",
    "Zombie": "in traffic, in a former version of a specification only",
    "Orphan": "in a specification, not in traffic",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What was given for ``host``, or for all hosts where that is empty; ``rogue``: how traffic of the host differs."""

    host: str
    specifications: tuple[Row[Any], ...]
    templates: tuple[Row[Any], ...]
    rogue: Rogue | None


def read(service: Service, host: str) -> Given:
    database = service.database
    return Given(
        host,
        tuple(list_specifications(database, host)),
        tuple(list_corrections(database, host)),
        rogue_of(database, host, service.clock()) if host else None,
    )


class SpecificationPage:
    """The page in one browser tab."""

    def __init__(self, visited: Visit, given: Given) -> None:
        self._visited = visited
        self._host = given.host
        self._may_change = visited.account.role.may(Role.ANALYST)
        with block("nav", "tm-crumbs").props('aria-label="Way back"'):
            link("APIs", "/apis")
            Text("span", "Specifications")
        with block("div", "tm-head"):
            Text("h1", "Specifications")
            if given.host:
                Text("span", shortened(given.host, 80), "tm-count")
                link("Of all hosts", "/apis/specifications", "tm-button")
        with block("div", "tm-stack"):
            with block("section", "tm-panel"):
                Text("h2", "OpenAPI documents")
                self._specifications = block("div", "tm-table-wrap tm-flat")
                if self._may_change:
                    self._document_form()
            self._differences = block("div", "tm-stack")
            with block("section", "tm-panel"):
                Text("h2", "Templates of paths")
                Text("p", "How paths are to be read; this goes before what statistics say.", "tm-quiet")
                self._templates = block("div", "tm-table-wrap tm-flat")
                if self._may_change:
                    self._template_form()
        self._show(given)

    def _document_form(self) -> None:
        with block("div", "tm-fields"):
            host = _field("Host, with its port", self._host, _HOST_LIMIT)
            name = _field("Name; the same again is a newer version", "", _HOST_LIMIT)

            async def given(event: events.UploadEventArguments) -> None:
                raw = await event.file.read()
                await self._add_document(str(host.value or ""), str(name.value or ""), raw)
                upload.reset()

            upload = ui.upload(max_file_size=DOCUMENT_BYTES, auto_upload=True, on_upload=given)
            upload.on("rejected", lambda: ui.notify(f"At most {DOCUMENT_BYTES >> 20} MiB are accepted.", type="warning"))
            upload.props('accept=".json,.yaml,.yml"').style("display: none")  # its own button has no name to be read out
            choose = Text("button", "Choose a document", "tm-button").props('type="button"')
            choose.on("click", js_handler=f"() => document.querySelector('#{upload.html_id} input[type=file]').click()")
        Text(
            "p",
            "OpenAPI 2.0, 3.0 or 3.1, JSON or YAML. While one is enforced, nodes report each request to its host "
            "that differs from it; a mirror cannot block.",
            "tm-quiet tm-small",
        )

    async def _add_document(self, host: str, name: str, raw: bytes) -> None:
        host = host.strip().lower()
        if not host:
            ui.notify("Say first which host it is of.", type="warning")
            return
        visited = self._visited

        def add() -> None:
            add_specification(visited.service.database, visited.actor, host, name.strip(), raw, visited.service.clock())

        await self._change(add)

    def _template_form(self) -> None:
        with block("div", "tm-fields"):
            host = _field("Host of the path", self._host, _HOST_LIMIT)
            path = _field("Path, values in braces: /users/{id}", "", 1000)

            async def add() -> None:
                where = str(host.value or "").strip().lower()
                if where and await self._change(lambda: self._add_template(where, str(path.value or "").strip())):
                    path.value = ""

            button("Add the template", add)

    def _add_template(self, host: str, path: str) -> None:
        visited = self._visited
        add_correction(visited.service.database, visited.actor, host, path, visited.service.clock())

    async def _change(self, act: Callable[[], object], needed: Role = Role.ANALYST) -> bool:
        """Do *act* if this person still has the role *needed*, and show what is given then; return whether it was done."""
        if not await self._visited.allows(needed):
            return False
        try:
            await asyncio.to_thread(act)
        except ValueError as error:
            ui.notify(shortened(str(error), 300), type="warning")
            return False
        ui.notify("Saved.", type="positive")
        self._show(await asyncio.to_thread(read, self._visited.service, self._host))
        return True

    def _show(self, given: Given) -> None:
        for place in (self._specifications, self._differences, self._templates):
            place.clear()
        with self._specifications:
            self._documents(given.specifications)
        with self._differences:
            if given.rogue is not None:
                _rogue(given.rogue)
        with self._templates:
            self._template_rows(given.templates)

    def _documents(self, rows: tuple[Row[Any], ...]) -> None:
        if not rows:
            Text("p", "None yet. Give one, and endpoints that it does not know are marked as shadow.", "tm-quiet")
            return
        with table(
            "OpenAPI documents", _columns("Host", "Name", "Version", "Operations", "Given", "Enforced", may=self._may_change)
        ):
            for row in rows:
                with block("tr"):
                    with cell("Host"):
                        link(shortened(row.host, 80), f"/apis/specifications?{urlencode({'host': row.host})}")
                    text_cell("Name", shortened(row.name, 120))
                    text_cell("Version", shortened(row.version, 40) or "—")
                    text_cell("Operations", f"{row.operations:,}")
                    with cell("Given"):
                        LocalTime(row.created_ns)
                    self._enforcement(row)
                    self._remove(delete_specification, row.id, f"Remove {shortened(row.name, 60)}")

    def _enforcement(self, row: Row[Any]) -> None:
        """Say whether nodes compare requests with the document; administrators switch it."""
        visited, name = self._visited, shortened(row.name, 60)

        def act() -> None:
            enforce(visited.service.database, visited.actor, row.id, not row.enforced, visited.service.clock())

        with cell("Enforced"):
            if not visited.account.role.may(Role.ADMIN):
                Text("span", "yes" if row.enforced else "no")
                return
            told = "On nodes" if row.enforced else "Off"
            turn = button(told, lambda: self._change(act, Role.ADMIN), "tm-chip", f"{told}: enforce {name}")
            turn._props["aria-pressed"] = "true" if row.enforced else "false"
            turn._props["title"] = "While on, nodes report each request to the host that differs from the document"

    def _template_rows(self, rows: tuple[Row[Any], ...]) -> None:
        if not rows:
            Text("p", "None yet.", "tm-quiet")
            return
        with table("Templates of paths", _columns("Host", "Path", "Given", may=self._may_change)):
            for row in rows:
                path = "/" + "/".join(row.template)
                with block("tr"):
                    text_cell("Host", shortened(row.host, 80))
                    text_cell("Path", shortened(path, 200), "tm-mono")
                    with cell("Given"):
                        LocalTime(row.created_ns)
                    self._remove(delete_correction, row.id, f"Remove {shortened(path, 60)}")

    def _remove(self, delete: Callable[..., bool], row_id: int, told: str) -> None:
        if not self._may_change:
            return
        visited = self._visited

        def act() -> None:
            delete(visited.service.database, visited.actor, row_id, visited.service.clock())

        with block("td"):
            button("Remove", lambda: self._change(act), "tm-chip", told)


def _columns(*names: str, may: bool) -> tuple[str, ...]:
    return (*names, "") if may else names


def _rogue(rogue: Rogue) -> None:
    """Show how the traffic of a host and its specifications differ."""
    with block("section", "tm-panel"):
        Text("h2", "Traffic beside the specifications")
        for name, operations in (("Shadow", rogue.shadow), ("Zombie", rogue.zombie), ("Orphan", rogue.orphan)):
            with block("details", "tm-details"):
                Text("summary", f"{name}: {counted(len(operations), 'operation')} {_ABOUT[name]}")
                if operations:
                    Text("pre", _listed(operations), "tm-pre").props(f'tabindex="0" aria-label="{name} operations"')


def _listed(operations: tuple[Operation, ...]) -> str:
    lines = [shortened(f"{method} /{'/'.join(path)}", 200) for method, path in operations[:_SHOWN]]
    more = len(operations) - _SHOWN
    return "\n".join([*lines, f"and {more:,} more"] if more > 0 else lines)


def _field(label: str, value: str, limit: int) -> ui.input:
    return ui.input(label, value=value).props(f"outlined dense maxlength={limit} autocomplete=off").classes("tm-filter")
