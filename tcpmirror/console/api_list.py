"""API Discovery: hosts, endpoints and changes, filtered and paged by the server; what is shown stands in the URL."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.apis.reading import (
    SORTS,
    STATES,
    EndpointFilter,
    EndpointPage,
    list_changes,
    list_endpoints,
    list_hosts,
    states_of,
)
from tcpmirror.cloud.service import Service
from tcpmirror.console.frame import Visit
from tcpmirror.console.live_list import ROWS, LiveList, page_number, pager
from tcpmirror.console.parts import LocalTime, Text, block, cell, choice, files_of, link, table, text_cell, text_filter
from tcpmirror.console.text import shortened
from tcpmirror.model.sensitive_class import GROUPS

_ANY: Final = EndpointFilter()
_RISKS: Final = {"": "Any risk", "4": "Medium and high", "8": "High"}
_ORDERS: Final = {
    "last": "Last seen",
    "risk": "Risk",
    "requests": "Requests",
    "errors": "Errors",
    "path": "Host and path",
}
_COLUMNS: Final = ("Endpoint", "Host", "Risk", "Requests", "Errors", "Sensitive", "Authentication", "Last seen")
_CHANGES: Final = {"added": "New", "changed": "Changed", "unused": "Unused", "gone": "Gone"}


@dataclass(frozen=True, slots=True)
class View:
    """What the URL says: which endpoints, in which order, which page of them."""

    wanted: EndpointFilter = _ANY
    sort: str = "last"
    page: int = 1

    def url(self) -> str:
        named = self._named() | {"risk": str(self.wanted.min_risk or "")}
        named |= {"sort": "" if self.sort == "last" else self.sort, "page": "" if self.page == 1 else str(self.page)}
        return _address("/apis", named)

    def files(self) -> dict[str, str]:
        """Return where all that the view shows can be had as a file, by ending."""
        named = self._named() | {"min_risk": str(self.wanted.min_risk or "")}
        return files_of("/api/v1/inventory/endpoints", named)

    def _named(self) -> dict[str, str]:
        return {name: getattr(self.wanted, name) for name in ("host", "path", "state", "sensitive")}

    def of(self, **changes: Any) -> View:
        """Return the first page of what is asked for with *changes*, fields of EndpointFilter."""
        return replace(self, wanted=replace(self.wanted, **changes), page=1)


def _address(path: str, named: dict[str, str]) -> str:
    query = urlencode({name: value for name, value in named.items() if value})
    return f"{path}?{query}" if query else path


@dataclass(frozen=True, slots=True)
class Shown:
    """One reading of the store for a view."""

    page: EndpointPage
    hosts: list[Row[Any]]
    changes: list[Row[Any]]
    now_ns: int = field(compare=False)


def view_of(host: str, path: str, state: str, risk: str, sensitive: str, sort: str, page: str) -> View:
    """Return what the parameters of a URL ask for; what is none of the choices is left out."""
    return View(
        EndpointFilter(
            host,
            path,
            state=state if state in STATES else "",
            sensitive=sensitive if sensitive in GROUPS else "",
            min_risk=int(risk) if risk in _RISKS and risk else 0,
        ),
        sort=sort if sort in SORTS else "last",
        page=page_number(page),
    )


def read(service: Service, view: View) -> Shown:
    now_ns = service.clock()
    page = list_endpoints(service.database, view.wanted, now_ns, view.sort, ROWS, (view.page - 1) * ROWS)
    changes = list_changes(service.database, view.wanted.host, 20)
    return Shown(page, list_hosts(service.database, now_ns), changes, now_ns)


class ApiList:
    """The page in one browser tab."""

    def __init__(self, visited: Visit, view: View, shown: Shown) -> None:
        self._visited = visited
        self._view = view
        files = view.files()
        rows = LiveList(
            visited, "API Discovery", files, lambda: read(visited.service, view), lambda read: read.page.total, self._build
        )
        self._ways()
        self._filters(shown)
        rows.place(shown)

    def _ways(self) -> None:
        of_host = urlencode({"host": self._view.wanted.host})
        with block("div", "tm-chips"):
            given = f"/apis/specifications?{of_host}" if self._view.wanted.host else "/apis/specifications"
            link("Specifications", given, "tm-chip")
            if self._view.wanted.host:
                link("OpenAPI", f"/api/v1/inventory/openapi?{of_host}", "tm-chip")

    def _build(self, shown: Shown) -> None:
        if not shown.page.rows:
            self._nothing(bool(shown.hosts))
            return
        with block("div", "tm-table-wrap"), table("Endpoints", _COLUMNS):
            for row in shown.page.rows:
                with block("tr"):
                    _row(row, shown.now_ns)
        pager(self._view.page, shown.page.total, lambda page: replace(self._view, page=page).url())
        _changes(shown.changes)

    def _filters(self, shown: Shown) -> None:
        view, wanted = self._view, self._view.wanted
        hosts = {"": "All hosts"} | {row.host: f"{shortened(row.host, 60)} ({row.endpoints})" for row in shown.hosts}
        if wanted.host not in hosts:
            hosts[wanted.host] = shortened(wanted.host, 60)
        with block("div", "tm-filters").props('role="search"'):
            choice("Host", hosts, wanted.host, lambda value: view.of(host=value).url())
            states = {"": "Any state"} | {name: name.capitalize() for name in STATES}
            choice("State", states, wanted.state, lambda value: view.of(state=value).url())
            choice("Risk", _RISKS, str(wanted.min_risk or ""), lambda value: view.of(min_risk=int(value or 0)).url())
            classes = {"": "Any data"} | {name: name.replace("_", " ") for name in sorted(GROUPS)}
            choice("Sensitive data", classes, wanted.sensitive, lambda value: view.of(sensitive=value).url())
            choice("Sorted by", _ORDERS, view.sort, lambda value: replace(view, sort=value, page=1).url())
            text_filter("Path", wanted.path, lambda text: view.of(path=text).url(), placeholder="/users")

    def _nothing(self, has_hosts: bool) -> None:
        with block("div", "tm-empty"):
            ui.icon("hub").classes("tm-empty-icon")
            if has_hosts or self._view != View():
                Text("h2", "No endpoint matches")
                link("Show all endpoints", "/apis", "tm-button")
            else:
                Text("h2", "No API seen yet")
                Text("p", "An endpoint appears once five of its requests were answered well, within a minute of them.")


def _row(row: Row[Any], now_ns: int) -> None:
    with block("td"), block("div"):
        link(f"{shortened(row.method, 16)} {shortened(row.path, 200)}", f"/apis/{row.id}", "tm-mono")
        if row.operation:
            Text("div", f"{row.kind}: {shortened(row.operation, 100)}", "tm-small tm-quiet")
        states = states_of(row, now_ns)
        if states:
            Text("div", ", ".join(states), "tm-small tm-warn" if row.rogue else "tm-small tm-quiet")
    text_cell("Host", shortened(row.host, 80), "tm-name")
    text_cell("Risk", risk_text(row.risk), "tm-whole tm-warn" if row.risk >= 8 else "tm-whole")
    text_cell("Requests", f"{row.requests:,}", "tm-whole")
    text_cell("Errors", f"{100 * row.errors / row.requests:.1f} %" if row.errors else "—", "tm-whole")
    text_cell("Sensitive", row.sensitive.strip().replace("_", " ").replace(" ", ", ") or "—")
    text_cell("Authentication", row.auth_state)
    with cell("Last seen", "tm-whole"):
        LocalTime(row.last_ns)


def _changes(rows: list[Row[Any]]) -> None:
    if not rows:
        return
    Text("h2", "Changes", "tm-over-table")
    with block("div", "tm-table-wrap"), table("Changes", ("Endpoint", "Change", "Parameters", "When")):
        for row in rows:
            with block("tr"):
                text_cell("Endpoint", f"{shortened(row.method, 16)} {shortened(row.host + row.path, 200)}", "tm-mono")
                text_cell("Change", _CHANGES.get(row.change, row.change))
                text_cell("Parameters", change_text(row.details) or "—")
                with cell("When", "tm-whole"):
                    LocalTime(row.time_ns)


def risk_text(risk: int) -> str:
    return f"{risk} {'high' if risk >= 8 else 'medium' if risk >= 4 else 'low'}"


def change_text(details: dict[str, Any]) -> str:
    """Return which parameters came and went."""
    words = {"added": "new", "gone": "gone"}
    parts = [
        f"{words[kind]}: {', '.join(shortened(str(key[-1]), 40) for key in keys[:5])}{' …' if len(keys) > 5 else ''}"
        for kind, keys in details.items()
        if kind in words
    ]
    return "; ".join(parts)
