"""What is ignored and what is masked, by forms on the rules page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tcpmirror.cloud.ignore_rules import BadEntry
from tcpmirror.console.ignore_panel import conditions_of
from tests.console.browsing import Problems, recent, send, sign_in
from tests.console.conftest import RunningConsole


def test_conditions_are_read_a_line_each() -> None:
    text = "header.HOST equal shop.example\n\n  get.page regex ^[0-9]+ [a-z]$ \nheader.REFERER absent\n"
    assert conditions_of(text) == [
        {"point": "header.HOST", "type": "equal", "value": "shop.example"},
        {"point": "get.page", "type": "regex", "value": "^[0-9]+ [a-z]$"},
        {"point": "header.REFERER", "type": "absent"},
    ]
    with pytest.raises(BadEntry, match=r"line 2, 'header.HOST is x'; accepted: .*iequal"):
        conditions_of("uri equal /\nheader.HOST is x")


@pytest.mark.browser
def test_what_is_ignored_is_looked_at_first_and_can_be_taken_back(
    page: Page, console: RunningConsole, problems: Problems
) -> None:
    send(console, *(recent(9100 + number, host="forms.example") for number in range(3)))
    sign_in(page, console, "/rules")
    form = page.locator("details", has_text="Ignore something else")
    form.get_by_text("Ignore something else").click()
    form.get_by_label("Name", exact=True).fill("by-form")
    form.get_by_label("Host, such as").fill("forms.example")
    where = form.get_by_label("Where, one a line")
    where.fill("header.HOST is forms.example")
    form.get_by_role("button", name="Ignore these").click()
    expect(form.get_by_role("status")).to_contain_text("line 1")
    where.fill("header.REFERER absent")
    form.get_by_label("Attack types").click()
    page.get_by_role("option", name="SQL injection", exact=True).click()
    page.keyboard.press("Escape")
    form.get_by_role("button", name="See what it would have silenced").click()
    expect(form.get_by_text("3 hits in 1 attack.")).to_be_visible()
    form.get_by_role("button", name="Ignore these").click()
    entry = page.locator("li", has_text="name: by-form")
    expect(entry).to_contain_text("type: absent")
    entry.get_by_role("button", name="Report by-form again").click()
    expect(entry).to_have_count(0)
    assert problems == []


@pytest.mark.browser
def test_mask_is_made_by_its_form_and_taken_away(page: Page, console: RunningConsole, problems: Problems) -> None:
    sign_in(page, console, "/rules")
    form = page.locator("details", has_text="Mask something else")
    form.get_by_text("Mask something else").click()
    form.get_by_label("Name", exact=True).fill("pins")
    form.get_by_role("button", name="Mask these").click()
    expect(form.get_by_role("status")).to_contain_text("one of point, parameter, pattern and classes is needed")
    form.get_by_label("Parameter, header or cookie").fill("pin")
    form.get_by_role("button", name="Mask these").click()
    mask = page.locator("li", has_text="name: pins")
    expect(mask).to_contain_text("parameter: pin")
    mask.get_by_role("button", name="Mask no longer").click()
    expect(mask).to_have_count(0)
    assert problems == []
