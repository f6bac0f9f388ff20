"""Hits as syslog messages (RFC 5424) over UDP (RFC 5426), TCP (RFC 6587, counted octets) and TLS (RFC 5425).

TCP knows no acknowledgement of a message: what was in the kernel's buffer when the receiver died is lost without a word.
That the receiver has closed is looked for before each batch, which finds an orderly restart.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from tcpmirror.export.delivery import DeliveryError, reason_of
from tcpmirror.export.sinks.bodies import BODIES, PRODUCT, severity
from tcpmirror.export.sinks.hit import Hit

PORTS: Final = {"udp": 514, "tcp": 601, "tls": 6514}
DATAGRAM_LIMIT: Final = 8192  # bytes of a message over UDP; receivers have to take 2048 (RFC 5426, section 3.2)
LOCAL0: Final = 16
_GRAVITY: Final = ((9, 2), (7, 3), (4, 4), (0, 5))  # severity from -> syslog's critical, error, warning, notice
_NO_NAME: Final = re.compile(r"[^\x21-\x7e]")


@dataclass(slots=True)
class Syslog:
    """Sends to *url*: `udp://HOST[:PORT]`, `tcp://...` or `tls://...`, bodies as *body* (json, cef, leef) makes them."""

    url: str
    body: str
    version: str
    timeout_s: float
    tls: ssl.SSLContext | None = None
    _socket: socket.socket | None = field(default=None, init=False)

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        try:
            self._send([message(hit, self.body, self.version) for hit in hits])
        except OSError as error:
            self.close()
            raise DeliveryError(f"{self.url}: {error}", reason_of(error)) from error

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _send(self, messages: list[bytes]) -> None:
        scheme = urlsplit(self.url).scheme
        if self._socket is not None and scheme != "udp" and _has_ended(self._socket):
            self.close()
        if self._socket is None:
            self._socket = self._connected(scheme)
        if scheme == "udp":
            for each in messages:
                self._socket.send(each[:DATAGRAM_LIMIT])
        else:
            self._socket.sendall(b"".join(b"%d %s" % (len(each), each) for each in messages))

    def _connected(self, scheme: str) -> socket.socket:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or PORTS[scheme]
        if scheme != "udp":
            plain = socket.create_connection((host, port), self.timeout_s)
            return self.tls.wrap_socket(plain, server_hostname=host) if self.tls else plain
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        made = socket.socket(family, kind, protocol)
        made.settimeout(self.timeout_s)
        made.connect(address)
        return made


def message(hit: Hit, body: str, version: str) -> bytes:
    """Return one message: header, no structured data, and the body in UTF-8 after its mark (RFC 5424, section 6.4)."""
    gravity = next(level for least, level in _GRAVITY if severity(hit) >= least)
    time = hit.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    hostname = _NO_NAME.sub("", socket.gethostname())[:255] or "-"
    head = f"<{LOCAL0 * 8 + gravity}>1 {time} {hostname} {PRODUCT} {os.getpid()} hit - "
    return head.encode() + b"\xef\xbb\xbf" + BODIES[body](hit, version).encode()


def _has_ended(connection: socket.socket) -> bool:
    """Return whether the other side has closed; a syslog receiver never says anything."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            connection.setblocking(True)
