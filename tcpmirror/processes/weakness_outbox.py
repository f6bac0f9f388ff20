"""The workers' weaknesses in the exporter, merged until the cloud takes them; see `api_outbox`."""

from __future__ import annotations

import os
import threading
from typing import Final

import zstandard

from tcpmirror.vulns.weakness import ROWS, Weakness, WeaknessKey, add, decode_weaknesses, encode_weaknesses

WAITING: Final = 16_384  # at once; further ones are left out


class WeaknessOutbox:
    """One thread adds, another sends."""

    path: Final = "/api/v1/vulnerabilities/records"
    sent_counter: Final = "weaknesses_sent"
    what: Final = "weaknesses"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[WeaknessKey, Weakness] = {}
        self._calls: list[tuple[bytes, int]] = []  # of which the first is under way

    def add(self, record: bytes) -> int:
        """Merge the weaknesses of *record*; return how many. ValueError if it is no record of weaknesses."""
        _, rows = decode_weaknesses(record)
        with self._lock:
            for row in rows:
                if len(self._waiting) < WAITING or row.key in self._waiting:
                    add(self._waiting, row)
        return len(rows)

    def next(self) -> tuple[bytes, int] | None:
        """Return the body of the next call to the cloud and how many rows it holds; the same until `done`."""
        if not self._calls:
            with self._lock:
                taken, self._waiting = list(self._waiting.values()), {}
            compress = zstandard.ZstdCompressor(level=3).compress
            for at in range(0, len(taken), ROWS):
                rows = taken[at : at + ROWS]
                self._calls.append((compress(encode_weaknesses(os.urandom(16).hex(), rows)), len(rows)))
        return self._calls[0] if self._calls else None

    def done(self) -> None:
        """The cloud has taken what `next` returned, or never will."""
        self._calls.pop(0)
