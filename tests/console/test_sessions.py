"""The pages of sessions in a real browser, over the real service."""

from __future__ import annotations

import json
import time

import pytest
from playwright.sync_api import Page, expect

from tcpmirror.sessions.digest import Event, SessionDigest
from tcpmirror.sessions.record import encode_rows, wire_row
from tests.console.browsing import XSS, Problems, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser

DAY_NS = 86_400 * 10**9


def digest(number: int, host: str, attacks: str = "", days_ago: int = 0) -> SessionDigest:
    now_ns = time.time_ns() - days_ago * DAY_NS
    made = SessionDigest(f"{number:016x}", now_ns // DAY_NS, "cookie SID", now_ns, now_ns, 3, 1, 90, 5000)
    made.sources.add("192.0.2.7")
    made.hosts.add(host)
    made.users.add("bob" + XSS[:80])
    made.agents.add(XSS)
    made.linked.add("00000000000000ff")
    made.statuses.update({"2xx": 2, "4xx": 1})
    made.endpoints[f"GET {host}/{XSS}"] = 3
    if attacks:
        made.attacks[attacks] = 1
    made.events.add(Event(now_ns, "192.0.2.7", "GET", host, "/" + XSS, 200, 1500, 42, ""))
    if attacks:
        made.attack_events.add(Event(now_ns + 1, "192.0.2.7", "POST", host, "/login", -1, -1, 0, attacks))
    return made


def tell(console: RunningConsole, *found: SessionDigest) -> None:
    with console.node() as node:
        body = encode_rows(str(time.monotonic_ns()), map(wire_row, found))
        node.post("/api/v1/sessions/digests", content=body).raise_for_status()


def test_sessions_are_listed_and_open_with_their_time_line(page: Page, console: RunningConsole, problems: Problems) -> None:
    host = "sess.example" + XSS[:40]
    tell(console, digest(0xA1, host, "sqli"), digest(0xA1, host, days_ago=1), digest(0xB2, host))
    sign_in(page, console, "/sessions?text=sess.example")
    rows = page.get_by_role("table", name="Sessions").locator("tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_label("Shown").click()
    page.get_by_role("option", name="With attacks").click()
    expect(rows).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as JSON").click()
    assert [one["session"] for one in json.loads(download.value.path().read_text())] == ["00000000000000a1"]
    tell(console, digest(0xC3, host, "xss"))
    expect(rows).to_have_count(2)  # while the page is open
    expect(page.get_by_label("Sessions", exact=True).first).to_have_text("2")
    rows = rows.filter(has_text="a1")
    expect(rows).to_contain_text("bob<script>")
    expect(rows).to_contain_text("SQL injection")
    rows.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Session 00000000000000a1")).to_be_visible()
    events = page.get_by_role("table", name="Time line").locator("tbody tr")
    expect(events).to_have_count(2)
    expect(events.first).to_contain_text("POST sess.example<script>")
    expect(events.first).to_contain_text("none")
    expect(events.first).to_contain_text("SQL injection")
    expect(events.nth(1)).to_contain_text("1.5 ms")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "/login" in download.value.path().read_text()
    days = page.get_by_role("navigation", name="Days of this session").get_by_role("link")
    expect(days).to_have_count(2)
    days.nth(1).click()
    expect(events).to_have_count(1)
    assert page.evaluate("window.pwned") is None
    assert problems == []


def test_a_session_that_is_not_there_says_so(page: Page, console: RunningConsole) -> None:
    sign_in(page, console)
    for path in ("/sessions/0000000000000000-1", "/sessions/nonsense"):
        answer = page.goto(path)
        assert answer is not None and answer.status == 404
    page.goto("/sessions?text=nothing-has-this")
    expect(page.get_by_role("heading", name="No session matches")).to_be_visible()
