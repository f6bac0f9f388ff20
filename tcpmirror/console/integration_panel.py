"""Where hits are sent from here, on the settings page, and a form for another place."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.deliveries import send_trial
from tcpmirror.cloud.ignore_rules import NameTaken
from tcpmirror.cloud.integrations import (
    TYPES,
    BadIntegration,
    create_integration,
    example_hits,
    list_integrations,
    remove_integration,
    shown,
    sink_of,
)
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import INTEGRATIONS
from tcpmirror.console.address import Address
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import Text, block, button, table, text_cell
from tcpmirror.console.short_rows import Kind, ShortRows
from tcpmirror.console.text import shortened, type_name, visible
from tcpmirror.model.attack import ATTACK_TYPES

_KIND: Final = Kind("integrations", "Integrations", INTEGRATIONS, "Hits are sent nowhere else.", "/api/v1/integrations")
_TYPE_NAMES: Final = {
    "webhook": "Webhook",
    "slack": "Slack",
    "teams": "Microsoft Teams",
    "syslog": "Syslog",
    "elasticsearch": "Elasticsearch, OpenSearch",
    "splunk": "Splunk",
    "nats": "NATS",
    "s3": "S3",
}
_TEXTS: Final = {
    "name": "Name, such as siem",
    "url": "URL, such as tls://siem.example:6514",
    "target": "Index, subject or BUCKET/PREFIX",
    "hosts": "Only hosts, such as *.shop.example",
}
_FORMATS: Final = {"json": "JSON", "cef": "CEF", "leef": "LEEF"}


class IntegrationPanel:
    """The panel in one administrator's browser tab."""

    def __init__(self, visited: Visit, address: Address, rows: list[Row[Any]]) -> None:
        self._visited = visited
        self._inputs: dict[str, Any] = {}
        with block("section", "tm-panel"):
            self._rows = ShortRows(address, _KIND, self._build)
            Text("p", "Hits go there from here, within seconds after they are stored.", "tm-quiet")
            self._rows.place(rows)
            self._form()

    def _form(self) -> None:
        with block("details", "tm-details"):
            Text("summary", "Send hits somewhere else")
            with block("div", "tm-fields"):
                kind = ui.select(_TYPE_NAMES, value=TYPES[0], label="What it is")
                self._inputs["type"] = kind.props("outlined dense options-dense").classes("tm-filter")
                for name, label in _TEXTS.items():
                    self._inputs[name] = ui.input(label).props("outlined dense maxlength=2048").classes("tm-filter")
                token = ui.input("Token or key", password=True).props("outlined dense maxlength=4096 autocomplete=off")
                self._inputs["token"] = token.classes("tm-filter")
                form = ui.select(_FORMATS, value="json", label="Format (syslog)")
                self._inputs["format"] = form.props("outlined dense options-dense").classes("tm-filter")
                types = ui.select({name: type_name(name) for name in sorted(ATTACK_TYPES)}, multiple=True, value=[])
                types.props('outlined dense options-dense use-chips label="Only attack types"').classes("tm-filter")
                self._inputs["types"] = types
            self._problem = Text("p", "", "tm-warn").props('role="status"')
            with block("div", "tm-buttons"):
                button("Send hits there", self._create, "tm-button tm-main-button")

    def _given(self) -> dict[str, Any]:
        values = {name: each.value for name, each in self._inputs.items()}
        given = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        given["hosts"] = given["hosts"].replace(",", " ").split()
        if given["format"] == "json":
            del given["format"]
        return {name: value for name, value in given.items() if value}

    async def _create(self) -> None:
        if not await self._visited.allows(Role.ADMIN):
            return
        service = self._visited.service
        try:
            await asyncio.to_thread(
                create_integration, service.database, self._given(), self._visited.actor, service.clock()
            )
        except BadIntegration as error:
            self._problem.text = visible(str(error))[:600]
            return
        except NameTaken as error:
            self._problem.text = visible(f"There is one called {error} already.")
            return
        self._problem.text = ""
        self._inputs["token"].value = ""
        await self._refresh()

    def _build(self, rows: list[Row[Any]]) -> None:
        names = ("Name", "What", "Where", "Sent", "State", "")
        with block("div", "tm-table-wrap tm-flat"), table("Integrations", names):
            for row in rows:
                with block("tr"):
                    self._row(row)

    def _row(self, row: Row[Any]) -> None:
        told = shown(row)
        text_cell("Name", shortened(row.name, 63))
        text_cell("What", _TYPE_NAMES[told["type"]])
        text_cell("Where", shortened(told["to"], 120), "tm-mono")
        text_cell("Sent", f"{row.sent:,}")
        text_cell("State", shortened(row.problem, 160) if row.problem else "works", "tm-warn" if row.problem else "")
        with block("td"), block("div", "tm-buttons"):
            button("Try it", lambda: self._try(row), "tm-chip", f"Try {row.name}")
            button("Send no more", lambda: self._remove(row.id), "tm-chip", f"Send no more to {row.name}")

    async def _try(self, row: Row[Any]) -> None:
        if not await self._visited.allows(Role.ADMIN):
            return
        problem = await asyncio.to_thread(send_trial, sink_of(row), example_hits())
        ui.notify(shortened(problem, 300) or "It took the trial.", type="negative" if problem else "positive")

    async def _remove(self, number: int) -> None:
        if not await self._visited.allows(Role.ADMIN):
            return
        service = self._visited.service
        await asyncio.to_thread(remove_integration, service.database, number, self._visited.actor, service.clock())
        await self._refresh()

    async def _refresh(self) -> None:
        self._rows.show(await asyncio.to_thread(list_integrations, self._visited.service.database))
