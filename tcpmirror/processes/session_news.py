"""What a worker notes of sessions, on its way to the exporter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from tcpmirror.decode.client_address import ClientAddress
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.sessions.digest import SessionDigest
from tcpmirror.sessions.keys import SessionKeys
from tcpmirror.sessions.record import chunks, encode_rows, wire_row
from tcpmirror.sessions.track import Tracker
from tcpmirror.settings.tree import Settings
from tcpmirror.telemetry.counters import CounterPage

RECORD_BYTES: Final = 256 * 1024


class SessionNews:
    """Follows a worker's sessions; `records` are what the exporter is to know, each under an id that comes once.

    ``observe`` notes an exchange with its findings and returns what names its session.
    """

    observe: Callable[[Exchange, list[Finding]], bytes | None]

    def __init__(self, settings: Settings, page: CounterPage) -> None:
        self._page = page
        self._epoch = os.urandom(8).hex()
        self._sent = 0
        self._left: list[SessionDigest] = []
        self._told = (0, 0)
        self.conceal: Callable[[SessionDigest], SessionDigest] | None = None  # takes out what is not to be told
        self._tracker = Tracker(SessionKeys())
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Follow sessions by these settings from now on; what was noted is still handed on."""
        self._publish()
        self._left += self._tracker.take()
        self._address = ClientAddress(settings.inspection.proxy_headers) if settings.inspection.proxy_headers else None
        self._tracker = Tracker(SessionKeys(settings.sessions.parameters), settings.sessions.sessions)
        self.observe = self._tracker.observe if self._address is None else self._observe_by_address
        self._told = (0, 0)

    def _observe_by_address(self, exchange: Exchange, findings: list[Finding]) -> bytes | None:
        """As ``observe`` does, with the address that a proxy told."""
        assert self._address is not None
        return self._tracker.observe(exchange, findings, self._address.real_ip(exchange))

    def records(self, limit_bytes: int) -> Iterator[bytes]:
        """Yield what is new since the last call, in records of up to *limit_bytes*."""
        self._publish()
        found, self._left = self._left + self._tracker.take(), []
        kept = 0
        told = found if self.conceal is None else list(map(self.conceal, found))
        for rows in chunks(map(wire_row, told), min(limit_bytes, RECORD_BYTES)):
            kept += len(rows)
            self._sent += 1
            yield encode_rows(f"{self._epoch}-{self._sent}", rows)
        self._page.add("session_digests_lost", len(found) - kept)

    def _publish(self) -> None:
        now = (self._tracker.observed, self._tracker.refused)
        self._page.add("session_requests", now[0] - self._told[0])
        self._page.add("session_refused", now[1] - self._told[1])
        self._told = now
