"""Frames in, pages out: what a real sensor makes of a shop's day is seen in a browser, each of its stores on its own page.

The sensor serves no port of its own and reports to the console beside it. A specification that is given and enforced on a page
comes to the sensor before it reads the day; a mask given on a page comes to nodes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.network import wait_until
from tcpmirror.console.text import type_name
from tests.console import shop
from tests.console.browsing import Problems, sign_in
from tests.console.conftest import RunningConsole
from tests.console.road import sensor, take_rules

pytestmark = pytest.mark.browser

HOST: Final = shop.WEB
BEHAVIOUR: Final = {  # type -> what its page says
    "brute": "/login",
    "dirbust": "more than 30 different",
    "bola": "more than 100 different values of [path]",
    "enum": "more than 30 different values of [post][json_doc][hash][email]",
    "credential_stuffing": "more than 3 different",
    "account_takeover": "more than 20 different",
    "api_abuse": "more than 5 different",
    "scraping": "more than 60 different",
    "multiple_payloads": "more than 3 different",
    "resource_consumption": "more than 100 requests",
    "file_upload_violation": "/v2/avatars",
    "mass_assignment": "/v2/profiles",
    "gql_depth": "/graphql",
}
VIOLATIONS: Final = (
    "undefined_endpoint",
    "undefined_parameter",
    "missing_parameter",
    "invalid_parameter_value",
    "missing_auth",
    "invalid_request",
)
WEAKNESSES: Final = {
    "exploited-sqli",
    "exploited-ptrav",
    "exploited-xss",
    "exposed-file",
    "data-disclosed",
    "secret-in-url",
    "error-disclosed",
    "directory-listing",
    "cookie-flags",
}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """Yield a console of its own: what the sensor brings would be counted on the pages of other tests."""
    with RunningConsole(tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture(scope="module")
def reported(
    console: RunningConsole, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningConsole]:
    """Yield the console once a sensor has told it of a day of the shop, whose payments have a specification in force."""
    directory = tmp_path_factory.mktemp("sensor")
    day = shop.capture(directory / "day.pcap", time.time() - shop.DAY_S - 60)
    enforce_specification(console, browser)
    take_rules(console, directory)
    with sensor(console, directory, day, shop.CONTROLS) as is_running:
        wait_until(lambda: not is_running() or has_arrived(console), "all of it in the cloud", 120, 0.5)
        assert is_running(), (directory / "sensor.log").read_text()[-3000:]
        yield console


def enforce_specification(console: RunningConsole, browser: Browser) -> None:
    """Give the specification of the payments on its page, and switch it on."""
    context = browser.new_context(base_url=console.url)
    page = context.new_page()
    sign_in(page, console, f"/apis/specifications?host={shop.PAY}")
    page.get_by_label("Name; the same again is a newer version").fill("payments")
    document = json.dumps(shop.SPECIFICATION).encode()
    file: Any = {"name": "payments.json", "mimeType": "application/json", "buffer": document}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Off: enforce payments").click()
    expect(page.get_by_role("button", name="On nodes: enforce payments")).to_be_visible()
    context.close()


def has_arrived(console: RunningConsole) -> bool:
    """Tell whether every store of the cloud has all that is looked for."""
    with console.reader() as reader:

        def rows(path: str, name: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = reader.get(f"/api/v1/{path}").raise_for_status().json()[name]
            return found

        return (
            {row["type"] for row in rows("attacks?limit=500", "attacks")} >= {*BEHAVIOUR, *VIOLATIONS, "sqli", "ptrav"}
            and {row["kind"] for row in rows("vulnerabilities?limit=100", "vulnerabilities")} >= WEAKNESSES
            and {row["host"] for row in rows("inventory/endpoints", "endpoints")} >= {shop.API, shop.PAY}
            and len(rows(f"sessions?text={HOST}", "sessions")) > 20
        )


def test_the_inventory_of_apis(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/apis?host={shop.API}&sort=requests")
    expect(
        page.get_by_role("table", name="Changes").locator("tbody tr", has_text="POST api.shop.example/v2/orders")
    ).to_contain_text("New")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as JSON").click()
    assert {row["host"] for row in json.loads(download.value.path().read_text())} == {shop.API}
    page.get_by_role("link", name="POST /v2/orders").click()
    expect(page.get_by_role("table", name="Request")).to_contain_text("/item")
    expect(page.get_by_role("table", name="Answer")).to_contain_text("/total")
    expect(page.locator(".tm-facts")).to_contain_text("bearer")
    page.goto(f"/apis?host={shop.API}&sensitive=email")
    expect(page.get_by_role("table", name="Endpoints").locator("tbody tr").first).to_contain_text("email")
    assert problems == []


def test_a_specification_is_held_against_the_traffic(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/apis/specifications?host={shop.PAY}")
    page.get_by_text("Orphan: 2 operations in a specification, not in traffic").click()
    expect(page.get_by_label("Orphan operations")).to_contain_text("DELETE /refunds/{}")
    for kind in VIOLATIONS:
        _open_first(page, reported, f"type:{kind} d:{shop.PAY}", kind)
        expect(page.locator(".tm-subtitle")).to_contain_text(shop.PAY)
    assert problems == []


def test_sessions(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, "/sessions?text=198.18.0.7&sort=requests")
    row = page.get_by_role("table", name="Sessions").locator("tbody tr", has_text="sessionid")
    row.first.get_by_role("link").first.click()
    expect(page.get_by_role("table", name="Time line")).to_contain_text("/catalogue/")
    expect(page.locator(".tm-main")).to_contain_text("cookie sessionid")
    assert problems == []


def test_behaviour(page: Page, reported: RunningConsole, problems: Problems) -> None:
    """Each kind is one attack that says which threshold was passed."""
    sign_in(page, reported)
    for kind, said in BEHAVIOUR.items():
        _open_first(page, reported, f"type:{kind}", kind)
        expect(page.locator(".tm-main")).to_contain_text(said)
    assert problems == []


def _open_first(page: Page, console: RunningConsole, search: str, kind: str) -> None:
    """Open the newest attack that *search* finds, of the type *kind*."""
    with console.reader() as reader:
        found = reader.get("/api/v1/attacks", params={"q": search}).raise_for_status().json()["attacks"]
    page.goto(f"/attacks/{found[0]['id']}")
    expect(page.get_by_role("heading", name=type_name(kind), exact=True)).to_be_visible()


def test_vulnerabilities(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/vulnerabilities?host={shop.API}&kind=secret-in-url")
    page.get_by_role("table", name="Vulnerabilities").locator("tbody tr").first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="A secret in an address")).to_be_visible()
    expect(page.locator("body")).to_contain_text("access_token")
    expect(page.locator("body")).not_to_contain_text("8f14e45fceea167a5a36")
    page.goto("/vulnerabilities")
    rows = page.get_by_role("table", name="Vulnerabilities").locator("tbody tr")
    for told in ("SQL injection: an attack worked", "A file that is no page can be fetched", "A directory is listed"):
        expect(rows.filter(has_text=told).first).to_be_visible()
    assert problems == []


def test_incidents(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/incidents?q=ptrav+domain:{HOST}")
    expect(page.locator("tbody tr").first.get_by_role("button", name="incident")).to_be_visible()
    page.locator("tbody tr").first.get_by_role("link").first.click()
    expect(page.get_by_text("root:x:0:0").first).to_be_visible()
    assert problems == []


def test_masking(page: Page, reported: RunningConsole, problems: Problems) -> None:
    """What the sensor masked stands as asterisks; a mask given on the page of the rules is served to nodes."""
    sign_in(page, reported, f"/attacks?q=sqli+domain:{HOST}+url:/find")
    page.locator("tbody tr").first.get_by_role("link").first.click()
    expect(page.locator(".tm-main")).to_contain_text(re.compile(r"pin=\*{16}"))
    assert shop.PIN not in page.content()

    page.goto("/rules")
    panel = page.locator(".tm-panel", has=page.get_by_role("heading", name="Masked values"))
    panel.get_by_text("Mask something else").click()
    panel.get_by_label("Name", exact=True).fill("road-cards")
    panel.get_by_label("Parameter, header or cookie").fill("card")
    panel.get_by_label("Only for the host").fill(HOST)
    panel.get_by_role("button", name="Mask these").click()
    expect(panel.locator("li", has_text="road-cards")).to_have_count(1)
    with reported.node() as node:
        assert b"road-cards" in node.get("/api/v1/nodes/rules").raise_for_status().content
    panel.get_by_role("button", name="Mask no longer").click()
    expect(panel.locator("li", has_text="road-cards")).to_have_count(0)
    assert problems == []
