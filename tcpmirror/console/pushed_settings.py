"""The settings that nodes are given: who has which, and a form to change them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.nodes import list_nodes
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.served_settings import ALL, BadSettings, keep_settings, list_settings
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block
from tcpmirror.console.text import shortened, visible
from tcpmirror.settings.pushed import PUSHABLE, TEXT_CHARS

_EXAMPLE: Final = "log: {level: debug}"


@dataclass(frozen=True, slots=True)
class Pushed:
    """``scopes``: what they are called, by scope."""

    serial: int
    rows: list[Row[Any]]
    scopes: dict[str, str]


def read(visited: Visit) -> Pushed:
    serial, rows = list_settings(visited.service.database)
    nodes = list_nodes(visited.service.database)
    scopes = {ALL: "All nodes"}
    scopes |= {f"group:{node.group_name}": f"Group {shortened(node.group_name, 60)}" for node in nodes if node.group_name}
    scopes |= {f"node:{node.id}": f"{shortened(node.name, 60)} ({node.id[:8]})" for node in nodes}
    return Pushed(serial, rows, scopes | {row.scope: shortened(row.scope, 80) for row in rows if row.scope not in scopes})


class PushedSettings:
    """The panel's state in one browser tab."""

    def __init__(self, visited: Visit, pushed: Pushed) -> None:
        self._visited = visited
        self._texts = {row.scope: row.text for row in pushed.rows}
        with block("section", "tm-panel tm-spaced"):
            Text("h2", "Settings from here")
            Text(
                "p",
                "What stands here goes over a node's own file, within a minute and without a restart; "
                "the narrower scope goes first. A node takes these keys and no other: " + ", ".join(PUSHABLE) + ".",
                "tm-quiet",
            )
            self._list = block("div")
            if visited.account.role.may(Role.ADMIN):
                self._form(pushed)
        self._show(pushed)

    def _form(self, pushed: Pushed) -> None:
        scope = ui.select(pushed.scopes, value=ALL, label="For").props("outlined dense").classes("tm-filter tm-spaced")
        text = ui.textarea("Settings, YAML", value=self._texts.get(ALL, ""), placeholder=_EXAMPLE)
        text.props(f"outlined autogrow maxlength={TEXT_CHARS} spellcheck=false").classes("tm-filter tm-paste")
        scope.on_value_change(lambda event: text.set_value(self._texts.get(str(event.value), "")))
        with block("div", "tm-buttons"):
            save = Text("button", "Give them to the nodes", "tm-button").props('type="button"')
            save.on("click", lambda: self._save(str(scope.value), str(text.value or "")))
        self._problem = block("div").props('aria-live="polite"')

    async def _save(self, scope: str, text: str) -> None:
        service = self._visited.service
        if not await self._visited.allows(Role.ADMIN):
            return
        self._problem.clear()
        try:
            await asyncio.to_thread(keep_settings, service.database, scope, text, self._visited.actor, service.clock())
        except BadSettings as error:
            with self._problem:
                Text("pre", visible(str(error), keep="\n"), "tm-pre tm-warn")
            return
        ui.notify("Saved.", type="positive")
        self._show(await asyncio.to_thread(read, self._visited))

    def _show(self, pushed: Pushed) -> None:
        self._texts = {row.scope: row.text for row in pushed.rows}
        self._list.clear()
        with self._list:
            if not pushed.rows:
                Text("p", "Nothing is set from here: each node has what its file says.", "tm-quiet")
                return
            Text("p", f"Change #{pushed.serial}", "tm-quiet tm-small")
            with block("ul", "tm-comments"):
                for row in pushed.rows:
                    with block("li"):
                        with block("span", "tm-hit-line"):
                            Text("b", pushed.scopes.get(row.scope, row.scope))
                            Text("span", shortened(row.changed_by, 64), "tm-quiet")
                            LocalTime(row.changed_ns)
                        Text("pre", visible(row.text, keep="\n")[:4000], "tm-pre")
