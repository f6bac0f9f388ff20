"""The nodes: which sensors report here, and when they were last heard of."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.nodes import list_nodes
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block, link
from tcpmirror.console.text import counted, shortened

REFRESH_S: Final = 5.0
SILENT_NS: Final = 120 * 1_000_000_000  # four heartbeats missed
_COLUMNS: Final = ("Name", "Group", "Host", "Version", "Mode", "Last heard of")


class NodeList:
    """The page's state in one browser tab."""

    def __init__(self, visited: Visit, rows: list[Row[Any]]) -> None:
        self._visited = visited
        with block("div", "tm-head"):
            Text("h1", "Nodes")
        self._body = block("div")
        self._show(rows)
        ui.timer(REFRESH_S, self._refresh, immediate=False)

    async def _refresh(self) -> None:
        if not await asyncio.to_thread(self._visited.is_signed_in):
            ui.navigate.to("/sign-in")
            return
        self._show(await asyncio.to_thread(list_nodes, self._visited.service.database))

    def _show(self, rows: list[Row[Any]]) -> None:
        self._body.clear()
        with self._body:
            if not rows:
                _nobody()
                return
            with block("div", "tm-table-wrap"), block("table", "tm-table tm-nodes").props('aria-label="Nodes"'):
                with block("thead"), block("tr"):
                    for name in _COLUMNS:
                        Text("th", name).props('scope="col"')
                with block("tbody"):
                    for row in rows:
                        self._row(row)

    def _row(self, row: Row[Any]) -> None:
        silent_ns = self._visited.service.clock() - row.last_seen_ns
        with block("tr", "tm-still"):
            with block("td"):
                Text("span", "", "tm-dot tm-silent" if silent_ns > SILENT_NS else "tm-dot tm-heard")
                Text("b", shortened(row.name, 80) or row.id[:8]).tooltip(row.id)
            for value in (row.group_name, row.hostname, row.version, row.mode):
                Text("td", shortened(value, 80) or "—")
            with block("td"):
                LocalTime(row.last_seen_ns)
                if silent_ns > SILENT_NS:
                    Text("div", f"silent for {counted(silent_ns // 60_000_000_000, 'minute')}", "tm-warn tm-small")


def _nobody() -> None:
    with block("div", "tm-empty"):
        ui.icon("sensors").classes("tm-empty-icon")
        Text("h2", "No sensor has registered")
        Text(
            "p",
            "A sensor registers with an API token of the role deploy. Make one with POST /api/v1/tokens in the API page,",
        )
        Text("p", "put it and the address of this service under cloud: in the sensor's settings, and start the sensor.")
        link("Open the API page", "/api/docs", "tm-button")
