"""A console as the command starts it, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tcpmirror.cloud.api.access import COOKIE
from tests.cloud.running import until
from tests.console.browsing import CHROMIUM, Problems

COMMAND = [sys.executable, "-c", "import sys; from tcpmirror.console.command import main; sys.exit(main())"]
ROOT = Path(__file__).resolve().parents[2]
WAIT_MS = 30_000  # for what a page shall come to show: a machine with other work is slow
expect.set_options(timeout=WAIT_MS)


class RunningConsole(AbstractContextManager["RunningConsole"]):
    """`tcpmirror-cloud run` on a free loopback port; what it printed is in ``output``."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._log = directory / "output.txt"
        self._session = self._node = ""
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TZ": "UTC"}
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "run", "--database", str(directory / "cloud.db"), "--listen", "127.0.0.1:0", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
            )
        self.url = until(lambda: self.printed(r"console: (http://\S+)/")).group(1)
        until(self._answers)

    def __exit__(self, *raised: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()

    def printed(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.output)

    @property
    def output(self) -> str:
        return self._log.read_text()

    @property
    def password(self) -> str:
        found = self.printed(r"password: (\S+)")
        assert found is not None
        return found.group(1)

    def node(self) -> httpx.Client:
        """Return a client of the node `mirror-1`, which is the same each time."""
        self._node = self._node or self._register("mirror-1")
        return self._as(self._node)

    def new_node(self, name: str) -> httpx.Client:
        """Return a client of a node that registers now."""
        return self._as(self._register(name))

    def _register(self, name: str) -> str:
        token = self.printed(r"deploy token: (\S+)")
        assert token is not None
        with self._as(token.group(1)) as client:
            made = client.post("/api/v1/nodes/register", json={"name": name}).raise_for_status().json()
        return f"{made['node_id']}.{made['secret']}"

    def _as(self, credential: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {credential}"}, timeout=20)

    def session(self) -> str:
        """Return the cookie of an administrator's session, the same each time while it holds."""
        with httpx.Client(base_url=self.url, cookies={COOKIE: self._session} if self._session else None) as client:
            if not self._session or client.get("/api/v1/session").status_code != 200:
                client.cookies.clear()
                client.post("/api/v1/session", json={"user": "admin", "password": self.password}).raise_for_status()
                self._session = client.cookies[COOKIE]
        return self._session

    def reader(self) -> httpx.Client:
        """Return a client of an administrator who is signed in."""
        return httpx.Client(base_url=self.url, cookies={COOKIE: self.session()}, timeout=20)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            return httpx.get(self.url + "/sign-in").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """Yield one console for the whole run; each test looks at hosts of its own."""
    with RunningConsole(tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def context(browser: Browser, console: RunningConsole) -> Iterator[BrowserContext]:
    """Yield a browser window of its own: no cookies, nothing kept."""
    opened = browser.new_context(viewport={"width": 1280, "height": 860}, base_url=console.url)
    opened.set_default_timeout(WAIT_MS)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, console: RunningConsole, problems: Problems) -> Page:
    opened = context.new_page()
    problems.watch(opened, console.url)
    return opened
