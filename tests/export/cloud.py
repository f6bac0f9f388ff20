"""A cloud for tests: the other end of the exporter's protocol over real HTTP, well-behaved until told otherwise."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import zstandard

TOKEN = "deploy-token"


@dataclass
class TestCloud:
    """What it stored, what it was asked, and ``scripted`` answers for the next calls to /batches (then it behaves again)."""

    __test__ = False

    stored: dict[str, dict] = field(default_factory=dict)
    batches: list[str] = field(default_factory=list)
    duplicates: int = 0
    nodes: dict[str, dict] = field(default_factory=dict)
    heartbeats: list[dict] = field(default_factory=list)
    calls: list[tuple[str, float]] = field(default_factory=list)
    scripted: deque[Callable[[_Call], None]] = field(default_factory=deque)
    refuses: Callable[[list[dict]], int] = lambda reports: 0  # status for a batch, 0: take it
    forgetful: bool = False
    tls: ssl.SSLContext | None = None
    listen_port: int = 0

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.listen_port), _Call)
        self._server.daemon_threads = True
        self._server.cloud = self
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget_nodes(self) -> None:
        self.nodes.clear()


class _Call(BaseHTTPRequestHandler):
    @property
    def cloud(self) -> TestCloud:
        return self.server.cloud

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.cloud.calls.append((self.path, time.monotonic()))
        if self.path == "/api/v1/nodes/register":
            self._register(json.loads(body))
        elif self._bearer().partition(".")[0] not in self.cloud.nodes:
            self.answer(401, {"error": "who?"})
        elif self.path == "/api/v1/nodes/heartbeat":
            self.cloud.heartbeats.append(json.loads(body)["stats"])
            self.answer(204, None)
        else:
            self.batch = json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(body))
            answer = self.cloud.scripted.popleft() if self.cloud.scripted else receipt
            answer(self)

    def _bearer(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    def _register(self, identity: dict) -> None:
        if self._bearer() != TOKEN:
            self.answer(401, {"error": "token"})
            return
        node_id = secrets.token_hex(8)
        if not self.cloud.forgetful:
            self.cloud.nodes[node_id] = identity
        self.answer(201, {"node_id": node_id, "secret": "s3cret"})

    def store(self) -> dict[str, object]:
        """Store the batch of this call and return its receipt."""
        batch_id, reports = self.batch["batch_id"], self.batch["reports"]
        duplicate = batch_id in self.cloud.batches
        self.cloud.batches.append(batch_id)
        for report in reports:
            self.cloud.duplicates += report["id"] in self.cloud.stored
            self.cloud.stored[report["id"]] = report
        return {
            "batch_id": batch_id,
            "accepted": 0 if duplicate else len(reports),
            "duplicate": duplicate,
            "quarantined": [],
        }

    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


def receipt(call: _Call) -> None:
    """Take the batch, unless the cloud refuses what is in it."""
    refused = call.cloud.refuses(call.batch["reports"])
    if refused:
        call.answer(refused, {"error": "refused"})
    else:
        call.answer(200, call.store())


def stored_and_reset(call: _Call) -> None:
    call.store()
    reset(call)


def status(code: int, **headers: str) -> Callable[[_Call], None]:
    """Answer with *code*, and headers given as ``Retry_After="1"``."""
    return lambda call: call.answer(
        code, {"error": code}, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def garbage(call: _Call) -> None:
    call.answer(200, b"<html>please sign in to the airport's network</html>")


def wrong_receipt(call: _Call) -> None:
    call.answer(200, {"batch_id": "another", "accepted": 1, "duplicate": False, "quarantined": []})


def not_http(call: _Call) -> None:
    call.wfile.write(b"\x00\xff\x00 this is no HTTP\r\n\r\n")
    call.close_connection = True


def reset(call: _Call) -> None:
    call.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.connection.close()


def endless(call: _Call) -> None:
    call.send_response(200)
    call.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(100):
            call.wfile.write(b"x" * 65536)


def silent(seconds: float) -> Callable[[_Call], None]:
    """Say nothing for *seconds*, then close."""

    def wait(call: _Call) -> None:
        call.connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            call.connection.recv(1)
        call.close_connection = True

    return wait
