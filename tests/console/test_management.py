"""Incidents, rules, set-up and settings in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cloud.running import finding
from tests.console.browsing import XSS, Problems, recent, send, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser


def test_incidents_are_the_attacks_that_succeeded(page: Page, console: RunningConsole, problems: Problems) -> None:
    proven = finding(type="ptrav", payload="../etc/passwd", evidence="root:x:0:0" + XSS)
    send(console, recent(1801, host="proven.example", findings=[proven]), recent(1802, host="tried.example"))
    sign_in(page, console, "/incidents?q=d:*ed.example+OR+d:proven.example")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("proven.example")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as JSON").click()
    assert "tried.example" not in download.value.path().read_text()
    page.locator("tbody tr").get_by_role("link").click()
    expect(page.get_by_text("root:x:0:0<script>")).to_be_visible()
    assert problems == []


@pytest.mark.slow
def test_pasted_request_is_explained(page: Page, console: RunningConsole, problems: Problems) -> None:
    page.context.set_default_timeout(60_000)
    sign_in(page, console, "/rules")
    page.get_by_role("button", name="Try it").click()
    answer = page.locator(".tm-advice.tm-problem")
    expect(answer).to_contain_text("SQL injection at [get][id]", timeout=130_000)
    page.get_by_label("Request").fill("GET / HTTP/1.1\nHost: shop.example\n")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("No attack was found in it.")).to_be_visible(timeout=130_000)
    page.get_by_label("Request").fill(XSS)
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(".tm-advice.tm-problem").first).to_contain_text("Cross-site scripting", timeout=130_000)
    assert page.evaluate("window.pwned") is None
    assert problems == []


PACK = """type: vpatch
rules:
  - id: own-legacy-export
    title: "The export <script>window.pwned=1</script>"
    why: "It hands out everything."
    severity: high
    confidence: 0.9
    patterns: ['/legacy/export']
    examples: {match: [/legacy/export], no_match: [/export]}
"""


@pytest.mark.slow
def test_own_rules_are_tried_given_opened_and_taken_away(page: Page, console: RunningConsole, problems: Problems) -> None:
    sign_in(page, console, "/rules")
    page.get_by_text("Write a pack").click()
    name, text = page.get_by_label("Name of the pack"), page.get_by_label("Rules, YAML")
    name.fill("shop")
    text.fill("type: <b>none</b>\nrules: []\n")
    page.get_by_role("button", name="Give it to the sensors").click()
    expect(page.locator(".tm-advice.tm-problem")).to_contain_text("accepted")
    text.fill(PACK)
    page.get_by_label("Request").fill("GET /legacy/export HTTP/1.1\nHost: shop.example\n")
    page.get_by_text("With the pack that is being written below").click()
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(".tm-advice.tm-problem", has_text="own-legacy-export")).to_be_visible(timeout=130_000)
    page.get_by_role("button", name="Give it to the sensors").click()
    rows = page.get_by_role("table", name="Own rule packs").locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("admin")
    page.goto("/rules/own-legacy-export")
    expect(page.get_by_role("heading", name="The export <script>")).to_be_visible()
    assert page.evaluate("window.pwned") is None
    page.goto("/rules")
    rows.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("None yet. What is built in is below.")).to_be_visible()
    assert problems == []


def test_nodes_tell_how_they_do_and_administrators_name_and_remove_them(
    page: Page, console: RunningConsole, problems: Problems
) -> None:
    advice = {"level": "problem", "where": XSS[:50], "what": "one direction only" + XSS, "todo": "mirror both"}
    stats = {
        "worker_exchanges": 4321,
        "capture_packets": 98765,
        "capture_kernel_dropped": 17,
        "coverage": 0.875,
        "exporter_backlog": 55,
        "rules": {"serial": 12, "problem": "refused " + XSS},
        "mirror_health": {"ledgers": [], "protocols": {}, "places": [], "advice": [advice]},
    }
    with console.new_node("far-off" + XSS) as node:
        node.post("/api/v1/nodes/heartbeat", json={"stats": stats}).raise_for_status()
    sign_in(page, console, "/nodes")
    row = page.get_by_role("table", name="Nodes").locator("tbody tr", has_text="far-off")
    for told in ("4,321", "98,765", "17", "87.5%", "55", "#12", "refused <script>", "one direction only<script>"):
        expect(row).to_contain_text(told)
    row.get_by_role("button", name="Rename").click()
    page.get_by_label("Name", exact=True).fill("far-off-7")
    page.get_by_label("Group", exact=True).fill("north")
    page.get_by_role("button", name="Save the name and the group").click()
    expect(row).to_contain_text("north")
    row.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove the node").click()
    expect(row).to_have_count(0)
    assert page.evaluate("window.pwned") is None
    assert problems == []


def test_rules_are_filtered_and_open(page: Page, console: RunningConsole, problems: Problems) -> None:
    sign_in(page, console, "/rules")
    page.get_by_role("search", name="Built-in rules").get_by_label("Find").fill("union select")
    rows = page.get_by_role("table", name="Built-in rules").locator("tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").click()
    expect(page.get_by_role("heading", name="UNION SELECT joins a second query")).to_be_visible()
    expect(page.get_by_text("1' UNION SELECT null,null--")).to_be_visible()
    page.goto("/rules/no-such-rule")
    expect(page.get_by_text("There is no such page")).to_be_visible()


SETUPS = {
    "aws": ("Sensor's network interface", "eni-0abc", "--network-interface-id eni-0abc"),
    "gcp": ("Region", "us-east1", "--region us-east1"),
    "azure": ("Resource group", "shop", "--resource-group shop"),
    "linux": ("Address of the sensor", "198.51.100.4", "remote 198.51.100.4 dstport 4789"),
    "switch": ("Port to be watched", "Gi1/0/7", "source interface Gi1/0/7 both"),
}


def test_commands_of_each_mirror_have_the_values_that_were_given(
    page: Page, console: RunningConsole, problems: Problems
) -> None:
    sign_in(page, console, "/setup")
    for kind, (label, value, command) in SETUPS.items():
        page.goto(f"/setup?kind={kind}")
        page.get_by_label(label, exact=True).fill(value)
        expect(page.locator(".tm-pre", has_text=command).first).to_be_visible()
        page.get_by_label(label, exact=True).fill("x; reboot")
        expect(page.get_by_text("Letters, digits and . _ : / - only")).to_be_visible()
        expect(page.locator(".tm-pre", has_text="reboot")).to_have_count(0)
    assert problems == []


def test_administrator_adds_people_and_tokens_and_each_may_what_the_role_says(
    browser: Browser, page: Page, console: RunningConsole, problems: Problems
) -> None:
    sign_in(page, console, "/settings")
    people = page.locator(".tm-panel", has=page.get_by_role("heading", name="People"))
    people.get_by_label("Name").fill("maria")
    people.get_by_label("Password").fill("short")
    people.get_by_role("button", name="Add").click()
    expect(page.get_by_text("password", exact=False).filter(has_text="15").last).to_be_visible()
    people.get_by_label("Password").fill("a long enough password")
    people.get_by_role("button", name="Add").click()
    expect(people.locator("tbody tr", has_text="maria")).to_be_visible()
    tokens = page.locator(".tm-panel", has=page.get_by_role("heading", name="API tokens"))
    tokens.get_by_label("Name").fill(XSS[:60])
    tokens.get_by_role("button", name="Make a token").click()
    expect(tokens.locator(".tm-pre")).to_contain_text("tcpm_deploy_")
    expect(tokens.locator("tbody tr", has_text="<script>")).to_have_count(1)
    tokens.locator("tbody tr", has_text="<script>").get_by_role("button", name="Revoke").click()
    expect(tokens.locator("tbody tr", has_text="<script>")).to_have_count(0)
    changes = page.get_by_role("table", name="Log of changes")
    expect(changes.locator("tbody tr", has_text="token.revoke")).to_have_count(1)
    expect(changes.locator("tbody tr", has_text="account.create").first).to_contain_text("maria")
    assert page.evaluate("window.pwned") is None
    _reader_sees_what_a_reader_may(browser, console)
    people.locator("tbody tr", has_text="maria").get_by_role("button", name="Disable").click()
    expect(people.locator("tbody tr", has_text="maria")).to_contain_text("disabled")
    assert problems == []


def _reader_sees_what_a_reader_may(browser: Browser, console: RunningConsole) -> None:
    send(console, recent(1811, host="reader.example"))
    context = browser.new_context(base_url=console.url)
    signed_in: Any = context.request.post("/api/v1/session", data={"user": "maria", "password": "a long enough password"})
    assert signed_in.ok
    page = context.new_page()
    page.goto("/settings")
    expect(page.get_by_text("are shown to administrators")).to_be_visible()
    assert page.get_by_role("heading", name="People").count() == 0
    page.goto("/attacks?q=d:reader.example")
    page.locator("tbody tr").get_by_role("link").click()
    expect(page.get_by_text("looked after by nobody")).to_be_visible()
    assert page.get_by_role("button", name="Mark as a false positive").count() == 0
    context.close()


def test_settings_are_given_to_nodes_and_wrong_ones_are_refused(
    page: Page, console: RunningConsole, problems: Problems, artefacts: Path
) -> None:
    with console.node() as node:
        refused = "log.level: the value cannot be taken " + XSS
        stats = {"settings": {"serial": 4, "problem": refused}, "capture_packets": 10**40}
        node.post("/api/v1/nodes/heartbeat", json={"stats": stats}).raise_for_status()
        sign_in(page, console, "/nodes")
        expect(page.get_by_text("settings refused: log.level: the value cannot be taken <script>")).to_be_visible()
        text = page.get_by_label("Settings, YAML")
        text.fill("cloud: {token: mine}")
        page.get_by_role("button", name="Give them to the nodes").click()
        expect(page.get_by_text("settings for all:1: cloud.token: this key is the sensor's own")).to_be_visible()
        text.fill("log: {level: debug}")
        page.get_by_role("button", name="Give them to the nodes").click()
        expect(page.locator(".tm-comments li")).to_contain_text("log: {level: debug}")
        page.screenshot(path=artefacts / "node-settings.png", full_page=True)
        served = node.get("/api/v1/nodes/settings")
        assert served.json()["layers"] == [["all", "log: {level: debug}"]]
    page.goto("/settings")
    changes = page.get_by_role("table", name="Log of changes")
    expect(changes.locator("tbody tr", has_text="settings.keep")).to_contain_text("log: {level: debug}")
    assert page.evaluate("window.pwned") is None
    assert problems == []


def test_sessions_are_ended_and_retention_is_changed(browser: Browser, page: Page, console: RunningConsole) -> None:
    other = browser.new_context(base_url=console.url, user_agent="Other browser " + XSS[:40])
    assert other.request.post("/api/v1/session", data={"user": "admin", "password": console.password}).ok
    elsewhere = other.new_page()
    sign_in(page, console, "/settings")
    row = page.get_by_role("table", name="Signed in").locator("tbody tr", has_text="Other browser")
    expect(row).to_have_count(1)
    row.get_by_role("button").click()
    expect(row).to_have_count(0)
    elsewhere.goto("/settings")
    expect(elsewhere.get_by_role("button", name="Sign in")).to_be_visible()
    other.close()
    page.get_by_label("Days; 0: no limit").fill("many")
    page.get_by_role("button", name="Keep so").click()
    expect(page.get_by_text("Accepted: 0 to 36500 days")).to_be_visible()
    page.get_by_label("Days; 0: no limit").fill("30")
    page.get_by_label("Size, as 20GiB").fill("20GiB")
    page.get_by_role("button", name="Keep so").click()
    expect(page.get_by_text("of the last 30 days are kept, the newest where the store is larger than 20GiB")).to_be_visible()
    page.get_by_role("button", name="As the settings say").click()
    expect(page.get_by_text("of the last 180 days are kept")).to_be_visible()
    assert page.evaluate("window.pwned") is None
