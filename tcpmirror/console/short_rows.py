"""One of several lists on a page: its rows are found by a text, sorted and turned over in place; the address says how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from nicegui import ui

from tcpmirror.cloud.short_lists import TEXT_LIMIT, Asked, ShortList
from tcpmirror.console.address import Address
from tcpmirror.console.live_list import ROWS, page_number
from tcpmirror.console.parts import Text, block, button, export_links, files_of

FEW: Final = 10  # rows that need no search
_ORDER_NAMES: Final = {
    "account": "Who",
    "by": "Who made it",
    "confidence": "Confidence",
    "expiry": "Expiry, last first",
    "id": "Name of the rule",
    "list": "List",
    "name": "Name",
    "newest": "Newest first",
    "role": "Role",
    "rules": "Most rules first",
    "sent": "Most sent first",
    "severity": "Severity",
    "type": "Type",
    "used": "Used last",
    "value": "Value",
}
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is listed: its *name* in the address, the *title* above it, where all of it is to be had as files, and how.

    ``empty``: what is said of a list without rows.
    """

    name: str
    title: str
    short_list: ShortList
    empty: str
    file: str = ""


class ShortRows(Generic[_Row]):
    """The list in one browser tab; *build* makes the rows of a page."""

    def __init__(self, address: Address, kind: Kind, build: Callable[[list[_Row]], None]) -> None:
        name = kind.name
        self._address, self._kind, self._build = address, kind, build
        sort = address.of(f"{name}-sort")
        self._asked = Asked(address.of(name).strip(), sort if sort in kind.short_list.orders else "")
        self._page = page_number(address.of(f"{name}-page"))
        self._rows: list[_Row] = []
        with block("div", "tm-panel-head"):
            Text("h2", kind.title)
            self._files = block("div", "tm-panel-head")

    def place(self, rows: list[_Row]) -> None:
        """Build the search and the rows here."""
        orders = {name: _ORDER_NAMES[name] for name in self._kind.short_list.orders}
        label = f'role="search" aria-label="{self._kind.title}"'
        with block("div", "tm-filters tm-spaced").props(label) as self._search:
            text = ui.input("Find", value=self._asked.text, on_change=lambda event: self._turn(text=event.value or ""))
            text.props(f"outlined dense clearable debounce=250 maxlength={TEXT_LIMIT} autocomplete=off")
            text.classes("tm-filter")
            usual = next(iter(orders))
            sort = ui.select(orders, value=self._asked.sort or usual, label="Sorted by")
            sort.props("outlined dense options-dense").classes("tm-filter")
            sort.on_value_change(lambda event: self._turn(sort="" if event.value == usual else str(event.value)))
        self._place = block("div").props('aria-live="polite"')
        self.show(rows)

    def show(self, rows: list[_Row]) -> None:
        """Show *rows* from now on, as they are asked for."""
        self._rows = rows
        self._search.set_visibility(len(rows) > FEW or self._asked != Asked())
        self._show()

    def _turn(self, page: int = 1, **asked: Any) -> None:
        """Ask for other rows, or another page of them."""
        self._page = page
        self._asked = Asked(
            str(asked.get("text", self._asked.text)).strip()[:TEXT_LIMIT], asked.get("sort", self._asked.sort)
        )
        name = self._kind.name
        self._address.keep(
            {
                name: self._asked.text,
                f"{name}-sort": self._asked.sort,
                f"{name}-page": "" if page == 1 else str(page),
            }
        )
        self._show()

    def _show(self) -> None:
        chosen = self._kind.short_list.chosen(self._rows, self._asked)
        pages = max(1, -(-len(chosen) // ROWS))
        page = min(self._page, pages)
        self._show_files()
        self._place.clear()
        with self._place:
            if not chosen:
                Text("p", "None of them matches." if self._rows else self._kind.empty, "tm-quiet")
                return
            self._build(chosen[(page - 1) * ROWS : page * ROWS])
            if pages > 1:
                self._pager(page, pages, len(chosen))

    def _show_files(self) -> None:
        self._files.clear()
        if self._kind.file:
            with self._files:
                named = {"text": self._asked.text, "sort": self._asked.sort}
                export_links(files_of(self._kind.file, named), f"{self._kind.title} ")

    def _pager(self, page: int, pages: int, total: int) -> None:
        title = self._kind.title
        with block("div", "tm-pager"):
            if page > 1:
                button("Previous", lambda: self._turn(page - 1), told=f"Previous page of {title}")
            Text("span", f"page {page} of {pages}, {total:,} in all", "tm-quiet")
            if page < pages:
                button("Next", lambda: self._turn(page + 1), told=f"Next page of {title}")
