"""Sessions of the last seven days: filtered, sorted and paged by the server; what is shown stands in the URL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.service import Service
from tcpmirror.cloud.sessions.reading import ORDERS, SessionFilter, SessionPage, list_sessions
from tcpmirror.console.frame import Visit
from tcpmirror.console.live_list import ROWS, LiveList, page_number, pager
from tcpmirror.console.parts import LocalTime, Text, block, cell, choice, files_of, link, table, text_cell, text_filter
from tcpmirror.console.text import shortened, type_family, type_name

_ATTACKS: Final = {"": "All sessions", "1": "With attacks"}
_ORDER_NAMES: Final = {
    "last": "Last seen",
    "first": "First seen",
    "requests": "Requests",
    "errors": "Errors",
    "attacks": "Attacks",
}
_COLUMNS: Final = ("Session", "Who", "From", "Hosts", "Requests", "Errors", "Attacks", "First seen", "Last seen")
_FEW: Final = 3  # values of one kind in a cell


@dataclass(frozen=True, slots=True)
class View:
    """What the URL says: which sessions, in which order, which page of them."""

    text: str = ""
    session: str = ""
    attacks_only: bool = False
    sort: str = "last"
    page: int = 1

    def url(self) -> str:
        named = {"text": self.text, "session": self.session, "attacks": "1" if self.attacks_only else ""}
        named |= {"sort": "" if self.sort == "last" else self.sort, "page": "" if self.page == 1 else str(self.page)}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"/sessions?{query}" if query else "/sessions"

    def files(self) -> dict[str, str]:
        """Return where all that the view shows can be had as a file, by ending."""
        named = {"text": self.text, "session": self.session, "attacks_only": "true" if self.attacks_only else ""}
        return files_of("/api/v1/sessions", named | {"sort": self.sort})


def view_of(text: str, session: str, attacks: str, sort: str, page: str) -> View:
    """Return what the parameters of a URL ask for; what is none of the choices is left out."""
    return View(text.strip(), session, attacks == "1", sort if sort in ORDERS else "last", page_number(page))


def read(service: Service, view: View) -> SessionPage:
    wanted = SessionFilter(session=view.session, text=view.text, attacks_only=view.attacks_only)
    return list_sessions(service.database, wanted, view.sort, ROWS, (view.page - 1) * ROWS)


class SessionList:
    """The page in one browser tab."""

    def __init__(self, visited: Visit, view: View, shown: SessionPage) -> None:
        self._view = view
        files = view.files()
        rows = LiveList(
            visited, "Sessions", files, lambda: read(visited.service, view), lambda page: page.total, self._build
        )
        self._filters()
        rows.place(shown)

    def _build(self, shown: SessionPage) -> None:
        if not shown.rows:
            self._nothing()
            return
        with block("div", "tm-table-wrap"), table("Sessions", _COLUMNS):
            for row in shown.rows:
                with block("tr"):
                    _row(row)
        pager(self._view.page, shown.total, lambda page: replace(self._view, page=page).url())

    def _filters(self) -> None:
        view = self._view
        with block("div", "tm-filters").props('role="search"'):
            chosen = "1" if view.attacks_only else ""
            choice("Shown", _ATTACKS, chosen, lambda value: replace(view, attacks_only=value == "1", page=1).url())
            choice("Sorted by", _ORDER_NAMES, view.sort, lambda value: replace(view, sort=value, page=1).url())
            text_filter("User, address, host or kind", view.text, lambda text: replace(view, text=text, page=1).url())

    def _nothing(self) -> None:
        with block("div", "tm-empty"):
            ui.icon("timeline").classes("tm-empty-icon")
            if self._view == View():
                Text("h2", "No session seen yet")
                Text("p", "Requests that carry the same session cookie or token, or come from one address and program,")
                Text("p", "are put together here, a row for each day.")
            else:
                Text("h2", "No session matches")
                link("Show all sessions", "/sessions", "tm-button")


def _row(row: Row[Any]) -> None:
    users, roles, sources, hosts, types = map(listed, (row.users, row.roles, row.sources, row.hosts, row.types))
    with block("td"), block("div"):
        link(row.session, f"/sessions/{row.key}", "tm-mono tm-whole")
        Text("div", shortened(row.kind, 80), "tm-quiet tm-small")
    text_cell("Who", few([*users, *roles]))
    text_cell("From", few(sources), "tm-mono tm-address")
    text_cell("Hosts", few(hosts), "tm-name")
    text_cell("Requests", f"{row.requests:,}")
    text_cell("Errors", f"{row.errors:,}")
    with cell("Attacks"):
        Text("span", f"{row.attacks:,}" if row.attacks else "—")
        for kind in types[:_FEW]:
            Text("span", type_name(kind), f"tm-badge tm-{type_family(kind)}")
    for name, time_ns in (("First seen", row.first_ns), ("Last seen", row.last_ns)):
        with cell(name, "tm-whole"):
            LocalTime(time_ns)


def listed(stored: str) -> list[str]:
    """Return the values of a column that keeps several, each between line ends."""
    return [value for value in stored.split("\n") if value]


def few(values: list[str]) -> str:
    """Return the first values, and how many more there are."""
    told = ", ".join(shortened(value, 60) for value in values[:_FEW])
    return (f"{told} and {len(values) - _FEW} more" if len(values) > _FEW else told) or "—"
