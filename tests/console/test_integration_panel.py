"""Integrations on the settings page, in a real browser."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from tests.cloud.running import finding, until
from tests.console.browsing import XSS, Problems, recent, send, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        taken = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.taken += [one["details"]["hit"]["payloads"][0] for one in taken]  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_hits_go_to_a_webhook_that_was_made_on_the_page(page: Page, console: RunningConsole, problems: Problems) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    server.taken = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        sign_in(page, console, "/settings")
        form = page.locator("details", has_text="Send hits somewhere else")
        form.get_by_text("Send hits somewhere else").click()
        form.get_by_label("Name, such as siem").fill("hook")
        form.get_by_role("button", name="Send hits there").click()
        expect(form.get_by_role("status")).to_contain_text("needs a `url`")
        form.get_by_label("URL, such as").fill(f"http://127.0.0.1:{server.server_port}/secret-path")
        form.get_by_label("Only hosts").fill("*.hooked.example")
        form.get_by_role("button", name="Send hits there").click()
        rows = page.get_by_role("table", name="Integrations").locator("tbody tr")
        expect(rows).to_contain_text("http://127.0.0.1")
        assert "secret-path" not in rows.inner_text()
        rows.get_by_role("button", name="Try hook").click()
        expect(page.get_by_text("It took the trial.")).to_be_visible()
        send(
            console,
            recent(9200, host="a.hooked.example", findings=[finding(payload=XSS[:200])]),
            recent(9201, host="b.example"),
        )
        until(lambda: XSS[:200] in server.taken)  # type: ignore[attr-defined]
        assert server.taken == ["a trial of this integration", XSS[:200]]  # type: ignore[attr-defined]
        rows.get_by_role("button", name="Send no more to hook").click()
        expect(page.get_by_text("Hits are sent nowhere else.")).to_be_visible()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert problems == []
