"""`python -m tests.console.tour OUT`: pictures of every page of the console, with a shop's day in it as a real sensor tells it.

Those of the tour in docs/ are made so (`docs/images`, light, 1280 pixels wide); ``--all`` takes every page in both themes at
1280 and at 390 pixels, to be looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from tests.console import shop
from tests.console.browsing import CHROMIUM, sign_in
from tests.console.conftest import RunningConsole
from tests.console.day import day_of_shop

WIDTH, HEIGHT, NARROW = 1280, 860, 390
# File name -> page. `{incident}` and the like are the newest of their kind.
PAGES: Final = {
    "overview": "/overview?period=24h",
    "attacks": "/attacks",
    "attacks-by-source": "/attacks?group=source",
    "attack": "/attacks/{incident}",
    "incidents": "/incidents",
    "vulnerabilities": "/vulnerabilities",
    "vulnerability": "/vulnerabilities/{vulnerability}",
    "sessions": "/sessions?sort=attacks",
    "session": "/sessions/{session}",
    "apis": f"/apis?host={shop.API}&sort=risk",
    "api": "/apis/{endpoint}",
    "specification": f"/apis/specifications?host={shop.PAY}",
    "sources": "/sources",
    "rules": "/rules",
    "rule": "/rules/sqli-union-select",
    "nodes": "/nodes",
    "mirror": "/health",
    "setup": "/setup?kind=linux",
    "settings": "/settings",
}
IN_DOCS: Final = (
    "overview",
    "attacks",
    "attack",
    "vulnerabilities",
    "sessions",
    "session",
    "apis",
    "api",
    "rules",
    "mirror",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.console.tour", description="Pictures of the console.")
    parser.add_argument("out", type=Path, help="directory they go to")
    parser.add_argument("--all", action="store_true", help="every page, whole, in both themes and widths")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with filled_console() as (console, browser):
        places = addresses(console)
        if not options.all:
            with window(browser, console, "light", WIDTH) as page:
                for name in IN_DOCS:
                    keep(page, places[name], options.out / f"{name}.png", whole=False)
            return 0
        for theme in ("light", "dark"):
            for width in (WIDTH, NARROW):
                with window(browser, console, theme, width) as page:
                    for name, address in places.items():
                        keep(page, address, options.out / f"{name}-{theme}-{width}.png", whole=True)
    return 0


@contextlib.contextmanager
def filled_console() -> Iterator[tuple[RunningConsole, Browser]]:
    """Yield a console that has been told of the day, and a browser."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tour-")))
        for name in ("console", "sensor"):
            (directory / name).mkdir()
        console = stack.enter_context(RunningConsole(directory / "console"))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        stack.callback(browser.close)
        stack.enter_context(day_of_shop(console, browser, directory / "sensor"))
        yield console, browser


def addresses(console: RunningConsole) -> dict[str, str]:
    """Return the address of each page by its name."""
    with console.reader() as reader:

        def first(path: str, name: str, key: str = "id") -> str:
            return str(reader.get(f"/api/v1/{path}").raise_for_status().json()[name][0][key])

        of_login = urlencode({"q": f"ptrav d:{shop.WEB} incident"})
        known = {
            "incident": first(f"attacks?{of_login}", "attacks"),
            "vulnerability": first("vulnerabilities", "vulnerabilities"),
            "session": first("sessions?text=198.18.0.7&sort=requests", "sessions", "key"),
            "endpoint": first(f"inventory/endpoints?host={shop.API}&path=/v2/orders", "endpoints"),
        }
    return {name: address.format(**known) for name, address in PAGES.items()}


@contextlib.contextmanager
def window(browser: Browser, console: RunningConsole, theme: str, width: int) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        base_url=console.url,
        color_scheme="dark" if theme == "dark" else "light",
    )
    page = context.new_page()
    sign_in(page, console)
    yield page
    context.close()


def keep(page: Page, address: str, file: Path, whole: bool) -> None:
    """Write the page at *address* to *file*; *whole*: all of its length. One that is wider than the window is told of."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(600)
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > page.viewport_size["width"]:  # type: ignore[index]
        print(f"{file.name}: {width} pixels wide", file=sys.stderr)
    page.screenshot(path=file, full_page=whole)
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
