"""A shop's day as a real sensor tells a console of it, with what people had it look for beforehand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, expect

from bench.network import wait_until
from tests.console import shop
from tests.console.browsing import sign_in
from tests.console.conftest import RunningConsole
from tests.console.road import sensor, take_rules

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
    "gql_aliases": "/graphql",
    "gql_docs_per_batch": "/graphql",
    "gql_doc_size": "/graphql",
    "gql_value_size": "/graphql",
    "gql_introspection": "/graphql",
    "gql_debug": "/graphql",
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
# Of the endpoint of reports: search -> what the attack's page says.
UNUSUAL: Final = {
    "type:api_abuse": "answers 10 times as large as usual",
    "type:resource_consumption ip:198.18.1.2": "answers waited for 10 times as long as usual",
    "type:resource_consumption !ip:198.18.1.2": "requests beyond 10 times as many as usual",
}


@contextmanager
def day_of_shop(console: RunningConsole, browser: Browser, directory: Path) -> Iterator[None]:
    """Have a sensor tell *console* of a day of the shop; what it is to look for is given on the pages, as people give it."""
    start = (time.time() - shop.DAY_S - 60) // shop.BLOCK_S * shop.BLOCK_S
    capture = shop.capture(directory / "day.pcap", start)
    context = browser.new_context(base_url=console.url)
    page = context.new_page()
    enforce_specification(page, console)
    give_rules(page, console)
    context.close()
    take_rules(console, directory)
    with sensor(console, directory, capture, shop.CONTROLS) as is_running:
        wait_until(lambda: not is_running() or has_arrived(console), "all of it in the cloud", 240, 0.5)
        assert is_running(), (directory / "sensor.log").read_text()[-3000:]
        yield


def enforce_specification(page: Page, console: RunningConsole) -> None:
    """Give the specification of the payments on its page, and switch it on."""
    sign_in(page, console, f"/apis/specifications?host={shop.PAY}")
    page.get_by_label("Name; the same again is a newer version").fill("payments")
    document = json.dumps(shop.SPECIFICATION).encode()
    file: Any = {"name": "payments.json", "mimeType": "application/json", "buffer": document}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Off: enforce payments").click()
    expect(page.get_by_role("button", name="On nodes: enforce payments")).to_be_visible()


def give_rules(page: Page, console: RunningConsole) -> None:
    """Write the own rules, and have one path ignored, on the page of the rules."""
    sign_in(page, console, "/rules")
    packs = page.locator("details", has_text="Write a pack")
    packs.get_by_text("Write a pack").click()
    packs.get_by_label("Name of the pack").fill("shop")
    packs.get_by_label("Rules, YAML").fill(shop.PACK)
    packs.get_by_role("button", name="Give it to the sensors").click()
    expect(page.get_by_role("table", name="Own rule packs")).to_contain_text("shop")
    ignored = page.locator("details", has_text="Ignore something else")
    ignored.get_by_text("Ignore something else").click()
    ignored.get_by_label("Name", exact=True).fill("editor")
    ignored.get_by_label("Path, such as").fill("/v2/editor")
    ignored.get_by_role("button", name="Ignore these").click()
    expect(page.locator("li", has_text="name: editor")).to_have_count(1)


def has_arrived(console: RunningConsole) -> bool:
    """Tell whether every store of the cloud has all that is looked for."""
    with console.reader() as reader:

        def rows(path: str, name: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = reader.get(f"/api/v1/{path}").raise_for_status().json()[name]
            return found

        return (
            {row["type"] for row in rows("attacks?limit=500", "attacks")}
            >= {*BEHAVIOUR, *VIOLATIONS, "sqli", "ptrav", "vpatch"}
            and len(rows(f"attacks?q=d:{shop.STATS}", "attacks")) >= len(UNUSUAL)
            and {row["kind"] for row in rows("vulnerabilities?limit=100", "vulnerabilities")} >= WEAKNESSES
            and {row["host"] for row in rows("inventory/endpoints", "endpoints")} >= {shop.API, shop.PAY}
            and any(row["stats"].get("tried_findings") for row in rows("nodes", "nodes"))
            and len(rows(f"sessions?text={shop.WEB}", "sessions")) > 20
        )
