"""Messages to the service manager (sd_notify(3)): ready, reloading, stopping, alive.

Datagrams to the AF_UNIX socket named in `NOTIFY_SOCKET`; outside a service manager nothing is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends to *address* (empty: nowhere); a leading `@` names an abstract socket. ``watchdog_ns``: 0 for none."""

    def __init__(self, address: str = "", watchdog_ns: int = 0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._interval_ns = watchdog_ns // 2
        self._due_ns = 0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Notifier:
        """Return the notifier that the service manager asked for.

        `WATCHDOG_USEC` counts only if `WATCHDOG_PID` is absent or names this process (sd_watchdog_enabled(3)).
        """
        microseconds = environ.get("WATCHDOG_USEC", "")
        for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(environ.get("NOTIFY_SOCKET", ""), int(microseconds) * 1000 if for_us and microseconds.isdecimal() else 0)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def alive(self, now_ns: int) -> None:
        """Tell the watchdog that all is well, at most twice per interval; call it as often as you like."""
        if self._interval_ns and now_ns >= self._due_ns:
            self._due_ns = now_ns + self._interval_ns
            self._send("WATCHDOG=1")

    def _send(self, *fields: str) -> None:
        if not self._address:
            return
        message = "\n".join(field.replace("\n", " ") for field in fields).encode()
        # The manager is away only while it restarts itself; a lost message must not take the sensor down.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)
            out.sendto(message, self._address)
