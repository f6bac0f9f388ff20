"""Runs an application on one address until it is told to stop; leaves signals to whoever called."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from tcpmirror.errors import EnvironmentFault

_TURN_S: Final = 0.2
_GRACE_S: Final = 2  # for requests that are being answered when the end comes


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signal: the process that runs the server has handlers of its own."""
        yield


def bind(address: str, key: str) -> socket.socket:
    """Return a listening socket on *address* (`host:port`, `[v6]:port`, `:port`); EnvironmentFault names *key*."""
    host, port = split_address(address, key)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every answer waits 40 ms for a delayed ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise EnvironmentFault(f"{key}: {address}: {error.strerror}; accepted: a free address of this machine") from error
    return listener


def split_address(address: str, key: str) -> tuple[str, int]:
    """Return host and port of *address*; no host means every address of the machine. EnvironmentFault if it is none."""
    written, _, port = address.rpartition(":")
    host = {"": "0.0.0.0", "localhost": "127.0.0.1"}.get(written, written)
    try:
        if host.startswith("[") and host.endswith("]"):
            host = str(ipaddress.IPv6Address(host[1:-1]))
        else:
            ipaddress.IPv4Address(host)
        number = int(port) if ":" in address else -1
    except ValueError as error:
        raise EnvironmentFault(f"{key}: {address!r} is not an address; accepted: ADDRESS:PORT") from error
    if not 0 <= number <= 65535:
        raise EnvironmentFault(f"{key}: {address!r}: a port is missing or impossible; accepted: 0 to 65535")
    return host, number


def is_loopback(address: str, key: str) -> bool:
    """Tell whether *address* is reached from this machine alone."""
    return ipaddress.ip_address(split_address(address, key)[0]).is_loopback


def serve(app: ASGIApp, listener: socket.socket, turn: Callable[[], bool], tls: ssl.SSLContext | None = None) -> bool:
    """Serve *app* on *listener*, by TLS if there is *tls*; *turn* is called five times a second and returns False to stop.

    Returns whether the application started at all.
    """
    return asyncio.run(_serve(app, listener, turn, tls))


async def _serve(app: ASGIApp, listener: socket.socket, turn: Callable[[], bool], tls: ssl.SSLContext | None) -> bool:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=_GRACE_S,
        ws_max_size=1024 * 1024,
    )
    if tls is not None:
        config.load()
        config.ssl = tls  # uvicorn would make one of its own, of files that it asks for passwords
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not serving.done():
        if not turn():
            server.should_exit = True
        await asyncio.wait({serving}, timeout=_TURN_S)
    await serving
    return server.started
