from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tcpmirror.export.sinks.hit import Hit
from tcpmirror.settings import tree
from tests.export.reports import EXAMPLE, SQLI, numbered_report


@pytest.fixture
def hits() -> list[Hit]:
    """Three hits: two findings of one report, one of another, with traffic at its worst in it."""
    worst = replace(SQLI, type="xss", payload='a|b=c\\d\r\n"<script>`&\t\x00\u2028\ud800', evidence="x")
    first = replace(EXAMPLE, findings=(SQLI, worst))
    return [Hit(first, 0), Hit(first, 1), Hit(numbered_report(7), 0)]


@dataclass
class WebServer:
    """Takes every POST, answers what it was told next (status, body), else 200 with *answer*."""

    answer: bytes = b"{}"
    next: list[tuple[int, bytes]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        server = self

        class Call(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.calls.append((self.path, dict(self.headers), body))
                status, answer = server.next.pop(0) if server.next else (200, server.answer)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Call)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[WebServer]:
    running = WebServer()
    yield running
    running.close()


@pytest.fixture
def sink_settings(tmp_path: Path) -> Callable[..., tree.Sink]:
    """Return a maker of settings with a short time-out."""

    def make(kind: str, **changes: Any) -> tree.Sink:
        return tree.Sink(name="siem", type=kind, timeout_s=5.0, **changes)

    return make


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
