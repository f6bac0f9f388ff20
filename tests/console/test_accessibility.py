"""Every page against axe-core's rules (WCAG 2.1 A and AA), in both themes and at two widths; and by keyboard alone."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tcpmirror.cloud.sessions.intake import key_of
from tests.cloud.running import finding
from tests.console import test_sessions
from tests.console.browsing import recent, send, sign_in
from tests.console.conftest import RunningConsole
from tests.console.test_sessions import digest
from tests.console.test_vulnerabilities import tell, weakness

pytestmark = pytest.mark.browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
_SESSION = digest(0xACE, "axe.example", "sqli")
SESSION_PAGE = f"/sessions/{key_of(_SESSION.id, _SESSION.day)}"
PAGES = [
    "/overview",
    "/attacks",
    "/attacks?group=type",
    "/attacks?q=nothing-has-this",
    "/attacks?q=statuscod:1",
    "/attacks/1",
    "/incidents",
    "/sources",
    "/vulnerabilities?status=any",
    "/vulnerabilities/1",
    "/sessions",
    SESSION_PAGE,
    "/apis",
    "/apis/specifications",
    "/rules",
    "/rules/sqli-union-select",
    "/nodes",
    "/health",
    "/setup",
    "/settings",
]


def violations(page: Page) -> list[str]:
    """Return what axe calls serious or critical, with where it stands."""
    page.evaluate(AXE)
    found: Any = page.evaluate(f"axe.run(document, {json.dumps(RULES)})")
    return [
        f"{one['id']}: {one['help']}: {node['target']} {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]


def misfits(page: Page, width: int) -> list[str]:
    """Return what reaches beyond the page, and what of the text is cut without an ellipsis."""
    cut: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('.tm-page *')].filter(node => {
            const style = getComputedStyle(node);
            return node.childElementCount === 0 && style.overflowX === 'hidden' && style.textOverflow !== 'ellipsis'
                && node.clientWidth > 1 && node.scrollWidth > node.clientWidth + 1;
        }).map(node => `cut: ${node.textContent.slice(0, 80)}`)"""
    )
    reach = page.evaluate("document.documentElement.scrollWidth")
    return cut + ([f"{reach} pixels wide"] if reach > width else [])


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_page_fits_and_has_no_serious_violation(
    browser: Browser, console: RunningConsole, artefacts: Path, scheme: Any, width: int
) -> None:
    send(
        console,
        recent(1901, host="axe.example", findings=[finding(evidence="uid=0(root)"), finding(type="xss", payload="<b>")]),
        recent(1902, host="axe.example", status=500, real_ip="192.0.2.3"),
    )
    tell(console, weakness("exposed-file", "axe.example"))
    test_sessions.tell(console, _SESSION)
    context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme, base_url=console.url)
    page = context.new_page()
    page.goto("/sign-in")
    found = {"/sign-in": violations(page)}
    sign_in(page, console, "/overview")
    for path in PAGES:
        page.goto(path)
        expect(page.locator("main h1")).to_be_visible()
        page.wait_for_function("document.body.className.includes('body--')")
        page.screenshot(path=artefacts / f"{re.sub('[^a-z0-9]+', '-', path[1:])}-{scheme}-{width}.png", full_page=True)
        found[path] = violations(page) + misfits(page, width)
    context.close()
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_an_attack_is_searched_and_opened_by_keyboard_alone(page: Page, console: RunningConsole) -> None:
    send(console, recent(1911, host="keyboard.example"))
    sign_in(page, console, "/attacks")
    page.keyboard.press("/")
    page.keyboard.type("d:keyboard.example")
    page.keyboard.press("Enter")
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('tbody') !== null"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="SQL injection")).to_be_visible()


def test_live_rows_keep_place_and_selection(page: Page, console: RunningConsole) -> None:
    send(console, *(recent(1920 + number, host=f"s{number}.stay.example") for number in range(40)))
    sign_in(page, console, "/attacks?q=d:*.stay.example")
    expect(page.locator("tbody tr")).to_have_count(40)
    page.evaluate("window.scrollTo(0, 900)")
    middle = page.locator("tbody tr", has_text="s20.stay.example").locator("code")
    middle.evaluate("node => getSelection().selectAllChildren(node)")
    page.locator("tbody a").first.evaluate("node => node.focus({preventScroll: true})")
    before = page.evaluate("[window.scrollY, String(getSelection())]")
    send(console, recent(1990, host="late.stay.example"))
    expect(page.locator("tbody tr")).to_have_count(41)
    after = page.evaluate("[window.scrollY, String(getSelection())]")
    assert after[1] == before[1] == "1' or 1=1"
    assert abs(after[0] - before[0]) < 120  # the browser keeps what is in view in its place, by the height of the new row
    assert page.evaluate("document.activeElement.closest('tbody') !== null")
