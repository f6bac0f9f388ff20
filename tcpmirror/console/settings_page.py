"""Settings: one's own password and sessions, what is kept; for administrators people, API tokens and the log of changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.accounts import (
    PASSWORD_LIMIT,
    SHORTEST_PASSWORD,
    AccountChange,
    AccountProblem,
    change_account,
    change_own_password,
    create_account,
    list_accounts,
)
from tcpmirror.cloud.audit import AuditFilter, list_audit
from tcpmirror.cloud.integrations import list_integrations
from tcpmirror.cloud.retention import Retention, retention_in_force, used_bytes
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.short_lists import PEOPLE, TOKENS
from tcpmirror.cloud.sign_in import Locked, list_sessions
from tcpmirror.cloud.tokens import create_token, digest, list_tokens, revoke_token
from tcpmirror.console.address import Address
from tcpmirror.console.frame import Visit
from tcpmirror.console.integration_panel import IntegrationPanel
from tcpmirror.console.keeping_panels import RetentionPanel, SessionsPanel
from tcpmirror.console.parts import LocalTime, Text, block, export_links, files_of, link, table, text_filter
from tcpmirror.console.short_rows import Kind, ShortRows
from tcpmirror.console.text import shortened, visible

ENTRIES: Final = 50
_PEOPLE: Final = {"read": "Read-only", "analyst": "Analyst", "admin": "Administrator"}
_TOKENS: Final = {"deploy": "Deploy: registers sensors", "read": "Read-only", "analyst": "Analyst", "admin": "Administrator"}
_NAME_LIMIT: Final = 64
_ACCOUNTS: Final = Kind("people", "People", PEOPLE, "None yet.", "/api/v1/accounts")
_API_TOKENS: Final = Kind("tokens", "API tokens", TOKENS, "None yet.", "/api/v1/tokens")


@dataclass(frozen=True, slots=True)
class Stored:
    """What the page shows; for those who are no administrators their sessions and what is kept."""

    sessions: list[Row[Any]]
    kept: Retention
    is_own: bool
    used: int
    accounts: tuple[Row[Any], ...] = ()
    tokens: tuple[Row[Any], ...] = ()
    entries: tuple[Row[Any], ...] = ()
    next_before: int | None = None
    integrations: list[Row[Any]] = field(default_factory=list)


def read(visited: Visit, address: Address) -> Stored:
    database, now_ns = visited.service.database, visited.service.clock()
    may_all = visited.may(Role.ADMIN)
    sessions = list_sessions(database, now_ns, None if may_all else visited.account.id)
    shown = Stored(sessions, *retention_in_force(database, visited.service.retention), used_bytes(database))
    if not may_all:
        return shown
    wanted = AuditFilter(address.of("who"), address.of("what"))
    rows = list_audit(database, wanted, ENTRIES + 1, _before(address))
    following = rows[ENTRIES - 1].id if len(rows) > ENTRIES else None
    return replace(
        shown,
        accounts=tuple(list_accounts(database)),
        tokens=tuple(list_tokens(database)),
        entries=tuple(rows[:ENTRIES]),
        next_before=following,
        integrations=list_integrations(database),
    )


class SettingsPage:
    """The page's state in one browser tab."""

    def __init__(self, visited: Visit, address: Address, stored: Stored) -> None:
        self._visited = visited
        self._address = address
        with block("div", "tm-head"):
            Text("h1", "Settings")
        with block("div", "tm-stack"):
            with block("section", "tm-panel"):
                Text("h2", f"Password of {visible(visited.account.name)}")
                self._password_form()
            SessionsPanel(visited, address, stored.sessions)
            RetentionPanel(visited, stored.kept, stored.is_own, stored.used)
            if not visited.account.role.may(Role.ADMIN):
                Text("p", "People, tokens and the log of changes are shown to administrators.", "tm-quiet")
                return
            with block("section", "tm-panel"):
                self._accounts = ShortRows(address, _ACCOUNTS, self._people)
                self._accounts.place(list(stored.accounts))
                self._account_form()
            with block("section", "tm-panel"):
                self._tokens = ShortRows(address, _API_TOKENS, self._api_tokens)
                self._tokens.place(list(stored.tokens))
                self._token_form()
            IntegrationPanel(visited, address, stored.integrations)
            with block("section", "tm-panel"):
                with block("div", "tm-panel-head"):
                    Text("h2", "Log of changes")
                    asked = {"actor": address.of("who"), "action": address.of("what")}
                    export_links(files_of("/api/v1/audit", asked), "Log of changes ")
                self._filters()
                self._entries = block("div", "tm-table-wrap tm-flat")
        self._show_entries(stored)

    def _filters(self) -> None:
        address = self._address
        with block("div", "tm-filters tm-spaced").props('role="search" aria-label="Log of changes"'):
            for name, label in (("who", "By whom"), ("what", "Action, as account")):
                text_filter(label, address.of(name), lambda text, name=name: address.url({name: text, "before": ""}))  # type: ignore[misc]

    def _password_form(self) -> None:
        with block("div", "tm-fields"):
            current = _secret("Current password")
            new = _secret(f"New password, {SHORTEST_PASSWORD} characters or more")

            async def change() -> None:
                if await self._try(lambda: self._change_password(str(current.value or ""), str(new.value or ""))):
                    current.value = new.value = ""

            _button("Change the password", change)

    def _change_password(self, current: str, new: str) -> None:
        visited, now_ns = self._visited, self._visited.service.clock()
        try:
            known = visited.service.sign_in.check(visited.account.name, current, now_ns, visited.address)
        except Locked as locked:
            raise AccountProblem(f"Too many failed attempts; wait {locked.seconds} seconds.") from locked
        if known is None:
            raise AccountProblem("The current password is wrong.")
        change_own_password(visited.service.database, known, new, digest(visited.secret), visited.actor, now_ns)

    def _account_form(self) -> None:
        with block("div", "tm-fields"):
            name = ui.input("Name").props(f"outlined dense maxlength={_NAME_LIMIT} autocomplete=off").classes("tm-filter")
            role = ui.select(_PEOPLE, value="read", label="Role").props("outlined dense").classes("tm-filter")
            password = _secret(f"Password, {SHORTEST_PASSWORD} characters or more")

            async def add() -> None:
                wished = str(name.value or "").strip()
                if wished and await self._administer(
                    lambda: create_account(
                        self._database,
                        wished,
                        Role(str(role.value)),
                        str(password.value or ""),
                        self._visited.actor,
                        self._now(),
                    )
                ):
                    name.value = password.value = ""

            _button("Add", add)

    def _token_form(self) -> None:
        with block("div", "tm-fields"):
            name = ui.input("Name").props(f"outlined dense maxlength={_NAME_LIMIT} autocomplete=off").classes("tm-filter")
            role = ui.select(_TOKENS, value="deploy", label="Role").props("outlined dense").classes("tm-filter")

            async def make() -> None:
                wished = str(name.value or "").strip()
                if not wished:
                    return
                made: list[str] = []

                def create() -> None:
                    kind = Role(str(role.value))
                    made.append(create_token(self._database, wished, kind, self._now(), self._visited.actor))

                if await self._administer(create):
                    name.value = ""
                    fresh.clear()
                    with fresh:
                        Text("p", "The new token. It is shown here and never again:")
                        Text("pre", made[0], "tm-pre")

            _button("Make a token", make)
        fresh = block("div").props('aria-live="polite"')

    @property
    def _database(self) -> Any:
        return self._visited.service.database

    def _now(self) -> int:
        return self._visited.service.clock()

    def _show(self, stored: Stored) -> None:
        self._accounts.show(list(stored.accounts))
        self._tokens.show(list(stored.tokens))
        self._show_entries(stored)

    def _show_entries(self, stored: Stored) -> None:
        address = self._address
        self._entries.clear()
        with self._entries:
            _table("Log of changes", ("When", "Who", "From", "What", "Of", "Details"), stored.entries, _entry_row)
            with block("div", "tm-pager"):
                if _before(address) is not None:
                    link("Newest", address.url({"before": ""}), "tm-button")
                if stored.next_before is not None:
                    link("Older", address.url({"before": str(stored.next_before)}), "tm-button")

    def _people(self, rows: list[Row[Any]]) -> None:
        with block("div", "tm-table-wrap tm-flat"):
            _table("People", ("Name", "Role", "State", ""), rows, self._account_row)

    def _api_tokens(self, rows: list[Row[Any]]) -> None:
        with block("div", "tm-table-wrap tm-flat"):
            _table("API tokens", ("Name", "Role", "Made by", "Last used", ""), rows, self._token_row)

    def _account_row(self, row: Row[Any]) -> None:
        _cell("Name", visible(row.name))
        with block("td"):
            role = ui.select(_PEOPLE, value=row.role).props(f'outlined dense aria-label="Role of {_plain(row.name)}"')
            role.on_value_change(lambda event: self._change(row.id, AccountChange(role=Role(str(event.value)))))
        _cell("State", "disabled" if row.disabled else "may sign in")
        with block("td"):
            label = "Enable" if row.disabled else "Disable"
            _button(label, lambda: self._change(row.id, AccountChange(disabled=not row.disabled)), "tm-chip")

    def _token_row(self, row: Row[Any]) -> None:
        _cell("Name", visible(row.name))
        _cell("Role", row.role)
        _cell("Made by", visible(row.created_by))
        with block("td"):
            Text("span", "Last used", "tm-sheet-name")
            LocalTime(row.last_used_ns) if row.last_used_ns else Text("span", "never")
        with block("td"):
            _button("Revoke", lambda: self._administer(lambda: self._revoke(row.id)), "tm-chip")

    def _revoke(self, token_id: int) -> bool:
        return revoke_token(self._database, token_id, self._visited.actor, self._now())

    async def _change(self, account_id: int, change: AccountChange) -> None:
        await self._administer(lambda: change_account(self._database, account_id, change, self._visited.actor, self._now()))

    async def _administer(self, act: Callable[[], object]) -> bool:
        """Do *act* if this person is still an administrator, and show what is stored then; return whether it was done."""
        if not await self._visited.allows(Role.ADMIN):
            return False
        done = await self._try(act)
        self._show(await asyncio.to_thread(read, self._visited, self._address))
        return done

    async def _try(self, act: Callable[[], object]) -> bool:
        try:
            await asyncio.to_thread(act)
        except AccountProblem as problem:
            ui.notify(visible(str(problem)), type="warning")
            return False
        ui.notify("Saved.", type="positive")
        return True


def _entry_row(row: Row[Any]) -> None:
    with block("td"):
        Text("span", "When", "tm-sheet-name")
        LocalTime(row.time_ns)
    told = json.dumps(row.details, ensure_ascii=False) if row.details else ""
    for name, value in (
        ("Who", row.actor),
        ("From", row.address),
        ("What", row.action),
        ("Of", row.object),
        ("Details", told),
    ):
        _cell(name, shortened(value, 200) or "—")


def _table(label: str, columns: tuple[str, ...], rows: Sequence[Row[Any]], show: Callable[[Row[Any]], None]) -> None:
    if not rows:
        Text("p", "None matches.", "tm-quiet")
        return
    with table(label, columns, "tm-records"):
        for row in rows:
            with block("tr"):
                show(row)


def _before(address: Address) -> int | None:
    """Return before which entry of the log of changes its page begins, None for the newest."""
    said = address.of("before")
    return int(said) if said.isascii() and said.isdigit() and 0 < int(said) < 1 << 63 else None


def _cell(name: str, value: str) -> None:
    with block("td"):
        Text("span", name, "tm-sheet-name")
        Text("span", value)


def _plain(text: str) -> str:
    """Return *text* as it can stand between quotes in NiceGUI's notation of properties."""
    return "".join(one if one.isalnum() or one in " .-_@" else " " for one in text)


def _secret(label: str) -> ui.input:
    field = ui.input(label, password=True).props(f"outlined dense maxlength={PASSWORD_LIMIT} autocomplete=new-password")
    field.classes("tm-filter")
    return field


def _button(label: str, act: Callable[[], Awaitable[object]], classes: str = "tm-button") -> None:
    Text("button", label, classes).props('type="button"').on("click", act)
