"""The pages of API Discovery in a real browser, over the real service."""

from __future__ import annotations

import json
import re
import time
from collections import Counter

import pytest
from playwright.sync_api import Page, expect

from tcpmirror.discovery.digest import EndpointDigest, ParameterDigest
from tcpmirror.discovery.record import encode_rows, wire_row
from tests.console.browsing import XSS, Problems, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser


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


def test_endpoints_are_listed_filtered_paged_opened_and_exported(
    page: Page, apis: RunningConsole, problems: Problems
) -> None:
    sign_in(page, apis, "/apis")
    rows = page.get_by_role("table", name="Endpoints").locator("tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("link", name="Next").click()
    expect(rows).to_have_count(13)

    page.goto("/overview")
    at_risk = page.locator(".tm-panel", has=page.get_by_role("heading", name="APIs at risk"))
    expect(at_risk.get_by_role("link", name="GET api.example/users/{user_id}")).to_be_visible()

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
    expect(page.get_by_role("table", name="Request")).to_contain_text(XSS[:80])
    expect(page.get_by_role("table", name="Request")).to_contain_text("1 to 9")
    expect(page.get_by_role("table", name="Answer")).to_contain_text("/email")
    assert page.evaluate("window.pwned") is None


def test_a_page_that_is_not_there_says_so(page: Page, apis: RunningConsole, problems: Problems) -> None:
    sign_in(page, apis)
    answer = page.goto("/apis/999999")
    assert answer is not None and answer.status == 404
    page.goto("/apis?host=nowhere.example")
    expect(page.get_by_role("heading", name="No endpoint matches")).to_be_visible()


DOCUMENT = """openapi: 3.0.3
info: {title: "<b>Shop</b>", version: "2"}
paths:
  /users/{id}: {get: {responses: {}}}
  /never/called: {delete: {responses: {}}}
"""


def test_a_specification_is_uploaded_compared_and_removed(page: Page, apis: RunningConsole, problems: Problems) -> None:
    sign_in(page, apis, "/apis/specifications?host=api.example")
    documents = page.locator(".tm-panel", has=page.get_by_role("heading", name="OpenAPI documents"))
    documents.get_by_label("Name; the same again is a newer version").fill(XSS)
    with page.expect_file_chooser() as chooser:
        documents.get_by_role("button", name="Choose a document").click()
    chooser.value.set_files({"name": "x.yaml", "mimeType": "application/yaml", "buffer": b"no: document"})
    expect(page.get_by_text("openapi", exact=False).filter(has_text="accepted").last).to_be_visible()
    chosen = documents.locator("input[type=file]")
    chosen.set_input_files({"name": "x.yaml", "mimeType": "application/yaml", "buffer": DOCUMENT.encode()})
    rows = page.get_by_role("table", name="OpenAPI documents").locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("<script>")
    rows.get_by_role("button", name="Off: enforce").click()
    expect(rows.get_by_role("button", name="On nodes: enforce")).to_have_attribute("aria-pressed", "true")
    with apis.node() as node:
        assert b"/never/called" in node.get("/api/v1/nodes/rules").raise_for_status().content
    rows.get_by_role("button", name="On nodes: enforce").click()
    expect(rows.get_by_role("button", name="Off: enforce")).to_have_attribute("aria-pressed", "false")
    page.get_by_text("Orphan: 1 operation in a specification, not in traffic").click()
    expect(page.get_by_label("Orphan operations")).to_have_text("DELETE /never/called")
    expect(page.get_by_text("Shadow: 61 operations")).to_be_visible()
    page.goto("/apis?state=shadow&host=api.example")
    expect(page.get_by_label("API Discovery", exact=True)).to_have_text("61")
    page.get_by_role("link", name="Specifications").click()
    rows.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("None yet. Give one")).to_be_visible()
    assert page.evaluate("window.pwned") is None
    assert problems == []


def test_templates_are_added_and_removed(page: Page, apis: RunningConsole, problems: Problems) -> None:
    sign_in(page, apis, "/apis/specifications")
    page.get_by_label("Host of the path").fill("Tpl.example" + XSS[:30])
    path = page.get_by_label("Path, values in braces: /users/{id}")
    path.fill("no path")
    page.get_by_role("button", name="Add the template").click()
    expect(page.get_by_text("is not accepted")).to_be_visible()
    path.fill("/shops/{shop}/items")
    page.get_by_role("button", name="Add the template").click()
    rows = page.get_by_role("table", name="Templates of paths").locator("tbody tr", has_text="tpl.example<script>")
    expect(rows).to_contain_text("/shops/{}/items")
    rows.get_by_role("button", name="Remove").click()
    expect(rows).to_have_count(0)
    assert page.evaluate("window.pwned") is None
    assert problems == []
