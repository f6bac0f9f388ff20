"""The rules: a box to try a request in, what is ignored by order of the people here, and every built-in rule."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.cloud.served_rules import list_packs
from tcpmirror.cloud.short_lists import BUILT_IN
from tcpmirror.console.address import Address
from tcpmirror.console.frame import Visit
from tcpmirror.console.ignore_panel import IgnorePanel
from tcpmirror.console.mask_panel import MaskPanel
from tcpmirror.console.parts import Text, block, button, link, table, text_cell
from tcpmirror.console.rule_book import attack_pattern_address, rule_book, weakness_address
from tcpmirror.console.rule_packs import RulePacks
from tcpmirror.console.short_rows import Kind, ShortRows
from tcpmirror.console.text import type_family, type_name, visible
from tcpmirror.console.trial import REQUEST_LIMIT, show_tried, try_request
from tcpmirror.console.tried_rules import TriedRules
from tcpmirror.detect.pack import Rule
from tcpmirror.model.rule_document import PACK_NAME

_KIND: Final = Kind("q", "Built-in rules", BUILT_IN, "There is none.", "/api/v1/rules")
_EXAMPLE: Final = "GET /items?id=1' union select login,password from users-- HTTP/1.1\nHost: shop.example\n"


class RulesPage:
    """The page's state in one browser tab."""

    def __init__(
        self,
        visited: Visit,
        address: Address,
        packs: list[Row[Any]],
        tried: dict[str, int],
        ignored: list[Row[Any]],
        masks: list[Row[Any]],
    ) -> None:
        self._visited = visited
        with block("div", "tm-head"):
            Text("h1", "Rules")
            Text("span", f"{len(rule_book()):,}", "tm-count")
        with block("div", "tm-stack"):
            self._try_box()
            self._packs = RulePacks(visited, address, packs)
            TriedRules(tried)
            IgnorePanel(visited, address, ignored)
            MaskPanel(visited, address, masks)
            with block("section", "tm-panel"):
                ShortRows(address, _KIND, _built_in).place(list(rule_book().values()))

    def _try_box(self) -> None:
        with block("section", "tm-panel"):
            Text("h2", "Try a request")
            Text(
                "p",
                "Paste a raw HTTP request, or a value alone, and see what the built-in rules and the own ones make of it.",
                "tm-quiet",
            )
            self._request = ui.textarea("Request", value=_EXAMPLE)
            self._request.props(f"outlined autogrow maxlength={REQUEST_LIMIT} spellcheck=false").classes(
                "tm-filter tm-paste"
            )
            with block("div", "tm-buttons"):
                button("Try it", self._try, "tm-button tm-main-button")
            self._with_draft = ui.checkbox("With the pack that is being written below", value=False)
            self._answer = block("div").props('aria-live="polite"')

    async def _try(self) -> None:
        text = str(self._request.value or "")
        if not text.strip() or not await asyncio.to_thread(self._visited.is_signed_in):
            return
        self._answer.clear()
        with self._answer:
            Text("p", "Judging…", "tm-quiet")
        tried = await try_request(text, await self._packs_to_try())
        self._answer.clear()
        with self._answer:
            show_tried(tried)

    async def _packs_to_try(self) -> dict[str, str]:
        """Return the packs that sensors have, and on demand the one that is being written, in place of its namesake."""
        rows = await asyncio.to_thread(list_packs, self._visited.service.database)
        packs = {row.name: row.text for row in rows}
        name, text = self._packs.draft
        return packs | {name: text} if self._with_draft.value and PACK_NAME.fullmatch(name) else packs


def _built_in(rules: list[Rule]) -> None:
    with block("div", "tm-table-wrap tm-flat"), table("Built-in rules", ("Rule", "Type", "Severity", "Confidence")):
        for rule in rules:
            _rule_row(rule)


def _rule_row(rule: Rule) -> None:
    with block("tr"):
        with block("td"), block("div"):
            link(rule.id, f"/rules/{rule.id}", "tm-mono")
            Text("div", rule.title, "tm-quiet tm-small")
        with block("td"):
            Text("span", "Type", "tm-sheet-name")
            Text("span", type_name(rule.type), f"tm-badge tm-{type_family(rule.type)}")
        text_cell("Severity", rule.severity)
        text_cell("Confidence", f"{rule.confidence:.0%}")


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
