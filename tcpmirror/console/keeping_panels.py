"""Panels of the settings page: where people are signed in, and how long what was found is kept."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.retention import DAY_NS, LONGEST_DAYS, Retention, change_retention, retention_in_force, used_bytes
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import SIGN_INS
from tcpmirror.cloud.sign_in import list_sessions, revoke_session, session_name
from tcpmirror.cloud.tokens import digest
from tcpmirror.console.address import Address
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block, button, cell, table, text_cell
from tcpmirror.console.short_rows import Kind, ShortRows
from tcpmirror.console.text import shortened
from tcpmirror.settings.units import format_size, parse_size

_LARGEST: Final = 1 << 53
_SIGN_INS: Final = Kind("signed-in", "Signed in", SIGN_INS, "Nobody.")


class SessionsPanel:
    """Who is signed in where: administrators see everybody, others themselves."""

    def __init__(self, visited: Visit, address: Address, rows: list[Row[Any]]) -> None:
        self._visited = visited
        with block("section", "tm-panel"):
            self._rows = ShortRows(address, _SIGN_INS, self._build)
            self._rows.place(rows)

    def _build(self, rows: list[Row[Any]]) -> None:
        names = ("Who", "From", "Browser", "Since", "Last used", "")
        with block("div", "tm-table-wrap tm-flat"), table("Signed in", names):
            for row in rows:
                with block("tr"):
                    self._row(row)

    def _row(self, row: Row[Any]) -> None:
        text_cell("Who", shortened(row.account, 64))
        text_cell("From", shortened(row.address, 64) or "—")
        text_cell("Browser", shortened(row.browser, 60) or "—")
        for name, time_ns in (("Since", row.created_ns), ("Last used", row.last_used_ns)):
            with cell(name):
                LocalTime(time_ns)
        with block("td"):
            if row.sha256 == digest(self._visited.secret):
                Text("span", "this one", "tm-quiet")
            else:
                told = f"Sign {shortened(row.account, 64)} out"
                button("Sign out", lambda: self._revoke(session_name(row.sha256)), "tm-chip", told)

    async def _revoke(self, name: str) -> None:
        visited = self._visited
        if not await asyncio.to_thread(visited.is_signed_in):
            ui.navigate.to("/sign-in")
            return
        own = None if await asyncio.to_thread(visited.may, Role.ADMIN) else visited.account.id
        database, now_ns = visited.service.database, visited.service.clock()
        await asyncio.to_thread(revoke_session, database, name, visited.actor, now_ns, own)
        self._rows.show(await asyncio.to_thread(list_sessions, database, now_ns, own))


class RetentionPanel:
    """What goes when; administrators change it."""

    def __init__(self, visited: Visit, kept: Retention, is_own: bool, used: int) -> None:
        self._visited = visited
        with block("section", "tm-panel"):
            Text("h2", "What is kept")
            self._told = Text("p", "", "tm-quiet")
            if visited.account.role.may(Role.ADMIN):
                self._form(kept)
        self._tell(kept, is_own, used)

    def _form(self, kept: Retention) -> None:
        with block("div", "tm-fields"):
            days = ui.input("Days; 0: no limit", value=str(kept.age_ns // DAY_NS))
            size = ui.input("Size, as 20GiB; 0: no limit", value=str(format_size(kept.size_bytes)))
            for field in (days, size):
                field.props("outlined dense maxlength=20 autocomplete=off").classes("tm-filter")
            button("Keep so", lambda: self._save(str(days.value or ""), str(size.value or "")))
            button("As the settings say", lambda: self._save(None, None))

    async def _save(self, days: str | None, size: str | None) -> None:
        visited = self._visited
        number = int(days) if days is not None and days.strip().isdecimal() and len(days) < 7 else None
        size_bytes = parse_size(size.strip()) if size is not None else None
        is_bad = number is None or number > LONGEST_DAYS or size_bytes is None or size_bytes > _LARGEST
        if days is not None and is_bad:
            ui.notify(f"Accepted: 0 to {LONGEST_DAYS} days, and a size as 500MiB, 20GiB or 0.", type="warning")
            return
        if not await visited.allows(Role.ADMIN):
            return
        service = visited.service
        await asyncio.to_thread(change_retention, service.database, number, size_bytes, visited.actor, service.clock())
        kept, is_own = await asyncio.to_thread(retention_in_force, service.database, service.retention)
        self._tell(kept, is_own, await asyncio.to_thread(used_bytes, service.database))
        ui.notify("Saved.", type="positive")

    def _tell(self, kept: Retention, is_own: bool, used: int) -> None:
        age = f"Reports and attacks of the last {kept.age_ns // DAY_NS:,} days are kept" if kept.age_ns else "All is kept"
        size = f", the newest where the store is larger than {format_size(kept.size_bytes)}" if kept.size_bytes else ""
        origin = "This was set here." if is_own else "The settings say so."
        self._told.set_text(f"{age}{size}. The store has {used / 1e6:,.0f} MB. {origin}")
