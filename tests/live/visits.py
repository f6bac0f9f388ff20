"""What the client does in the bed: the visits whose traces the sensor must show."""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from bench.client import Request, exchange_all
from tests.live.bed import SERVER, Bed

HOST: Final = "shop.example"
INJECTION: Final = json.dumps({"user": {"name": "' UNION SELECT login, password FROM users -- "}, "remember": True})
KEPT_ALIVE: Final = 50

_ports = itertools.count(41000)  # a port of its own for each connection: even and odd ones in turn
_numbers = itertools.count(0, 3)  # of attacks, so that no two of a run have the same target

# what each attack must look like in the cloud
ATTACKS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "ptrav", "method": "GET", "host": HOST, "uri": "/etc/passwd", "status": 404},
    {"type": "sqli", "method": "POST", "host": HOST, "uri": "/login", "status": 403},
)


def curl(ground: Bed, *arguments: str, path: str) -> list[tuple[int, int]]:
    """Fetch *path* of the shop over a new connection from the next port; the result is that of `Bed.curl`."""
    resolve = f"{HOST}:80:{SERVER}"
    return ground.curl("--local-port", str(next(_ports)), "--resolve", resolve, *arguments, f"http://{HOST}{path}")


def attack_twice(ground: Bed) -> int:
    """Send each attack from an even and from an odd port; return the requests sent."""
    for _ in range(2):
        assert curl(ground, path="/etc/passwd") == [(404, 1)]
    json_body = ("--header", "Content-Type: application/json", "--data", INJECTION)
    for _ in range(2):
        assert curl(ground, *json_body, path="/login") == [(403, 1)]
    return 4


def keep_alive(ground: Bed) -> int:
    """Send 50 harmless requests over one connection, from an even and from an odd port; return the requests sent."""
    for _ in range(2):
        transfers = curl(ground, path=f"/api/v1/items/[1-{KEPT_ALIVE}]")
        assert transfers == [(200, 1)] + [(200, 0)] * (KEPT_ALIVE - 1)
    return 2 * KEPT_ALIVE


def assorted(ground: Bed) -> int:
    """Send requests whose answers are framed in every way nginx knows; return their number."""
    visits = {
        "/large.txt": ((), 200),
        "/zipped/items.json": (("--compressed",), 200),
        "/moved": ((), 302),
        "/broken": ((), 500),
        "/index.html": (("--head",), 200),
        "/items.json": (("--http1.0",), 200),
        "/api/v1/upload": (("--header", "Expect: 100-continue", "--data", "x" * 100_000), 200),
        "/hello.txt": (("--range", "0-4"), 206),
    }
    for path, (arguments, status) in visits.items():
        assert curl(ground, *arguments, path=path)[0][0] == status, path
    return len(visits)


def numbered_attack(number: int) -> Request:
    """Return an attack that can be told from all others by its query; to the cloud they are hits of one attack."""
    head = f"GET /api/v1/files?number={number}&name=../../../../etc/passwd HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    return Request(head.encode(), 200)


def uri_of(number: int) -> str:
    return numbered_attack(number).data.split(b" ", 2)[1].decode()


@dataclass(slots=True)
class Stream:
    """Attacks in a steady stream, three on each connection, until stopped; ``sent`` holds when each was answered.

    The times are of the monotonic clock, in seconds, before the connection was opened and after the last answer.
    """

    ground: Bed
    pause_s: float = 0.1
    sent: dict[int, tuple[float, float]] = field(default_factory=dict)
    error: Exception | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Stream:
        self._thread = threading.Thread(target=self._send, name="attacks", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End after the connection under way; raise what went wrong, if anything did."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(30.0)
        if self.error is not None:
            raise self.error

    def uris(self, since: float = 0.0) -> set[str]:
        """Return the targets of all attacks whose connection was opened after *since*."""
        return {uri_of(number) for number, (began, _) in list(self.sent.items()) if began >= since}

    def _send(self) -> None:
        for first in _numbers:
            began = time.monotonic()
            try:
                exchange_all(self.ground.client, (SERVER, 80), [[numbered_attack(first + step) for step in range(3)]], 1)
            except (OSError, ValueError) as error:
                self.error = error
                return
            self.sent.update({first + step: (began, time.monotonic()) for step in range(3)})
            if self._ended.wait(self.pause_s):
                return
