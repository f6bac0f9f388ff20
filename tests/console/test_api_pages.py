"""The pages of API Discovery in a real browser, over the real service."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tcpmirror.discovery.digest import EndpointDigest, ParameterDigest
from tcpmirror.discovery.record import encode_rows, wire_row
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
XSS = "<img src=x onerror=window.pwned=1>"


def endpoint(path: str, method: str = "GET", hits: int = 10, host: str = "api.example") -> EndpointDigest:
    now_ns = time.time_ns()
    made = EndpointDigest(
        host, method, tuple(path.split("/")[1:]), requests=hits, sampled=hits, first_ns=now_ns, last_ns=now_ns
    )
    made.statuses.update({200: hits - 1, 500: 1})
    made.latency[11] = hits
    made.auth["bearer"] = hits
    email = ParameterDigest(count=hits, kinds=Counter(email=hits), classes=Counter(email=hits), short=9, long=20)
    made.parameters["response", "json", "/email"] = email
    made.parameters["request", "query", XSS] = ParameterDigest(count=hits, kinds=Counter(int32=hits), low=1, high=9)
    return made


@pytest.fixture(scope="module")
def apis(console: RunningConsole) -> RunningConsole:
    rows = [endpoint("/users/{}", hits=500), endpoint("/users", "POST"), endpoint("/health", host="other.example")]
    rows += [endpoint(f"/v1/things{chr(97 + n % 26)}{chr(97 + n // 26)}/all", hits=6) for n in range(60)]
    with console.node() as node:
        body = encode_rows("first", map(wire_row, rows))
        node.post("/api/v1/inventory/digests", content=body).raise_for_status()
    return console


@pytest.fixture
def page(apis: RunningConsole) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1280, "height": 860}, base_url=apis.url)
        context.set_default_timeout(20_000)
        opened = context.new_page()
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.goto("/apis")
        opened.get_by_label("Name").fill("admin")
        opened.get_by_label("Password").fill(apis.password)
        opened.get_by_role("button", name="Sign in").click()
        opened.wait_for_url("**/apis")
        yield opened
        browser.close()
        assert problems == []


def test_endpoints_are_listed_filtered_paged_opened_and_exported(page: Page) -> None:
    rows = page.get_by_role("table", name="Endpoints").locator("tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("link", name="Next").click()
    expect(rows).to_have_count(13)

    page.goto("/apis?sort=requests")
    first = rows.first
    expect(first).to_contain_text("GET /users/{user_id}")
    expect(first).to_contain_text("8 high")
    expect(first).to_contain_text("email")
    expect(page.get_by_role("table", name="Changes")).to_contain_text("New")

    page.get_by_label("Host").click()
    page.get_by_role("option", name="other.example (1)").click()
    page.wait_for_url(re.compile(r"host=other\.example"))
    expect(rows).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="OpenAPI").click()
    assert set(json.loads(download.value.path().read_text())["paths"]) == {"/health"}

    page.get_by_role("link", name="GET /health").click()
    expect(page.get_by_role("heading", name="GET /health")).to_be_visible()
    expect(page.get_by_role("table", name="Request")).to_contain_text(XSS)
    expect(page.get_by_role("table", name="Request")).to_contain_text("1 to 9")
    expect(page.get_by_role("table", name="Answer")).to_contain_text("/email")
    assert page.evaluate("window.pwned") is None


def test_a_page_that_is_not_there_says_so(page: Page) -> None:
    answer = page.goto("/apis/999999")
    assert answer is not None and answer.status == 404
    page.goto("/apis?host=nowhere.example")
    expect(page.get_by_role("heading", name="No endpoint matches")).to_be_visible()
