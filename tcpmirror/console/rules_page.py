"""The rules: a box to try a request in, what is ignored by order of the people here, and every built-in rule."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.ignore_rules import list_rules, remove_rule
from tcpmirror.cloud.roles import Role
from tcpmirror.console.frame import Visit
from tcpmirror.console.judgement import entry_text
from tcpmirror.console.parts import LocalTime, Text, block, link
from tcpmirror.console.rule_book import attack_pattern_address, rule_book, weakness_address
from tcpmirror.console.text import shortened, type_family, type_name, visible
from tcpmirror.detect.pack import Rule
from tcpmirror.model.point import point_text
from tcpmirror.settings.tree import Ignore

REQUEST_LIMIT: Final = 64 * 1024
_PATIENCE_S: Final = 120.0  # where the rules were not compiled for this machine yet, that is done first
_EXAMPLE: Final = "GET /items?id=1' union select login,password from users-- HTTP/1.1\nHost: shop.example\n"
# A process of its own judges what is pasted: by the command that operators have, with nothing of the console's to lose.
_EXPLAIN: Final = (
    sys.executable,
    "-c",
    "import sys; from tcpmirror.cli import main; sys.exit(main(['rules', 'explain', '-', '--json']))",
)
_turn = asyncio.Lock()


@dataclass(frozen=True, slots=True)
class Tried:
    """What `tcpmirror rules explain` says of a request; ``problem``: why it says nothing."""

    told: dict[str, Any]
    problem: str = ""


async def try_request(text: str) -> Tried:
    """Return the explanation of a request or value; one at a time is judged."""
    async with _turn:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*_EXPLAIN, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            given = text[:REQUEST_LIMIT].encode("utf-8", "surrogateescape")
            output, complaint = await asyncio.wait_for(process.communicate(given), _PATIENCE_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            return Tried({}, f"The judging took over {_PATIENCE_S:.0f} seconds.")
    if process.returncode:
        return Tried({}, complaint.decode("utf-8", "replace").strip()[-400:] or "This cannot be read.")
    first = output.decode().splitlines()[0] if output.strip() else "{}"
    return Tried(json.loads(first))


class RulesPage:
    """The page's state in one browser tab."""

    def __init__(self, visited: Visit, ignored: list[Row[Any]]) -> None:
        self._visited = visited
        with block("div", "tm-head"):
            Text("h1", "Rules")
            Text("span", f"{len(rule_book()):,}", "tm-count")
        with block("div", "tm-stack"):
            self._try_box()
            with block("section", "tm-panel"):
                Text("h2", "Ignored by order of the people here")
                self._ignored = block("div")
            self._show_ignored(ignored)
            with block("section", "tm-panel"):
                Text("h2", "Built-in rules")
                filter_ = ui.input(
                    "Filter by id, type or title", on_change=lambda event: self._show_rules(str(event.value or ""))
                )
                filter_.props("outlined dense clearable debounce=200 maxlength=100").classes("tm-filter tm-spaced")
                self._rules = block("div", "tm-table-wrap tm-flat")
                self._show_rules("")

    def _try_box(self) -> None:
        with block("section", "tm-panel"):
            Text("h2", "Try a request")
            Text("p", "Paste a raw HTTP request, or a value alone, and see what the built-in rules make of it.", "tm-quiet")
            self._request = ui.textarea("Request", value=_EXAMPLE)
            self._request.props(f"outlined autogrow maxlength={REQUEST_LIMIT} spellcheck=false").classes(
                "tm-filter tm-paste"
            )
            with block("div", "tm-buttons"):
                Text("button", "Try it", "tm-button tm-main-button").props('type="button"').on("click", self._try)
            self._answer = block("div").props('aria-live="polite"')

    async def _try(self) -> None:
        text = str(self._request.value or "")
        if not text.strip() or not await asyncio.to_thread(self._visited.is_signed_in):
            return
        self._answer.clear()
        with self._answer:
            Text("p", "Judging…", "tm-quiet")
        tried = await try_request(text)
        self._answer.clear()
        with self._answer:
            show_tried(tried)

    def _show_ignored(self, rows: list[Row[Any]]) -> None:
        self._ignored.clear()
        with self._ignored:
            if not rows:
                Text(
                    "p",
                    "Nothing. Mark an attack as a false positive on its page, and what is ignored stands here.",
                    "tm-quiet",
                )
            with block("ul", "tm-comments"):
                for row in rows:
                    self._ignored_row(row)

    def _ignored_row(self, row: Row[Any]) -> None:
        given: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in row.entry.items()}
        entry = Ignore(**given)
        with block("li"):
            with block("span", "tm-hit-line"):
                Text("b", shortened(row.created_by, 64))
                LocalTime(row.created_ns)
            Text("pre", entry_text(entry), "tm-pre")
            if row.reason:
                Text("p", visible(row.reason))
            with block("div", "tm-buttons"):
                if row.attack_id is not None:
                    link(f"Attack #{row.attack_id}", f"/attacks/{row.attack_id}", "tm-chip")
                if self._visited.account.role.may(Role.ANALYST):
                    remove = Text("button", "Report these again", "tm-chip").props('type="button"')
                    remove.on("click", lambda: self._remove(row.id))

    async def _remove(self, rule_id: int) -> None:
        if not await asyncio.to_thread(self._visited.may, Role.ANALYST):
            ui.notify("This needs the role analyst.", type="warning")
            return
        service = self._visited.service
        await asyncio.to_thread(remove_rule, service.database, rule_id, self._visited.actor, service.clock())
        self._show_ignored(await asyncio.to_thread(list_rules, service.database))

    def _show_rules(self, wanted: str) -> None:
        words = wanted.lower().split()
        kept = [rule for rule in rule_book().values() if all(word in _text_of(rule) for word in words)]
        self._rules.clear()
        with self._rules:
            if not kept:
                Text("p", "No rule has all these words.", "tm-quiet")
                return
            with block("table", "tm-sheet").props('aria-label="Built-in rules"'):
                with block("thead"), block("tr"):
                    for name in ("Rule", "Type", "Severity", "Confidence"):
                        Text("th", name).props('scope="col"')
                with block("tbody"):
                    for rule in kept:
                        _rule_row(rule)


def _text_of(rule: Rule) -> str:
    return f"{rule.id} {rule.type} {rule.title} {type_name(rule.type)} {rule.severity}".lower()


def _rule_row(rule: Rule) -> None:
    with block("tr"):
        with block("td"), block("div"):
            link(rule.id, f"/rules/{rule.id}", "tm-mono")
            Text("div", rule.title, "tm-quiet tm-small")
        with block("td"):
            Text("span", "Type", "tm-sheet-name")
            Text("span", type_name(rule.type), f"tm-badge tm-{type_family(rule.type)}")
        for name, value in (("Severity", rule.severity), ("Confidence", f"{rule.confidence:.0%}")):
            with block("td"):
                Text("span", name, "tm-sheet-name")
                Text("span", value)


def show_tried(tried: Tried) -> None:
    """Build what is told of a request: the verdict, then each value with a word of a rule about it."""
    if tried.problem:
        Text("p", visible(tried.problem), "tm-warn")
        return
    findings = tried.told.get("findings", [])
    if not findings:
        Text("p", "No attack was found in it.", "tm-advice tm-fine")
    for finding in findings[:20]:
        with block("div", "tm-advice tm-problem"):
            Text("b", type_name(finding["type"]))
            Text("span", f" at {visible(point_text(tuple(finding['point'])))[:300]}, {finding['confidence']:.0%}, by ")
            link(finding["rule"], f"/rules/{finding['rule']}") if finding["rule"] in rule_book() else Text(
                "b", finding["rule"]
            )
            Text("div", shortened(finding["payload"], 400), "tm-mono")
    _points([point for point in tried.told.get("points", []) if point["rules"]])


def _points(points: list[dict[str, Any]]) -> None:
    if not points:
        return
    with block("details", "tm-details"):
        Text("summary", "Every rule with a word to say, value by value")
        for point in points[:30]:
            Text("h3", visible(str(point["point"]))[:300])
            Text("pre", shortened(str(point["value"]), 600), "tm-pre")
            with block("ul", "tm-list"):
                for word in point["rules"][:20]:
                    with block("li"):
                        Text("b" if word["counts"] else "span", word["id"])
                        why = f"counts {word['weight']:.2f}" if word["counts"] else shortened(word["reason"], 200)
                        Text("span", f": {why}", "tm-quiet")


def show_rule(rule: Rule) -> None:
    """Build the page of one rule."""
    with block("nav", "tm-crumbs").props('aria-label="Way back"'):
        link("Rules", "/rules")
        Text("span", rule.id)
    with block("div", "tm-title"):
        Text("span", rule.type, f"tm-badge tm-{type_family(rule.type)}")
        Text("h1", rule.title)
    with block("div", "tm-stack"):
        with block("section", "tm-panel"):
            Text("p", rule.why)
            with block("dl", "tm-facts"):
                facts = {
                    "Severity": rule.severity,
                    "Confidence": f"{rule.confidence:.0%}",
                    "Looks at": ", ".join(".".join(point) for point in rule.points),
                    "Only parameters named": rule.keys.pattern if rule.keys else "",
                    "Uploaded files": "yes" if rule.files else "no",
                }
                for name, value in facts.items():
                    if value:
                        with block("div"):
                            Text("dt", name)
                            Text("dd", value, "tm-mono")
            with block("p", "tm-references"):
                for number in rule.cwe:
                    _reference(f"CWE-{number}", weakness_address(number))
                for number in rule.capec:
                    _reference(f"CAPEC-{number}", attack_pattern_address(number))
                for address in rule.references:
                    _reference(urlsplit(address).hostname or address, address)
                link("Attacks it found", f"/attacks?q=rule%3A{rule.id}", "tm-chip")
        for name, values in (
            ("Looks for one of", rule.patterns),
            ("And all of", rule.must),
            ("And none of", rule.must_not),
            ("Has to match", rule.matching),
            ("Must not match", rule.harmless),
        ):
            if values:
                with block("section", "tm-panel"):
                    Text("h2", name)
                    lines = (value.decode("utf-8", "backslashreplace") for value in values)
                    Text("pre", visible("\n".join(lines), keep="\n"), "tm-pre tm-spaced")


def _reference(text: str, address: str) -> None:
    link(text, address, "tm-chip").props('target="_blank" rel="noreferrer noopener"')
