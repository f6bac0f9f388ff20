"""The addresses of the pages: what each reads from the store, and what it shows of it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Path, Query
from nicegui import ui
from pydantic import Field

from tcpmirror.cloud.apis.reading import endpoint_detail
from tcpmirror.cloud.ignore_rules import list_rules
from tcpmirror.cloud.masks import list_masks
from tcpmirror.cloud.nodes import list_nodes, tried_findings
from tcpmirror.cloud.search.grammar import LENGTH_LIMIT
from tcpmirror.cloud.served_rules import list_packs
from tcpmirror.cloud.vulnerabilities import vulnerability
from tcpmirror.console import (
    api_list,
    api_page,
    attack_list,
    attack_page,
    mirror_health,
    node_list,
    overview,
    pushed_settings,
    rules_page,
    session_list,
    session_page,
    settings_page,
    setup_page,
    sources_page,
    specification_page,
    vulnerability_list,
    vulnerability_page,
)
from tcpmirror.console.address import PageAddress
from tcpmirror.console.attack_list import AttackList
from tcpmirror.console.frame import Visit, frame, visit
from tcpmirror.console.mirror_guides import MIRRORS
from tcpmirror.console.rule_book import rule_book, rule_of

# No page is built for anyone who is not signed in.
_Visit = Annotated[Visit, Depends(visit)]
_Text = Annotated[str, Query(max_length=200)]
_Cursor = Annotated[str, Query(max_length=12_000)]
_Search = Annotated[str, Query(max_length=LENGTH_LIMIT)]
_Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class NoSuchPage(Exception):
    """What the address names is not there, or no longer."""


def _add_list(place: attack_list.Place) -> None:
    @ui.page(place.path)
    async def attacks(
        visited: _Visit, *, q: _Search = "", sort: _Text = "", group: _Text = "", cursor: _Cursor = ""
    ) -> None:
        view = attack_list.view_of(place, q, sort, group, cursor)
        shown = await asyncio.to_thread(attack_list.read, visited.service, view)
        with frame(visited, place.name, place.name):
            AttackList(visited, view, shown)


for _place in attack_list.PLACES.values():
    _add_list(_place)


@ui.page("/attacks/{attack_id}")
async def attack(attack_id: _Id, visited: _Visit, *, hit: _Id | None = None, cursor: _Cursor = "") -> None:
    opened = await asyncio.to_thread(attack_page.read, visited, attack_id, hit, cursor or None)
    if opened is None:
        raise NoSuchPage
    with frame(visited, f"Attack #{attack_id}", "Attacks"):
        attack_page.show(visited, opened)


@ui.page("/overview")
async def of_all(visited: _Visit, *, period: _Text = "") -> None:
    shown = await asyncio.to_thread(overview.read, visited.service, overview.PERIODS.get(period, overview.DEFAULT))
    with frame(visited, "Overview", "Overview"):
        overview.OverviewPage(visited, shown)


@ui.page("/vulnerabilities")
async def vulnerabilities(
    visited: _Visit,
    *,
    status: _Text = "",
    kind: _Text = "",
    host: _Text = "",
    severity: _Text = "",
    text: _Text = "",
    sort: _Text = "",
    page: _Text = "",
) -> None:
    view = vulnerability_list.view_of(status, kind, host, severity, text, sort, page)
    shown = await asyncio.to_thread(vulnerability_list.read, visited.service, view)
    with frame(visited, "Vulnerabilities", "Vulnerabilities"):
        vulnerability_list.VulnerabilityList(visited, view, shown)


@ui.page("/vulnerabilities/{vulnerability_id}")
async def one_vulnerability(vulnerability_id: _Id, visited: _Visit) -> None:
    row = await asyncio.to_thread(vulnerability, visited.service.database, vulnerability_id)
    if row is None or not row.is_proven:
        raise NoSuchPage
    with frame(visited, f"Vulnerability #{row.id}", "Vulnerabilities"):
        vulnerability_page.VulnerabilityView(visited, row)


@ui.page("/sessions")
async def sessions(
    visited: _Visit,
    *,
    text: _Text = "",
    session: Annotated[str, Query(pattern="^[0-9a-f]{0,16}$")] = "",
    attacks: _Text = "",
    sort: _Text = "",
    page: _Text = "",
) -> None:
    view = session_list.view_of(text, session, attacks, sort, page)
    shown = await asyncio.to_thread(session_list.read, visited.service, view)
    with frame(visited, "Sessions", "Sessions"):
        session_list.SessionList(visited, view, shown)


@ui.page("/sessions/{key}")
async def one_session(key: Annotated[str, Path(pattern=r"^[0-9a-f]{16}-\d{1,6}$")], visited: _Visit) -> None:
    opened = await asyncio.to_thread(session_page.read, visited.service, key)
    if opened is None:
        raise NoSuchPage
    with frame(visited, f"Session {opened.digest.id}", "Sessions"):
        session_page.show(opened)


@ui.page("/rules")
async def rules(visited: _Visit, address: PageAddress) -> None:
    ignored = await asyncio.to_thread(list_rules, visited.service.database)
    packs = await asyncio.to_thread(list_packs, visited.service.database)
    tried = await asyncio.to_thread(tried_findings, visited.service.database)
    masks = await asyncio.to_thread(list_masks, visited.service.database)
    await asyncio.to_thread(rule_book)
    with frame(visited, "Rules", "Rules"):
        rules_page.RulesPage(visited, address, packs, tried, ignored, masks)


@ui.page("/rules/{rule_id}")
async def rule(rule_id: str, visited: _Visit) -> None:
    known = await asyncio.to_thread(rule_of, visited.service.database, rule_id)
    if known is None:
        raise NoSuchPage
    with frame(visited, known.id, "Rules"):
        rules_page.show_rule(known)


@ui.page("/settings")
async def settings(visited: _Visit, address: PageAddress) -> None:
    stored = await asyncio.to_thread(settings_page.read, visited, address)
    with frame(visited, "Settings", "Settings"):
        settings_page.SettingsPage(visited, address, stored)


@ui.page("/sources")
async def sources(visited: _Visit, address: PageAddress) -> None:
    stored = await asyncio.to_thread(sources_page.read, visited)
    with frame(visited, "Sources", "Sources"):
        sources_page.SourcesPage(visited, address, stored)


@ui.page("/nodes")
async def nodes(visited: _Visit, *, text: _Text = "", sort: _Text = "", page: _Text = "") -> None:
    view = node_list.view_of(text, sort, page)
    shown = await asyncio.to_thread(node_list.read, visited.service, view)
    pushed = await asyncio.to_thread(pushed_settings.read, visited)
    with frame(visited, "Nodes", "Nodes"):
        node_list.NodeList(visited, view, shown)
        pushed_settings.PushedSettings(visited, pushed)


@ui.page("/health")
async def health(visited: _Visit) -> None:
    told = mirror_health.read(await asyncio.to_thread(list_nodes, visited.service.database))
    with frame(visited, "Mirror health", "Mirror"):
        mirror_health.HealthPage(visited, told)


@ui.page("/setup")
async def setup(visited: _Visit, *, kind: _Text = "") -> None:
    rows = await asyncio.to_thread(list_nodes, visited.service.database)
    with frame(visited, "Set up a mirror", "Set-up"):
        setup_page.SetupPage(kind if kind in MIRRORS else "aws", rows)


@ui.page("/apis")
async def apis(
    visited: _Visit,
    *,
    host: _Text = "",
    path: _Text = "",
    state: _Text = "",
    risk: _Text = "",
    sensitive: _Text = "",
    sort: _Text = "",
    page: _Text = "",
) -> None:
    view = api_list.view_of(host, path, state, risk, sensitive, sort, page)
    shown = await asyncio.to_thread(api_list.read, visited.service, view)
    with frame(visited, "API Discovery", "APIs"):
        api_list.ApiList(visited, view, shown)


@ui.page("/apis/specifications")
async def specifications(visited: _Visit, *, host: _Text = "") -> None:
    given = await asyncio.to_thread(specification_page.read, visited.service, host.lower())
    with frame(visited, "Specifications", "APIs"):
        specification_page.SpecificationPage(visited, given)


@ui.page("/apis/{endpoint_id}")
async def api(endpoint_id: _Id, visited: _Visit) -> None:
    found = await asyncio.to_thread(endpoint_detail, visited.service.database, endpoint_id)
    if found is None:
        raise NoSuchPage
    with frame(visited, f"{found[1].method} {found[1].path}"[:80], "APIs"):
        api_page.show(*found)
