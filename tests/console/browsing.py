"""What tests do with a real browser on a running console; the fixtures are in conftest."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from playwright.sync_api import ConsoleMessage, Page

from tcpmirror.cloud.api.access import COOKIE
from tests.cloud.running import report

if TYPE_CHECKING:
    from tests.console.conftest import RunningConsole

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
XSS = (
    """<script>window.pwned=1</script>"><img src=x onerror="window.pwned=1">'"""
    """{{constructor.constructor('window.pwned=1')()}}`${window.pwned=1}`"""
)


class Problems(list[str]):
    """What the page complained about: script errors, blocked and failed loads."""

    def watch(self, page: Page, own: str) -> None:
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", self._heard)
        page.on("request", lambda request: self.append(request.url) if not request.url.startswith((own, "data:")) else None)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "401" not in message.text:
            self.append(message.text)


def sign_in(page: Page, console: RunningConsole, path: str = "/attacks") -> None:
    """Open *path* as the administrator; the session is the same for all pages of a run, made by one check of the password."""
    page.context.add_cookies([{"name": COOKIE, "value": console.session(), "url": console.url}])
    page.goto(path)


def send(console: RunningConsole, *reports: dict[str, Any]) -> None:
    with console.node() as node:
        batch = {"batch_id": str(time.monotonic_ns()), "reports": list(reports)}
        receipt = node.post("/api/v1/batches", json=batch).raise_for_status().json()
    assert receipt["quarantined"] == []


def recent(number: int, **changes: Any) -> dict[str, Any]:
    return report(number, time_ns=time.time_ns(), **changes)
