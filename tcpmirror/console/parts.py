"""The pieces pages are made of. Each shows text as text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from tcpmirror.cloud.search.grammar import LENGTH_LIMIT
from tcpmirror.cloud.search.writing import completions
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
    """The attack list's rows; `show` replaces them, and the browser changes only what differs.

    *narrow* is called with the term of a value that was clicked, *sort* with the name of the order that a heading asks for.
    """

    def __init__(
        self,
        rows: list[dict[str, Any]],
        sort: str,
        narrow: Callable[[str], Awaitable[None]],
        turn: Callable[[str], Awaitable[None]],
    ) -> None:
        super().__init__()
        self._props["rows"] = rows
        self._props["sort"] = sort
        self.on("narrow", lambda event: narrow(str(event.args)))
        self.on("sort", lambda event: turn(str(event.args)))

    @property
    def has_rows(self) -> bool:
        return bool(self._props["rows"])

    def show(self, rows: list[dict[str, Any]], sort: str) -> None:
        if rows != self._props["rows"] or sort != self._props["sort"]:
            self._props["rows"] = rows
            self._props["sort"] = sort
            self.update()


class SearchBox(ui.element, component="search_box.js"):
    """A search of the search language, with completion.

    *searched* is called with each new one, *back* with the parameters of the URL that the browser's buttons went to.
    """

    def __init__(
        self,
        search: str,
        searched: Callable[[str], Awaitable[None]],
        back: Callable[[dict[str, str]], Awaitable[None]],
    ) -> None:
        super().__init__()
        self._props["search"] = search
        self._props["problem"] = ""
        self._props["limit"] = LENGTH_LIMIT
        self._props["completions"] = [{"text": one.text, "about": one.about} for one in completions()]
        self.on("search", lambda event: searched(str(event.args)[:LENGTH_LIMIT]))
        self.on("back", lambda event: back(dict(event.args)))

    @property
    def problem(self) -> str:
        return str(self._props["problem"])

    def show(self, search: str, problem: str) -> None:
        if (search, problem) != (self._props["search"], self._props["problem"]):
            self._props["search"] = search
            self._props["problem"] = problem
            self.update()


class TrendChart(ui.element, component="trend_chart.js"):
    """Stacked bars: each of *bars* has `ms` and `parts` (`name`, `value`, `series`); *told* says it to screen readers.

    *by_day*: the times below are days.
    """

    def __init__(self, bars: list[dict[str, Any]], told: str, by_day: bool) -> None:
        super().__init__()
        self._props["bars"] = bars
        self._props["told"] = told
        self._props["day"] = by_day


def block(tag: str, classes: str = "") -> ui.element:
    """Return an element to put others into."""
    return ui.element(tag).classes(classes)


def link(text: str, target: str, classes: str = "") -> Text:
    """Return a link; *target* is a path of this console, with whatever came from elsewhere quoted."""
    anchor = Text("a", text, classes)
    anchor._props["href"] = target
    return anchor


def files_of(path: str, named: Mapping[str, str]) -> dict[str, str]:
    """Return where the list under *path* is to be had, by ending, narrowed by what is not empty of *named*."""
    query = urlencode({name: value for name, value in named.items() if value})
    return {ending: f"{path}.{ending}?{query}" if query else f"{path}.{ending}" for ending in ("csv", "json")}


def export_links(files: Mapping[str, str], what: str = "") -> None:
    """Build a link to each of *files*, addresses by ending; *what*: of which list, with a blank behind it."""
    for ending, address in files.items():
        made = link(ending.upper(), address, "tm-chip").props("download")
        made._props["aria-label"] = f"Export {what}as {ending.upper()}"


@contextmanager
def table(label: str, columns: tuple[str, ...], classes: str = "") -> Iterator[None]:
    """Build a table whose rows are the block's; on a narrow screen each becomes a list of names and values (`cell`)."""
    made = block("table", f"tm-sheet {classes}")
    made._props["aria-label"] = label
    with made:
        with block("thead"), block("tr"):
            for name in columns:
                Text("th", name).props('scope="col"') if name else Text("td", "")
        with block("tbody"):
            yield


@contextmanager
def cell(name: str, classes: str = "") -> Iterator[None]:
    """Build a cell of the column *name* around the block's elements."""
    with block("td", classes):
        Text("span", name, "tm-sheet-name")
        with block("div"):
            yield


def text_cell(name: str, value: str, classes: str = "") -> None:
    """Build a cell of the column *name* with *value* in it."""
    with block("td", classes):
        Text("span", name, "tm-sheet-name")
        Text("span", value)


def button(text: str, act: Callable[[], object], classes: str = "tm-button", told: str = "") -> Text:
    """Return a button; *told* is what screen readers say where *text* alone does not tell which."""
    made = Text("button", text, classes).props('type="button"')
    made.on("click", act)
    if told:
        made._props["aria-label"] = told
    return made


def choice(label: str, options: dict[str, str], value: str, address: Callable[[str], str]) -> None:
    """Build a box of *options*; what is chosen leads to the page at its *address*."""
    box = ui.select(options, value=value, label=label, on_change=lambda event: ui.navigate.to(address(event.value or "")))
    box.props("outlined dense options-dense").classes("tm-filter")


def text_filter(label: str, value: str, address: Callable[[str], str], placeholder: str | None = None) -> None:
    """Build a field for a text; what is entered leads to the page at its *address*."""
    text = ui.input(label, value=value, placeholder=placeholder)
    text.props("outlined dense clearable maxlength=200 autocomplete=off").classes("tm-filter")
    text.on("keydown.enter", lambda: ui.navigate.to(address(str(text.value or "").strip())))
