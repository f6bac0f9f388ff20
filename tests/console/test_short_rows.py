"""Lists that share a page: each is found in, sorted and turned over in place, and the page's address says how."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.console.browsing import Problems, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser


def test_list_is_found_in_sorted_and_turned_over(page: Page, console: RunningConsole, problems: Problems) -> None:
    with console.reader() as client:
        for number in range(60):
            wish = {"list": "gray", "value": f"198.51.100.{number}", "reason": f"seen, night-{number % 7}"}
            client.post("/api/v1/source-lists", json=wish).raise_for_status()
    sign_in(page, console, "/sources")
    rows = page.get_by_role("table", name="Lists of sources").locator("tbody tr")
    search = page.get_by_role("search", name="Allow, deny and gray lists")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Next page of Allow, deny and gray lists").click()
    expect(page.get_by_text(re.compile(r"page 2 of 2, \d+ in all"))).to_be_visible()
    expect(page).to_have_url(re.compile("sources-page=2"))
    search.get_by_label("Find").fill("GRAY Night-3")
    expect(rows).to_have_count(9)
    search.get_by_label("Sorted by").click()
    page.get_by_role("option", name="Value").click()
    expect(rows.first).to_contain_text("198.51.100.10")
    expect(page).to_have_url(re.compile("sources-sort=value"))
    page.reload()
    expect(rows).to_have_count(9)
    expect(rows.first).to_contain_text("198.51.100.10")
    expect(search.get_by_label("Find")).to_have_value("GRAY Night-3")
    with page.expect_download() as given:
        page.get_by_role("link", name="Export Allow, deny and gray lists as CSV").click()
    lines = given.value.path().read_text().splitlines()
    assert len(lines) == 10 and "198.51.100.10" in lines[1]
    search.get_by_label("Find").fill("nothing like it")
    expect(page.get_by_text("None of them matches.")).to_be_visible()
    assert problems == []


def test_short_lists_need_no_search(page: Page, console: RunningConsole) -> None:
    sign_in(page, console, "/settings")
    expect(page.get_by_role("table", name="People")).to_be_visible()
    expect(page.get_by_role("search", name="People")).to_be_hidden()
    expect(page.get_by_role("search", name="Log of changes")).to_be_visible()
    page.goto("/settings?people=nobody-of-that-name&who=admin")
    expect(page.get_by_role("search", name="People")).to_be_visible()
    expect(page.get_by_text("None of them matches.")).to_be_visible()
    page.get_by_role("search", name="People").get_by_label("Find").fill("admin")
    expect(page.get_by_role("table", name="People")).to_be_visible()
    expect(page).to_have_url(re.compile(r"people=admin&who=admin|who=admin&people=admin"))


def test_there_is_one_main_part_of_a_page(page: Page, console: RunningConsole) -> None:
    sign_in(page, console, "/overview")
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("banner")).to_have_count(1)
