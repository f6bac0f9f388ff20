"""The health of the mirrors: what each sensor's doctor says, and what became of all that it was shown."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from nicegui import ui
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Row

from tcpmirror.cloud.nodes import list_nodes
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block
from tcpmirror.console.text import shortened

REFRESH_S: Final = 5.0
_LEVELS: Final = {"problem": "tm-problem", "warning": "tm-warning", "note": "tm-note"}
_PLACES: Final = ("Source, VLAN, VNI", "Bytes seen", "Lost by the mirror", "Flows", "One-sided", "Without SYN", "Speaking")
_LEDGERS: Final = ("Unit", "In", "Analysed", "Waiting", "Not analysed", "Difference")


class Ledger(BaseModel):
    """One line of what came in and where it ended."""

    unit: str = Field(max_length=40)
    taken_in: int = Field(alias="in")
    analysed: int
    waiting: int
    reasons: dict[str, int]
    difference: int


class Place(BaseModel):
    """What a mirror showed of one source, VLAN and VNI."""

    place: str
    seen_bytes: int = 0
    lost_bytes: int = 0
    flows: int = 0
    one_sided_flows: int = 0
    no_syn_flows: int = 0
    protocols: dict[str, int] = {}
    names: dict[str, int] = {}

    @property
    def loss(self) -> str:
        total = self.seen_bytes + self.lost_bytes
        return f"{100 * self.lost_bytes / total:.2f} %" if total > 0 else "—"

    @property
    def spoken(self) -> str:
        """Flows by protocol, TLS with the server names that were asked for."""
        words = [f"{shortened(name, 40)} {count:,}" for name, count in sorted(self.protocols.items())[:12]]
        names = ", ".join(shortened(name, 80) for name in list(self.names)[:5])
        return ", ".join(words) + (f" ({names})" if names else "") or "—"


class Advice(BaseModel):
    """One thing that stands out."""

    level: str
    where: str
    what: str
    todo: str


class MirrorHealth(BaseModel):
    """What a heartbeat says of the mirror; a node may send anything, so it is read as strictly as a form."""

    ledgers: list[Ledger] = Field(max_length=10)
    protocols: dict[str, int]
    places: list[Place] = Field(max_length=100)
    advice: list[Advice] = Field(max_length=100)


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """One sensor; ``health`` is None where it has not told any."""

    name: str
    told_ns: int
    health: MirrorHealth | None


def read(rows: list[Row[Any]]) -> list[NodeHealth]:
    """Return what the last heartbeat of each node tells."""
    return [NodeHealth(row.name or row.id[:8], row.last_seen_ns, _health(row.stats)) for row in rows]


def _health(stats: object) -> MirrorHealth | None:
    told = stats.get("mirror_health") if isinstance(stats, dict) else None
    try:
        return MirrorHealth.model_validate(told)
    except ValidationError:
        return None


class HealthPage:
    """The page's state in one browser tab."""

    def __init__(self, visited: Visit, nodes: list[NodeHealth]) -> None:
        self._visited = visited
        with block("div", "tm-head"):
            Text("h1", "Mirror health")
        self._body = block("div")
        self._shown: list[NodeHealth] | None = None
        self._show(nodes)
        ui.timer(REFRESH_S, self._refresh, immediate=False)

    async def _refresh(self) -> None:
        if not await asyncio.to_thread(self._visited.is_signed_in):
            ui.navigate.to("/sign-in")
            return
        self._show(read(await asyncio.to_thread(list_nodes, self._visited.service.database)))

    def _show(self, nodes: list[NodeHealth]) -> None:
        if nodes == self._shown:
            return
        self._shown = nodes
        self._body.clear()
        with self._body:
            if not nodes:
                with block("div", "tm-empty"):
                    ui.icon("sensors").classes("tm-empty-icon")
                    Text("h2", "No sensor has registered")
            for node in nodes:
                _node(node)


def _node(node: NodeHealth) -> None:
    with block("section", "tm-panel tm-health"):
        with block("div", "tm-health-head"):
            Text("h2", shortened(node.name, 80))
            LocalTime(node.told_ns)
        if node.health is None:
            Text("p", "This sensor has told nothing about its mirror yet.", "tm-quiet")
            return
        _advice(node.health.advice)
        _ledgers(node.health.ledgers)
        _places(node.health.places)
        spoken = [f"{shortened(name, 40)} {count:,}" for name, count in list(node.health.protocols.items())[:12]]
        Text("p", "Protocols: " + ", ".join(spoken), "tm-quiet tm-small")


def _advice(advice: list[Advice]) -> None:
    if not any(one.level != "note" for one in advice):
        Text("p", "Nothing is wrong with what this sensor is shown.", "tm-note tm-advice")
    for one in advice:
        with block("div", f"tm-advice {_LEVELS.get(one.level, 'tm-note')}"):
            with block("div"):
                Text("b", shortened(one.level, 20))
                Text("span", f" {shortened(one.where, 120)}: {shortened(one.what, 400)}")
            Text("div", f"→ {shortened(one.todo, 600)}", "tm-quiet")


def _ledgers(ledgers: list[Ledger]) -> None:
    with _table("What became of everything", _LEDGERS):
        for ledger in ledgers:
            reasons = ", ".join(f"{shortened(name, 40)} {count:,}" for name, count in list(ledger.reasons.items())[:40])
            numbers = (f"{number:,}" for number in (ledger.taken_in, ledger.analysed, ledger.waiting))
            _row(_LEDGERS, ledger.unit, *numbers, reasons or "—", f"{ledger.difference:,}")


def _places(places: list[Place]) -> None:
    if not places:
        return
    with _table("What the mirror shows", _PLACES):
        for place in places:
            counts = (f"{count:,}" for count in (place.flows, place.one_sided_flows, place.no_syn_flows))
            _row(_PLACES, shortened(place.place, 120), f"{place.seen_bytes:,}", place.loss, *counts, place.spoken)


def _table(label: str, columns: tuple[str, ...]) -> ui.element:
    """Return the body of a table to put rows into; on a narrow screen each row becomes a list of name and value."""
    Text("h3", label)
    with block("div", "tm-table-wrap"), block("table", "tm-sheet").props(f'aria-label="{label}"'):
        with block("thead"), block("tr"):
            for column in columns:
                Text("th", column).props('scope="col"')
        return block("tbody")


def _row(columns: tuple[str, ...], *cells: str) -> None:
    with block("tr"):
        for column, cell in zip(columns, cells, strict=True):
            with block("td"):
                Text("span", column, "tm-sheet-name")
                Text("span", cell)
