"""A cloud that runs in a thread of the test, and the reports to feed it."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from tcpmirror.cloud.accounts import ensure_first_account
from tcpmirror.cloud.application import create_application
from tcpmirror.cloud.database import open_database
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.sampling import Sampler
from tcpmirror.cloud.server import bind, serve
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.tokens import ensure_token

PASSWORD = "a long enough password"
DEPLOY, READ, ANALYST, ADMIN = "deploy-token", "read-token", "analyst-token", "admin-token"
NOON = 1_790_000_000 * 10**9
MINUTE = 60 * 10**9


def report(number: int, **changes: Any) -> dict[str, Any]:
    """Return a sound report as it stands on the wire; equal numbers have equal ids."""
    return {
        "id": hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest(),
        "time_ns": NOON + number * 1_000_000,
        "duration_ns": 1_500_000,
        "client": "203.0.113.9:51544",
        "server": "10.0.0.5:80",
        "real_ip": "203.0.113.9",
        "encapsulation": "",
        "protocol": "HTTP/1.1",
        "method": "GET",
        "host": "shop.example",
        "uri": "/items?id=1%27%20or%201=1",
        "status": 200,
        "request_bytes": 0,
        "response_bytes": 5,
        "application": -1,
        "anomalies": [],
        "findings": [finding()],
        "request_b64": b64(b"GET /items?id=1%27%20or%201=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
        "response_b64": b64(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    } | changes


def finding(**changes: Any) -> dict[str, Any]:
    return {
        "type": "sqli",
        "point": ["get", "id"],
        "payload": "1' or 1=1",
        "rule": "sqli.tautology",
        "confidence": 0.9,
    } | changes


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def until(true: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return what *true* returns once it is; AssertionError after *seconds*."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not come true within {seconds} s")


@dataclass
class RunningCloud(AbstractContextManager["RunningCloud"]):
    """A real server on a loopback port over a real store: at *address*, or else an SQLite file in *directory*."""

    directory: Path
    address: str = ""
    build: Callable[[Service], ASGIApp] = create_application
    scheme: str = "http"
    service: Service = field(init=False)
    url: str = field(init=False)

    def __enter__(self) -> RunningCloud:
        database = open_database(self.address or self.directory / "cloud.db")
        self.service = Service(database, sampler=Sampler("off"))
        for token, role in ((DEPLOY, Role.DEPLOY), (READ, Role.READ), (ANALYST, Role.ANALYST), (ADMIN, Role.ADMIN)):
            ensure_token(database, token, f"test {role}", role, NOON)
        listener = bind("127.0.0.1:0", "listen")
        self.url = f"{self.scheme}://127.0.0.1:{listener.getsockname()[1]}"
        self._stop = threading.Event()
        app = self.build(self.service)
        self._thread = threading.Thread(target=self.serving(), args=(app, listener, lambda: not self._stop.is_set()))
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self.service.database.close()
        assert not self._thread.is_alive(), "the server did not stop"

    def serving(self) -> Callable[..., bool]:
        """Return what serves an application on a listener."""
        return serve

    def with_account(self) -> RunningCloud:
        """Make the administrator; hashing the password takes its time, so only tests that sign in have one."""
        ensure_first_account(self.service.database, PASSWORD, NOON)
        return self

    def client(self, token: str = "") -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20)

    def node(self) -> httpx.Client:
        """Return a client with the credential of a newly registered node."""
        with self.client(DEPLOY) as client:
            made = client.post("/api/v1/nodes/register", json={"name": "mirror-1", "group": "g"}).raise_for_status().json()
        return self.client(f"{made['node_id']}.{made['secret']}")
