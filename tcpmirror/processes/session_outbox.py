"""Sessions' digests in the exporter: the workers' merged, until the cloud takes them."""

from __future__ import annotations

import os
import threading
from typing import Final

import zstandard

from tcpmirror.sessions.digest import SessionDigest, SessionKey, add
from tcpmirror.sessions.record import chunks, decode_rows, encode_rows, wire_row

SESSIONS: Final = 8_192  # waiting at once; digests of further ones are left out
CALL_BYTES: Final = 8 << 20  # of JSON in one call


class SessionOutbox:
    """One thread adds, another sends. What was sent and not acknowledged is sent again under the same id."""

    path: Final = "/api/v1/sessions/digests"
    sent_counter: Final = "session_digests_sent"
    what: Final = "digests of sessions"

    def __init__(self, withhold_attacks: bool = False) -> None:
        self._withhold_attacks = withhold_attacks
        self._lock = threading.Lock()
        self._waiting: dict[SessionKey, SessionDigest] = {}
        self._calls: list[tuple[bytes, int]] = []  # of which the first is under way

    def add(self, record: bytes) -> int:
        """Merge the digests of *record*; return how many. ValueError if it is no record of digests."""
        _, digests = decode_rows(record)
        with self._lock:
            for digest in digests:
                if self._withhold_attacks:
                    _without_attacks(digest)
                if len(self._waiting) < SESSIONS or digest.key in self._waiting:
                    add(self._waiting, digest)
        return len(digests)

    def next(self) -> tuple[bytes, int] | None:
        """Return the body of the next call to the cloud and how many digests it holds; the same until `done`."""
        if not self._calls:
            with self._lock:
                taken, self._waiting = self._waiting, {}
            compress = zstandard.ZstdCompressor(level=3).compress
            for chunk in chunks(map(wire_row, taken.values()), CALL_BYTES):
                self._calls.append((compress(encode_rows(os.urandom(16).hex(), chunk)), len(chunk)))
        return self._calls[0] if self._calls else None

    def done(self) -> None:
        """The cloud has taken what `next` returned, or never will."""
        self._calls.pop(0)


def _without_attacks(digest: SessionDigest) -> None:
    digest.attacks.clear()
    digest.attack_events.clear()
    digest.events = {event._replace(attacks="") for event in digest.events}
