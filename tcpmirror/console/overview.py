"""The overview: what came in and what was found over a period, what stands out, and whether the mirror is healthy."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.apis.reading import EndpointFilter, list_endpoints
from tcpmirror.cloud.attacks import Group, count_attacks, group_attacks
from tcpmirror.cloud.nodes import SILENT_NS, list_nodes
from tcpmirror.cloud.search.tree import All, During, Match
from tcpmirror.cloud.search.writing import term
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.trends import Trend, trend
from tcpmirror.cloud.vulnerabilities import count_vulnerabilities
from tcpmirror.console import mirror_health
from tcpmirror.console.frame import Visit
from tcpmirror.console.mirror_health import NodeHealth
from tcpmirror.console.parts import LocalTime, Text, TrendChart, block, link
from tcpmirror.console.text import counted, shortened, type_name

REFRESH_S: Final = 10.0
SLOW_REFRESH_S: Final = 60.0  # of periods over a day: they change little, and cost more
_COUNTED: Final = 100_000
_SHOWN: Final = 6
_SERIES: Final = 6  # types that have a colour of their own; the rest is one more series
_AT_RISK: Final = EndpointFilter(min_risk=8)
_HOUR_NS: Final = 3_600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Period:
    """How far back, in how many bars; ``search``: the same in the words of the search language."""

    name: str
    label: str
    length_ns: int
    bars: int
    search: str


PERIODS: Final = {
    period.name: period
    for period in (
        Period("1h", "1 hour", _HOUR_NS, 12, "last hour"),
        Period("24h", "24 hours", 24 * _HOUR_NS, 48, "last 24h"),
        Period("7d", "7 days", 168 * _HOUR_NS, 56, "last week"),
        Period("30d", "30 days", 720 * _HOUR_NS, 60, "last month"),
    )
}
DEFAULT: Final = PERIODS["24h"]


@dataclass(frozen=True, slots=True)
class Overview:
    """One reading of the store."""

    period: Period
    trend: Trend
    attacks: int
    incidents: int
    groups: dict[str, tuple[Group, ...]]
    endpoints: tuple[Row[Any], ...]
    weaknesses: dict[str, int]
    nodes: tuple[Row[Any], ...]
    health: tuple[NodeHealth, ...]
    now_ns: int


def read(service: Service, period: Period) -> Overview:
    """Return what the page shows; the longest of its questions are asked side by side."""
    database, now_ns = service.database, service.clock()
    during = During(now_ns - period.length_ns)
    with ThreadPoolExecutor(3) as threads:
        sources = threads.submit(group_attacks, database, during, "source", _SHOWN)
        targets = threads.submit(group_attacks, database, during, "target", _SHOWN)
        over_time = threads.submit(trend, database, period.length_ns, period.bars, now_ns)
        nodes = list_nodes(database)
        return Overview(
            period,
            over_time.result(),
            count_attacks(database, during, _COUNTED),
            count_attacks(database, All((during, Match("incident", ()))), _COUNTED),
            {"target": targets.result(), "source": sources.result()},
            tuple(list_endpoints(database, _AT_RISK, now_ns, "risk", _SHOWN).rows),
            count_vulnerabilities(database),
            tuple(nodes),
            tuple(mirror_health.read(nodes)),
            now_ns,
        )


class OverviewPage:
    """The page's state in one browser tab."""

    def __init__(self, visited: Visit, shown: Overview) -> None:
        self._visited = visited
        self._period = shown.period
        with block("div", "tm-head"):
            Text("h1", "Overview")
            with block("nav", "tm-chips tm-live").props('aria-label="Period"'):
                for period in PERIODS.values():
                    chip = link(period.label, f"/overview?period={period.name}", "tm-chip")
                    if period is shown.period:
                        chip.props('aria-current="true"')
        self._body = block("div", "tm-stack")
        self._show(shown)
        ui.timer(
            REFRESH_S if shown.period.length_ns <= DEFAULT.length_ns else SLOW_REFRESH_S, self._refresh, immediate=False
        )

    async def _refresh(self) -> None:
        if not await asyncio.to_thread(self._visited.is_signed_in):
            ui.navigate.to("/sign-in")
            return
        self._show(await asyncio.to_thread(read, self._visited.service, self._period))

    def _show(self, shown: Overview) -> None:
        self._body.clear()
        with self._body:
            _verdict(shown)
            _figures(shown)
            _trends(shown)
            with block("div", "tm-thirds"):
                _types(shown)
                _top("Top targets", "target", "domain", shown)
                _top("Top sources", "source", "ip", shown)
            _apis(shown)
            _nodes(shown)


def _verdict(shown: Overview) -> None:
    """Say in one line whether the mirrors are healthy, or else which is not and why."""
    problems = troubles(shown)
    if not shown.nodes:
        with block("div", "tm-advice tm-warning"):
            Text("b", "No sensor has registered.")
            Text("span", " Nothing is looked at yet. ")
            link("Set up a mirror", "/setup")
        return
    if not problems:
        with block("div", "tm-advice tm-fine"):
            Text("b", "The mirror is healthy.")
            Text("span", f" {counted(len(shown.nodes), 'sensor')} reporting; nothing is wrong with what is mirrored.")
        return
    with block("div", "tm-advice tm-problem"):
        Text("b", "The mirror needs a look.")
        with block("ul", "tm-list"):
            for name, problem in problems[:5]:
                Text("li", f"{shortened(name, 60)}: {shortened(problem, 300)}")
            if len(problems) > 5:
                Text("li", f"and {counted(len(problems) - 5, 'more problem')}")
        link("What to do about it", "/health")


def troubles(shown: Overview) -> list[tuple[str, str]]:
    """Return (sensor, what is wrong) for silent sensors and for what their doctors call a problem."""
    found = [
        (row.name or row.id[:8], f"silent for {counted((shown.now_ns - row.last_seen_ns) // 60_000_000_000, 'minute')}")
        for row in shown.nodes
        if shown.now_ns - row.last_seen_ns > SILENT_NS
    ]
    for node in shown.health:
        advice = node.health.advice if node.health is not None else []
        found += [(node.name, one.what) for one in advice if one.level == "problem"]
    return found


def _figures(shown: Overview) -> None:
    coverage = shown.trend.coverage
    silent = sum(shown.now_ns - row.last_seen_ns > SILENT_NS for row in shown.nodes)
    more = "+" if shown.attacks >= _COUNTED else ""
    figures = (
        ("Requests", f"{shown.trend.requests:,}", "analysed by all sensors"),
        ("Attacks", f"{shown.attacks:,}{more}", "going on in this period"),
        ("Incidents", f"{shown.incidents:,}", "attacks that succeeded"),
        ("Hits", f"{shown.trend.by_type.total():,}", "requests with an attack, by type"),
        ("Coverage", "—" if coverage is None else f"{coverage:.1%}", "the least told by any sensor"),
        ("Sensors", f"{len(shown.nodes) - silent} of {len(shown.nodes)}", "heard of in the last two minutes"),
    )
    with block("dl", "tm-figures tm-six"):
        for name, value, about in figures:
            with block("div"):
                Text("dt", name)
                Text("dd", value)
                Text("dd", about, "tm-quiet tm-about")


def _trends(shown: Overview) -> None:
    long = shown.period.length_ns > 48 * _HOUR_NS
    ranked = [kind for kind, _ in shown.trend.by_type.most_common(_SERIES)]
    with block("section", "tm-panel"):
        with block("div", "tm-panel-head"):
            Text("h2", "Hits by type")
            for series, kind in enumerate(ranked):
                _legend(type_name(kind), str(series))
            if len(shown.trend.by_type) > _SERIES:
                _legend("Others", "rest")
        TrendChart(hit_bars(shown.trend, ranked), f"{shown.trend.by_type.total():,} hits", long)
    with block("div", "tm-thirds"):
        steps = shown.trend.steps
        for name, values, told in (
            ("Requests", [step.requests for step in steps], f"{shown.trend.requests:,} requests"),
            ("Incidents", [step.incidents for step in steps], f"{shown.incidents:,} incidents"),
            (
                "Coverage, %",
                [round(100 * (step.coverage or 0), 1) for step in steps],
                "Share of the traffic that was analysed",
            ),
        ):
            with block("section", "tm-panel"):
                Text("h2", name)
                TrendChart(_plain_bars(shown.trend, name, values), told, long)


def _plain_bars(shown: Trend, name: str, values: list[Any]) -> list[dict[str, Any]]:
    series = "0" if name == "Incidents" else "calm"
    return [
        {"ms": step.start_ns // 1_000_000, "parts": [{"name": name, "value": value, "series": series}]}
        for step, value in zip(shown.steps, values, strict=True)
    ]


def hit_bars(shown: Trend, ranked: list[str]) -> list[dict[str, Any]]:
    """Return the bars of the chart of hits: a part for each type of *ranked*, one for all others, and what it links to."""
    bars = []
    for step in shown.steps:
        rest = sum(number for kind, number in step.hits.items() if kind not in ranked)
        parts = [
            {"name": type_name(kind), "value": step.hits.get(kind, 0), "series": str(series)}
            for series, kind in enumerate(ranked)
        ]
        if rest:
            parts.append({"name": "Others", "value": rest, "series": "rest"})
        search = urlencode({"q": f"{_minute(step.start_ns)}..{_minute(step.start_ns + shown.step_ns - 1)}"})
        bars.append({"ms": step.start_ns // 1_000_000, "parts": parts, "address": f"/attacks?{search}"})
    return bars


def _minute(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M}"


def _legend(name: str, series: str) -> None:
    with block("span", "tm-legend"):
        block("i", f"tm-series-{series}")
        Text("span", name)


def _types(shown: Overview) -> None:
    rows = [(kind, type_name(kind), number) for kind, number in shown.trend.by_type.most_common(_SHOWN)]
    _bars("Top types", [(name, number, term("type", kind)) for kind, name, number in rows], shown)


def _top(title: str, by: str, key: str, shown: Overview) -> None:
    groups = shown.groups[by]
    _bars(title, [(shortened(group.value, 80) or "—", group.hits, term(key, group.value)) for group in groups], shown)


def _bars(title: str, rows: list[tuple[str, int, str]], shown: Overview) -> None:
    most = max((number for _, number, _ in rows), default=1)
    with block("section", "tm-panel"):
        Text("h2", title)
        if not rows:
            Text("p", "Nothing was found in this period.", "tm-quiet")
        with block("ul", "tm-facets"):
            for name, number, more in rows:
                with block("li"):
                    with block("span", "tm-facet-line"):
                        search = urlencode({"q": f"{shown.period.search} {more}".strip()})
                        link(name, f"/attacks?{search}", "tm-facet-value")
                        Text("span", f"{number:,}", "tm-facet-hits")
                    block("span", "tm-facet-bar").style(f"width: {100 * number / max(most, 1):.1f}%")


def _apis(shown: Overview) -> None:
    """Show the riskiest endpoints and how many vulnerabilities are open, where there are any."""
    open_ones = [(name, number) for name, number in reversed(shown.weaknesses.items()) if number]
    if not shown.endpoints and not open_ones:
        return
    with block("section", "tm-panel"):
        with block("div", "tm-panel-head"):
            Text("h2", "APIs at risk")
            for name, number in open_ones:
                told = f"{number:,} {name}"
                chip = link(told, f"/vulnerabilities?severity={name}", "tm-chip")
                chip._props["aria-label"] = f"Open vulnerabilities: {told}"
        with block("ul", "tm-facets"):
            for row in shown.endpoints:
                with block("li"), block("span", "tm-facet-line"):
                    told = f"{shortened(row.method, 16)} {shortened(row.host + row.path, 160)}"
                    link(told, f"/apis/{row.id}", "tm-facet-value tm-mono")
                    Text("span", f"risk {row.risk}", "tm-facet-hits")


def _nodes(shown: Overview) -> None:
    if not shown.nodes:
        return
    with block("section", "tm-panel"):
        Text("h2", "Sensors")
        with block("ul", "tm-nodes-brief"):
            for row in shown.nodes[:12]:
                silent = shown.now_ns - row.last_seen_ns > SILENT_NS
                with block("li"):
                    Text("span", "", "tm-dot tm-silent" if silent else "tm-dot tm-heard")
                    Text("b", shortened(row.name, 60) or row.id[:8])
                    Text("span", shortened(row.version, 20), "tm-quiet")
                    LocalTime(row.last_seen_ns)
        if len(shown.nodes) > 12:
            link(f"All {len(shown.nodes)} sensors", "/nodes", "tm-button")
