"""Frames in, pages out: what a real sensor makes of a shop's day is seen in a browser, each of its stores on its own page.

The sensor serves no port of its own and reports to the console beside it. A specification that is given and enforced on a page
comes to the sensor before it reads the day; a mask given on a page comes to nodes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.network import wait_until
from tcpmirror.console.text import type_name
from tests.console import shop
from tests.console.browsing import Problems, sign_in
from tests.console.conftest import RunningConsole
from tests.console.day import BEHAVIOUR, UNUSUAL, VIOLATIONS, day_of_shop
from tests.console.road import sensor
from tests.traffic import write_capture

pytestmark = pytest.mark.browser

HOST: Final = shop.WEB


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
    with day_of_shop(console, browser, tmp_path_factory.mktemp("sensor")):
        yield console


def test_the_inventory_of_apis(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/apis?host={shop.API}&sort=requests")
    expect(
        page.get_by_role("table", name="Changes").locator("tbody tr", has_text="POST api.shop.example/v2/orders")
    ).to_contain_text("New")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as JSON").click()
    assert {row["host"] for row in json.loads(download.value.path().read_text())} == {shop.API}
    for endpoint in ("GET /v2/customers/{customer_id}", "GET /v2/invoices/{invoice_id}", "PUT /v2/profiles/{profile_id}"):
        expect(page.get_by_role("link", name=endpoint, exact=True)).to_be_visible()
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


def test_what_is_unusual(page: Page, reported: RunningConsole, problems: Problems) -> None:
    """Answers that are larger and slower than usual, and more requests than usual, are an attack each."""
    sign_in(page, reported)
    for search, said in UNUSUAL.items():
        _open_first(page, reported, f"{search} d:{shop.STATS}", search.split()[0].removeprefix("type:"))
        expect(page.locator(".tm-main")).to_contain_text(said)
    assert problems == []


def test_own_rules(page: Page, reported: RunningConsole, problems: Problems) -> None:
    """A virtual patch is registered; what a rule that is tried out finds is counted and no attack; the ignored is neither."""
    sign_in(page, reported)
    _open_first(page, reported, "type:vpatch", "vpatch")
    expect(page.locator(".tm-main")).to_contain_text("/v2/legacy/export")
    page.goto(f"/attacks?{urlencode({'q': f'd:{shop.API} url:/v2/cart'})}")
    expect(page.get_by_text("No attack matches")).to_be_visible()
    page.goto("/rules")
    tried = page.get_by_role("table", name="Tried out").locator("tbody tr", has_text="own-try-coupon")
    expect(tried).to_contain_text("2")
    page.goto(f"/attacks?{urlencode({'q': f'sqli d:{shop.API} ip:192.0.2.33'})}")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("/v2/other")
    assert problems == []


def test_discovery_only_tells_of_apis_and_of_no_attack(
    page: Page, reported: RunningConsole, problems: Problems, tmp_path: Path
) -> None:
    host = "only.shop.example"
    looks = [
        shop.visit(number, f"203.0.113.{number + 1}", (shop.asked(host, f"/v3/items/{number}"), shop.told({"id": number})))
        for number in range(12)
    ]
    attack = shop.asked(host, "/v3/items?id=1'+union+select+1,2--+-")
    visits = [*looks, shop.visit(30, "192.0.2.7", (attack, shop.told("no", 404)))]
    start = time.time() - 600
    frames = [each.frames(start, 30_000 + number) for number, each in enumerate(visits)]
    capture = write_capture(tmp_path / "day.pcap", *frames)
    with sensor(reported, tmp_path, capture, more="discovery_only: true") as is_running, reported.reader() as reader:

        def is_known() -> bool:
            assert is_running(), (tmp_path / "sensor.log").read_text()[-3000:]
            return bool(reader.get(f"/api/v1/inventory/endpoints?host={host}").raise_for_status().json()["endpoints"])

        wait_until(is_known, "the endpoint in the inventory", 90, 0.5)
        log = tmp_path / "sensor.log"
        wait_until(lambda: "union" in log.read_text(), "the attack in the sensor's own log", 60, 0.5)
    sign_in(page, reported, f"/apis?host={host}")
    expect(page.get_by_role("link", name="GET /v3/items/{")).to_be_visible()
    page.goto(f"/attacks?{urlencode({'q': f'd:{host}'})}")
    expect(page.get_by_text("No attack matches")).to_be_visible()
    assert problems == []


def test_a_bot_is_told_of_with_the_votes_on_it(
    page: Page, reported: RunningConsole, problems: Problems, tmp_path: Path
) -> None:
    host, source = "bots.shop.example", "198.51.100.200"
    search = f"type:scraping d:{host}"
    told = shop.told("<h1>a thing</h1>")
    visits = [
        shop.visit(4.0 * at, source, (shop.asked(host, f"/things/{at}-of-all", User_Agent="python-requests/2.31"), told))
        for at in range(240)
    ]
    start = time.time() - 1800
    capture = write_capture(
        tmp_path / "bot.pcap", *(each.frames(start, 40_000 + number) for number, each in enumerate(visits))
    )
    with sensor(reported, tmp_path, capture, bots="normal") as is_running, reported.reader() as reader:

        def is_known() -> bool:
            assert is_running(), (tmp_path / "sensor.log").read_text()[-3000:]
            return bool(reader.get("/api/v1/attacks", params={"q": search}).raise_for_status().json()["attacks"])

        wait_until(is_known, "the bot in the cloud", 90, 0.5)
    sign_in(page, reported)
    _open_first(page, reported, search, "scraping")
    expect(page.locator(".tm-main")).to_contain_text(re.compile(r"\d+ of \d+ votes: many_documents \d+ \(normal 30\)"))
    expect(page.locator(".tm-main")).to_contain_text("bad_agent 1 (normal 0.05)")
    expect(page.locator(".tm-main")).to_contain_text(source)
    expect(page.locator(".tm-main")).to_contain_text("/things/")
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
