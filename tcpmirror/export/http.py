"""A small HTTP server for pages that are made when asked for: metrics, health, status. It reads nothing but GET and HEAD."""

from __future__ import annotations

import ipaddress
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from tcpmirror.errors import EnvironmentFault

CONNECTIONS_LIMIT: Final = 32  # scrapers and probes are few; the ports may be open to a whole network
REQUEST_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.1  # how long `close` may take
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: status, Content-Type, body."""

    status: int
    content_type: str
    body: bytes


Routes = Mapping[str, Callable[[str], Page]]  # path -> page for the value of the Accept header


@dataclass(slots=True)
class PageServer:
    """Serves *routes* on *address* (``ADDR:PORT``, ``[v6]:PORT`` or ``:PORT``) in threads of its own until `close`.

    EnvironmentFault, naming *key*, if the address cannot be listened on.
    """

    key: str
    address: str
    routes: Routes
    request_timeout_s: float = REQUEST_TIMEOUT_S
    _server: _BoundedServer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self._server = _listening(self.address, self.routes)
            self._server.request_timeout_s = self.request_timeout_s
        except (OSError, OverflowError, ValueError) as error:
            problem = f"{self.key}: cannot listen on {self.address!r}: {error}; accepted: a free ADDR:PORT"
            raise EnvironmentFault(problem) from error
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name=f"http {self.address}", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _listening(address: str, routes: Routes) -> _BoundedServer:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError("no port in it")
    if not host and socket.has_dualstack_ipv6():
        try:
            return _DualStackServer(("::", int(port)), routes)
        except OSError:
            pass  # the kernel knows IPv6 but has it switched off; if the port is in use the next line says so
    host = host.strip("[]")
    if ":" in host and ipaddress.ip_address(host).version == 6:
        return _Ipv6Server((host, int(port)), routes)
    return _BoundedServer((host, int(port)), routes)


class _BoundedServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = CONNECTIONS_LIMIT  # the default of 5 makes a burst of clients wait for retransmitted SYNs
    request_timeout_s = REQUEST_TIMEOUT_S
    allow_reuse_port = False  # two sensors on one port must not share its scrapes

    def __init__(self, address: tuple[str, int], routes: Routes) -> None:
        self.routes = routes
        self._free = threading.Semaphore(CONNECTIONS_LIMIT)
        super().__init__(address, _PageRequest)

    def server_bind(self) -> None:
        """Bind without asking DNS for the name of the address, as HTTPServer does: that may hang for a minute."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Log what went wrong with one client; a client that goes away in mid-answer is not worth a line."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            log.exception("a page was not served to %s", client_address)


class _Ipv6Server(_BoundedServer):
    address_family = socket.AF_INET6


class _DualStackServer(_Ipv6Server):
    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _PageRequest(BaseHTTPRequestHandler):
    server_version = "tcpmirror"
    sys_version = ""
    server: _BoundedServer

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.request_timeout_s)

    def do_GET(self) -> None:
        page = self._page()
        self._head(page)
        self.wfile.write(page.body)

    def do_HEAD(self) -> None:
        self._head(self._page())

    def _page(self) -> Page:
        make = self.server.routes.get(self.path.partition("?")[0])
        if make is None:
            return Page(404, "text/plain; charset=utf-8", b"not found\n")
        return make(self.headers.get("Accept", ""))

    def _head(self, page: Page) -> None:
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name for it
        log.debug("%s %s", self.address_string(), format % args)
