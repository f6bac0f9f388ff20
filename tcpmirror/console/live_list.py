"""What lists of pages have in common: a head with exports, rows that are read again while one looks at them, a pager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

from nicegui import ui

from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import Text, block, export_links, link

REFRESH_S: Final = 3.0
ROWS: Final = 50
_LAST_PAGE: Final = 20_000
_Shown = TypeVar("_Shown")


def page_number(text: str) -> int:
    """Return the number of a page as a URL says it, 1 if it says none."""
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _LAST_PAGE else 1


class LiveList(Generic[_Shown]):
    """A list in one browser tab: *read* again every REFRESH_S while *Live* is on, and built again where it has changed.

    *files*: where all of it can be had, by ending; *count*: how many there are in all.
    """

    def __init__(
        self,
        visited: Visit,
        name: str,
        files: Mapping[str, str],
        read: Callable[[], _Shown],
        count: Callable[[_Shown], int],
        build: Callable[[_Shown], None],
    ) -> None:
        self._visited, self._read, self._count, self._build = visited, read, count, build
        self._shown: _Shown | None = None
        with block("div", "tm-head"):
            Text("h1", name)
            self._total = Text("span", "", "tm-count").props(f'aria-live="polite" aria-label="{name}"')
            self._live = ui.switch("Live", value=True).props("dense").classes("tm-live")
            export_links(files)

    def place(self, shown: _Shown) -> None:
        """Build the rows here, and keep them up to date."""
        self._rows = block("div")
        self._show(shown)
        ui.timer(REFRESH_S, self._refresh, immediate=False)

    async def _refresh(self) -> None:
        if not self._live.value:
            return
        if not await asyncio.to_thread(self._visited.is_signed_in):
            ui.navigate.to("/sign-in")
            return
        await self.refresh()

    async def refresh(self) -> None:
        """Read the rows again now, whether *Live* is on or not."""
        self._show(await asyncio.to_thread(self._read))

    def _show(self, shown: _Shown) -> None:
        if shown == self._shown:
            return
        self._shown = shown
        self._total.text = f"{self._count(shown):,}"
        self._rows.clear()
        with self._rows:
            self._build(shown)


def pager(page: int, total: int, address: Callable[[int], str]) -> None:
    """Build the links to the pages before and after *page* of a list of *total* rows, each at its *address*."""
    pages = max(1, -(-total // ROWS))
    with block("div", "tm-pager"):
        if page > 1:
            link("Previous", address(page - 1), "tm-button")
        Text("span", f"page {page} of {pages}", "tm-quiet")
        if page < pages:
            link("Next", address(page + 1), "tm-button")
