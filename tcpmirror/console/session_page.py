"""One session on one day: who it is, what it did, and its time line with the attacks in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from tcpmirror.cloud.search.writing import term
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.sessions.intake import key_of
from tcpmirror.cloud.sessions.reading import days_of, read_session
from tcpmirror.console.parts import LocalTime, Text, block, cell, link, table, text_cell
from tcpmirror.console.text import counted, shortened, status_family, type_family, type_name
from tcpmirror.sessions.digest import Event, SessionDigest

_COLUMNS: Final = ("Time", "From", "Request", "Response", "Took", "Bytes", "Attacks")
_SHOWN: Final = 20  # endpoints of most requests


@dataclass(frozen=True, slots=True)
class Opened:
    """A session on one day, and the keys of all its days, the newest first."""

    digest: SessionDigest
    days: tuple[str, ...]


def read(service: Service, key: str) -> Opened | None:
    digest = read_session(service.database, key)
    return None if digest is None else Opened(digest, days_of(service.database, digest.id))


def show(opened: Opened) -> None:
    """Build the page's elements."""
    digest = opened.digest
    key = key_of(digest.id, digest.day)
    with block("nav", "tm-crumbs").props('aria-label="Way back"'):
        link("Sessions", "/sessions")
        Text("span", digest.id)
    with block("div", "tm-head"):
        Text("h1", f"Session {digest.id}")
        link("CSV", f"/api/v1/sessions/{key}/events.csv", "tm-button").props("download")
    if len(opened.days) > 1:
        with block("nav", "tm-chips").props('aria-label="Days of this session"'):
            for day in opened.days:
                chip = link(_date(day), f"/sessions/{day}", "tm-chip")
                if day == key:
                    chip.props('aria-current="true"')
    _figures(digest)
    with block("div", "tm-columns"):
        with block("aside", "tm-side"):
            _about(digest)
            _counts("Endpoints", digest.endpoints)
            _counts("Responses", digest.statuses)
        with block("div", "tm-exchange"), block("section", "tm-panel"):
            events = digest.time_line
            with block("div", "tm-panel-head"):
                Text("h2", "Time line")
                if len(events) < digest.requests:
                    told = f"the newest and those with attacks: {len(events):,} of {digest.requests:,}"
                    Text("span", told, "tm-quiet tm-small")
            with block("div", "tm-table-wrap tm-flat"), table("Time line", _COLUMNS):
                for event in events:
                    with block("tr", "tm-hot" if event.attacks else ""):
                        _event(event)


def _figures(digest: SessionDigest) -> None:
    figures = (
        ("Requests", f"{digest.requests:,}"),
        ("Errors", f"{digest.errors:,}"),
        ("Attacks", f"{sum(digest.attacks.values()):,}"),
        ("Bytes in", f"{digest.request_bytes:,}"),
        ("Bytes out", f"{digest.response_bytes:,}"),
    )
    with block("dl", "tm-figures tm-six"):
        for name, value in figures:
            with block("div"):
                Text("dt", name)
                Text("dd", value)
        with block("div"):
            Text("dt", "Last seen")
            with block("dd"):
                LocalTime(digest.last_ns)


def _about(digest: SessionDigest) -> None:
    with block("section", "tm-panel"):
        Text("h2", "Who")
        with block("dl", "tm-facts"):
            _fact("Named by", [digest.kind])
            _fact("Users", sorted(digest.users))
            _fact("Roles", sorted(digest.roles))
            _fact("User agents", sorted(digest.agents))
            _fact("Context", sorted(digest.context))
            _links("Sources", [(source, _search("ip", source)) for source in sorted(digest.sources)])
            _links("Hosts", [(host, _search("domain", host)) for host in sorted(digest.hosts)])
            _links("Came out of", [(name, f"/sessions?session={name}") for name in sorted(digest.linked)])


def _fact(name: str, values: list[str]) -> None:
    if values:
        with block("div"):
            Text("dt", name)
            with block("dd"):
                for value in values:
                    Text("div", shortened(value, 200))


def _links(name: str, values: list[tuple[str, str]]) -> None:
    if values:
        with block("div"):
            Text("dt", name)
            with block("dd"):
                for text, address in values:
                    with block("div"):
                        link(shortened(text, 100), address) if address else Text("span", shortened(text, 100))


def _search(key: str, value: str) -> str:
    found = term(key, value)
    return f"/attacks?{urlencode({'q': found})}" if found else ""


def _counts(title: str, counts: Counter[str]) -> None:
    with block("section", "tm-panel"):
        Text("h2", title)
        most = max(counts.values(), default=1)
        with block("ul", "tm-facets"):
            for name, number in counts.most_common(_SHOWN):
                with block("li"):
                    with block("span", "tm-facet-line"):
                        Text("span", shortened(name, 120), "tm-mono tm-facet-value")
                        Text("span", f"{number:,}", "tm-facet-hits")
                    block("span", "tm-facet-bar").style(f"width: {100 * number / max(most, 1):.1f}%")
        if len(counts) > _SHOWN:
            Text("p", f"and {counted(len(counts) - _SHOWN, 'more')}", "tm-quiet tm-small")


def _event(event: Event) -> None:
    with block("td"), block("div"):
        LocalTime(event.time_ns)
    text_cell("From", shortened(event.source, 60), "tm-mono tm-address")
    text_cell("Request", shortened(f"{event.method} {event.host}{event.path}", 240), "tm-mono")
    with cell("Response"):
        status = event.status if event.status >= 0 else None
        Text("span", "none" if status is None else str(status), f"tm-code tm-{status_family(status)}")
    text_cell("Took", f"{event.duration_us / 1000:,.1f} ms" if event.duration_us >= 0 else "—")
    text_cell("Bytes", f"{event.bytes:,}")
    with cell("Attacks"):
        for kind in event.attacks.split():
            Text("span", type_name(kind), f"tm-badge tm-{type_family(kind)}")
        if not event.attacks:
            Text("span", "—", "tm-quiet")


def _date(key: str) -> str:
    """Return the day (UTC) that a session's key ends with."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(key.rpartition("-")[2]))
    return f"{moment:%Y-%m-%d}"
