"""Sources in a real browser: what is known of them, and the lists that people put them on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cloud.enrichment.mmdb import write_mmdb
from tests.console.browsing import XSS, Problems, recent, send, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    directory = tmp_path_factory.mktemp("console")
    known = {"198.51.100.0/24": {"country": {"iso_code": "NL"}, "asn": "AS64500", "as_name": XSS[:80]}}
    database = write_mmdb(directory / "sources.mmdb", known)
    (directory / "tor.txt").write_text("198.51.100.7\n")
    arguments = ("--source-database", str(database), "--source-list", f"tor={directory / 'tor.txt'}")
    with RunningConsole(directory, *arguments) as running:
        yield running


def test_source_is_put_on_a_list_and_its_attacks_are_marked(
    page: Page, console: RunningConsole, problems: Problems, artefacts: Path
) -> None:
    send(console, recent(2101, real_ip="198.51.100.7", host="a.example"), recent(2102, real_ip="10.0.0.9", host="b.example"))
    sign_in(page, console, "/attacks?q=source:tor")
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row.locator(".tm-country")).to_have_text("NL")
    row.get_by_role("link").click()
    facts = page.locator(".tm-facts")
    expect(facts).to_contain_text("NL · AS64500 <script>")
    facts.get_by_role("link", name="Put on a list").click()
    expect(page.get_by_text("cannot block")).to_be_visible()
    expect(page.get_by_label("Value")).to_have_value("198.51.100.7")
    page.get_by_label("Reason").fill(XSS)
    page.get_by_role("button", name="Put on the list").click()
    table = page.get_by_role("table", name="Lists of sources")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table.locator("tbody tr")).to_contain_text("never")
    page.get_by_label("Value").fill("Utopia")
    page.get_by_role("button", name="Put on the list").click()
    expect(page.get_by_text("'Utopia' is no address; accepted:")).to_be_visible()
    page.screenshot(path=artefacts / "sources.png", full_page=True)
    page.goto("/attacks?q=list:deny")
    expect(row.locator(".tm-list-mark")).to_have_text("deny")
    page.screenshot(path=artefacts / "marked.png")
    page.get_by_role("button", name="By country").click()
    expect(page.get_by_role("table", name="Attacks by country")).to_contain_text("NL")
    page.goto("/sources")
    table.get_by_role("button", name="Take off").click()
    expect(page.get_by_text("Nothing is on a list.")).to_be_visible()
    expect(page.get_by_role("table", name="Databases and lists")).to_contain_text("1 ranges")
    page.goto("/settings")
    changes = page.get_by_role("table", name="Log of changes")
    expect(changes.locator("tbody tr", has_text="source_list.remove")).to_contain_text("deny 198.51.100.7")
    assert page.evaluate("window.pwned") is None
    assert problems == []
