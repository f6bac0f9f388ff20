"""What people make of an attack, on its page: status, who looks after it, comments, and marking it as a false positive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import yaml
from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.accounts import list_accounts
from tcpmirror.cloud.ignore_rules import BadEntry, NameTaken, create_rule, proposed_entry
from tcpmirror.cloud.judgement import COMMENT_LIMIT, NoSuchAccount, Status, comment, judge, list_comments
from tcpmirror.cloud.preview import WEEK_NS, Preview, preview
from tcpmirror.cloud.roles import Role
from tcpmirror.console.frame import Visit
from tcpmirror.console.parts import LocalTime, Text, block, link
from tcpmirror.console.text import counted, shortened, type_name, visible
from tcpmirror.settings.tree import Ignore

STATUS_NAMES: Final = {
    Status.OPEN: "Open",
    Status.IN_PROGRESS: "In progress",
    Status.CLOSED: "Closed",
    Status.FALSE_POSITIVE: "False positive",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of an attack's judgement, and who could look after it."""

    attack_id: int
    status: Status
    assignee: str
    comments: tuple[Row[Any], ...]
    accounts: tuple[str, ...]


def read(visited: Visit, attack: Row[Any]) -> Judged:
    database = visited.service.database
    names = tuple(row.name for row in list_accounts(database) if not row.disabled)
    return Judged(attack.id, Status(attack.status), attack.assignee, tuple(list_comments(database, attack.id)), names)


class JudgementPanel:
    """The panel's state in one browser tab. Those who may only read see what stands there."""

    def __init__(self, visited: Visit, judged: Judged) -> None:
        self._visited = visited
        self._judged = judged
        self._may = visited.account.role.may(Role.ANALYST)
        with block("section", "tm-panel"):
            Text("h2", "Judgement")
            if self._may:
                self._controls()
            else:
                who = judged.assignee or "nobody"
                Text("p", f"{STATUS_NAMES[judged.status]}, looked after by {visible(who)}.", "tm-quiet")
            self._comments = block("ul", "tm-comments")
            self._show_comments(judged.comments)
            if self._may:
                self._comment_form()
        self._dialog = ui.dialog()

    def _controls(self) -> None:
        judged = self._judged
        with block("div", "tm-form"):
            status = ui.select(
                {str(key): name for key, name in STATUS_NAMES.items()}, value=str(judged.status), label="Status"
            )
            status.props("outlined dense options-dense").classes("tm-filter")
            status.on_value_change(lambda event: self._judge(Status(event.value), None))
            people = {"": "Nobody"} | {name: name for name in (*judged.accounts, judged.assignee) if name}
            assignee = ui.select(people, value=judged.assignee, label="Looked after by")
            assignee.props("outlined dense options-dense").classes("tm-filter")
            assignee.on_value_change(lambda event: self._judge(None, str(event.value)))
            _button("Mark as a false positive", self._propose)

    def _comment_form(self) -> None:
        with block("div", "tm-form"):
            text = ui.textarea("Comment").props(f"outlined dense autogrow maxlength={COMMENT_LIMIT}").classes("tm-filter")

            async def say() -> None:
                said = str(text.value or "").strip()
                if not said or not await self._visited.allows(Role.ANALYST):
                    return
                service = self._visited.service
                await asyncio.to_thread(
                    comment, service.database, self._judged.attack_id, said, self._visited.actor, service.clock()
                )
                text.value = ""
                rows = await asyncio.to_thread(list_comments, service.database, self._judged.attack_id)
                self._show_comments(tuple(rows))

            _button("Comment", say)

    def _show_comments(self, rows: tuple[Row[Any], ...]) -> None:
        self._comments.clear()
        with self._comments:
            for row in rows[-20:]:
                with block("li"):
                    with block("span", "tm-hit-line"):
                        Text("b", shortened(row.author, 64))
                        LocalTime(row.time_ns)
                    Text("p", visible(row.text, keep="\n"))

    async def _judge(self, status: Status | None, assignee: str | None) -> None:
        if not await self._visited.allows(Role.ANALYST):
            return
        service, attack_id = self._visited.service, self._judged.attack_id
        try:
            await asyncio.to_thread(
                judge, service.database, attack_id, status, assignee, self._visited.actor, service.clock()
            )
        except NoSuchAccount:
            ui.notify("There is no such account any more.", type="warning")
            return
        ui.notify("Saved.", type="positive")

    async def _propose(self) -> None:
        service, attack_id = self._visited.service, self._judged.attack_id
        entry = await asyncio.to_thread(proposed_entry, service.database, attack_id)
        if entry is None:
            return
        looked = await asyncio.to_thread(preview, service.database, entry, service.clock() - WEEK_NS)
        self._dialog.clear()
        with self._dialog, block("div", "tm-dialog").props('role="document" aria-label="False positive"'):
            Text("h2", "Mark as a false positive")
            Text(
                "p",
                "From now on the sensors would not report what this entry describes, the narrowest that covers the attack:",
            )
            Text("pre", entry_text(entry), "tm-pre")
            show_silenced(looked, attack_id)
            reason = ui.input("Why").props("outlined dense maxlength=1000").classes("tm-filter")
            with block("div", "tm-buttons"):
                _button("Save", lambda: self._save(entry, str(reason.value or "")), "tm-button tm-main-button")
                _button("Only mark it", self._mark, "tm-button")
                _button("Cancel", self._dialog.close, "tm-button")
        self._dialog.open()

    async def _mark(self) -> None:
        self._dialog.close()
        await self._judge(Status.FALSE_POSITIVE, None)
        ui.navigate.reload()

    async def _save(self, entry: Ignore, reason: str) -> None:
        if not await self._visited.allows(Role.ANALYST):
            return
        service, attack_id, actor = self._visited.service, self._judged.attack_id, self._visited.actor
        try:
            await asyncio.to_thread(
                create_rule, service.database, asdict(entry), reason.strip(), attack_id, actor, service.clock()
            )
        except NameTaken:
            ui.notify("There is such an entry already.", type="warning")
            return
        except BadEntry as problem:
            ui.notify(visible(str(problem)), type="negative")
            return
        await self._mark()


def entry_text(entry: Ignore) -> str:
    """Return *entry* as it would stand in the settings of a sensor."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(entry).items() if value}
    return visible(yaml.safe_dump(given, allow_unicode=True, sort_keys=False, width=1000).strip(), keep="\n")


def show_silenced(looked: Preview, attack_id: int | None = None) -> None:
    """Say what an entry would have silenced, besides attack *attack_id*, which it was made for."""
    others = [one for one in looked.attacks if one.row.id != attack_id]
    Text("h3", "What it would have silenced over the last week")
    with_all = "" if looked.is_whole else f" of the newest {looked.looked_at:,}"
    Text("p", f"{counted(looked.silenced, 'hit')}{with_all} in {counted(looked.attack_count, 'attack')}.")
    if not others:
        Text("p", "Nothing else than this attack." if attack_id is not None else "No attack.", "tm-quiet")
        return
    Text("p", "Besides this attack:" if attack_id is not None else "Most of them in:", "tm-quiet")
    with block("ul", "tm-list"):
        for one in others[:10]:
            with block("li"):
                link(f"#{one.row.id} {type_name(one.row.type)}", f"/attacks/{one.row.id}")
                Text(
                    "span", f" {shortened(one.row.host, 80)}{shortened(one.row.path, 80)}: {one.silenced:,} of {one.hits:,}"
                )


def _button(label: str, act: Callable[[], Any], classes: str = "tm-button") -> None:
    Text("button", label, classes).props('type="button"').on("click", act)
