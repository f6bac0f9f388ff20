"""The pieces pages are made of. Each shows text as text."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from tcpmirror.console.text import utc


class Text(TextElement):
    """An element of any tag with *text* in it, classes *classes*."""

    def __init__(self, tag: str, text: str, classes: str = "") -> None:
        super().__init__(tag=tag, text=text)
        self.classes(classes)


class LocalTime(ui.element, component="local_time.js"):
    """A moment, in the viewer's own time zone."""

    def __init__(self, time_ns: int) -> None:
        super().__init__()
        self._props["ms"] = time_ns // 1_000_000
        self._props["iso"] = utc(time_ns)


class AttackTable(ui.element, component="attack_table.js"):
    """The attack list's rows; `show` replaces them, and the browser changes only what differs."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        super().__init__()
        self._props["rows"] = rows

    def show(self, rows: list[dict[str, Any]]) -> None:
        if rows != self._props["rows"]:
            self._props["rows"] = rows
            self.update()


def block(tag: str, classes: str = "") -> ui.element:
    """Return an element to put others into."""
    return ui.element(tag).classes(classes)


def link(text: str, target: str, classes: str = "") -> Text:
    """Return a link; *target* is a path of this console, with whatever came from elsewhere quoted."""
    anchor = Text("a", text, classes)
    anchor._props["href"] = target
    return anchor
