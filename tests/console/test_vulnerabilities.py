"""The pages of vulnerabilities in a real browser, over the real service."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from tcpmirror.vulns.weakness import Sample, Weakness, encode_weaknesses
from tests.console.browsing import XSS, Problems, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser


def weakness(kind: str, host: str, subject: str = "token") -> Weakness:
    now_ns = time.time_ns()
    sample = Sample(now_ns, f"GET /orders?token={XSS}", "192.0.2.7:4000", "198.51.100.2:80", 200)
    return Weakness(kind, host, "GET", ("orders", XSS), subject, 3, now_ns, now_ns, frozenset(["x"]), sample)


def tell(console: RunningConsole, *found: Weakness) -> None:
    with console.node() as node:
        body = encode_weaknesses(str(time.monotonic_ns()), found)
        node.post("/api/v1/vulnerabilities/records", content=body).raise_for_status()


def test_vulnerabilities_are_listed_opened_judged_and_exported(
    page: Page, console: RunningConsole, problems: Problems
) -> None:
    host = "v.example" + XSS[:60]
    tell(console, weakness("secret-in-url", host, "token" + XSS), weakness("exposed-file", host, "x"))
    sign_in(page, console, "/vulnerabilities?text=orders")
    rows = page.get_by_role("table", name="Vulnerabilities").locator("tbody tr", has_text="v.example<script>")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("high")  # the gravest first
    page.get_by_label("Severity").click()
    page.get_by_role("option", name="Medium").click()
    page.wait_for_url("**severity=medium**")
    expect(rows).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text()
    assert "secret-in-url" in text and "exposed-file" not in text

    tell(console, weakness("secret-in-url", "late.example", "token"))
    late = page.get_by_role("table", name="Vulnerabilities").locator("tbody tr", has_text="late.example")
    expect(late).to_have_count(1)  # while the page is open

    rows.get_by_role("link").click()
    expect(page.get_by_role("heading", name="A secret in an address")).to_be_visible()
    expect(page.get_by_label("Evidence as it was sent")).to_contain_text("GET /orders?token=<script>window.pwned=1</script>")
    expect(page.get_by_text("Send secrets in a header or a body")).to_be_visible()
    page.get_by_label("New status").click()
    page.get_by_role("option", name="Closed").click()
    page.get_by_label("Why").fill("mended " + XSS)
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("mended <script>")).to_be_visible()
    page.goto("/vulnerabilities?text=orders&severity=medium")
    expect(rows).to_have_count(0)
    page.goto("/vulnerabilities?text=orders&status=any")
    expect(rows).to_have_count(2)
    assert page.evaluate("window.pwned") is None
    assert problems == []


def test_a_vulnerability_that_is_not_there_says_so(page: Page, console: RunningConsole) -> None:
    sign_in(page, console)
    answer = page.goto("/vulnerabilities/999999")
    assert answer is not None and answer.status == 404
    page.goto("/vulnerabilities?text=nothing-has-this&page=9")
    expect(page.get_by_role("heading", name="No vulnerability matches")).to_be_visible()
