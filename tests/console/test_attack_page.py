"""The page of one attack in a real browser: what can be taken away, and judging it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.cloud.running import b64, finding
from tests.console.browsing import Problems, recent, send, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser


def test_attack_can_be_taken_away(page: Page, console: RunningConsole, problems: Problems) -> None:
    raw = b"POST /run HTTP/1.1\r\nHost: take.example\r\nUser-Agent: ua-1\r\n\r\na='b'"
    found = finding(type="rce", point=["post"], payload="a='b'", rule="sqli-union-select")
    own = {"host": "take.example", "real_ip": "192.0.2.99", "request_b64": b64(raw)}
    later = recent(1751, **own, findings=[finding(type="xss", payload="<near>")])
    send(console, recent(1750, **own, findings=[found]), later, recent(1752, host="take.example", real_ip="192.0.2.99"))
    sign_in(page, console, "/attacks?q=rce+d:take.example")
    page.locator("tbody tr").get_by_role("link").click()
    weakness = page.get_by_role("link", name="CWE-89", exact=True)
    expect(weakness).to_have_attribute("href", "https://cwe.mitre.org/data/definitions/89.html")
    page.get_by_text("The request as a command for curl").click()
    expect(page.locator(".tm-curl")).to_contain_text(r"--data-raw 'a='\''b'\'''")
    with page.expect_download() as download:
        page.get_by_role("link", name="Capture for Wireshark").click()
    assert download.value.path().read_bytes().startswith(b"\x4d\x3c\xb2\xa1")
    around = page.locator(".tm-panel", has_text="Around it")
    expect(around.locator("li")).to_have_count(1)  # the third hit has another user agent
    around.get_by_role("link", name="Cross-site scripting").click()
    expect(page.get_by_role("heading", name="Cross-site scripting")).to_be_visible()
    assert problems == []


def test_false_positive_is_marked_after_a_look_at_what_else_it_silences(
    page: Page,
    console: RunningConsole,
    problems: Problems,
) -> None:
    wanted = [finding(type="ldapi", point=["get", "q"], rule="ldapi-rule")]
    send(console, recent(1761, host="fp.example", uri="/fp?q=x", findings=wanted))
    sign_in(page, console, "/attacks?q=d:fp.example")
    page.locator("tbody tr").get_by_role("link").click()
    page.get_by_role("button", name="Mark as a false positive").click()
    dialog = page.locator(".tm-dialog")
    expect(dialog).to_contain_text("host: fp.example")
    expect(dialog).to_contain_text("1 hit in 1 attack")
    expect(dialog).to_contain_text("Nothing else than this attack.")
    dialog.get_by_label("Why").fill("Our own <b>scanner</b>")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".tm-form .q-select").first).to_contain_text("False positive")
    page.get_by_label("Comment").fill("Seen by <i>me</i>")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator(".tm-comments li")).to_contain_text("Seen by <i>me</i>")
    page.goto("/attacks?q=d:fp.example+state:false_positive")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert problems == []
