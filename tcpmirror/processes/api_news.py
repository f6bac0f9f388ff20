"""What a worker learns about APIs, on its way to the exporter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from tcpmirror.discovery.digest import EndpointDigest
from tcpmirror.discovery.observer import Observer
from tcpmirror.discovery.record import chunks, encode_rows, wire_row
from tcpmirror.telemetry.counters import CounterPage

RECORD_BYTES: Final = 256 * 1024


class ApiNews:
    """Observes a worker's exchanges; `records` are what the exporter is to know, each under an id that comes once.

    ``observe`` takes an exchange up, with whether it is an attack.
    """

    def __init__(self, endpoints: int, page: CounterPage) -> None:
        self._observer = Observer(endpoints)
        self.observe = self._observer.observe
        self._page = page
        self._epoch = os.urandom(8).hex()
        self._sent = 0
        self.conceal: Callable[[EndpointDigest], EndpointDigest] | None = None  # takes out what is not to be told
        self._told = {"api_requests": 0, "api_samples": 0, "api_refused": 0}

    def records(self, limit_bytes: int) -> Iterator[bytes]:
        """Yield what is new since the last call, in records of up to *limit_bytes*."""
        self._publish()
        digests = self._observer.take()
        rows = [wire_row(digest) for digest in (map(self.conceal, digests) if self.conceal else digests)]
        kept = 0
        for chunk in chunks(rows, min(limit_bytes, RECORD_BYTES)):
            kept += len(chunk)
            self._sent += 1
            yield encode_rows(f"{self._epoch}-{self._sent}", chunk)
        self._page.add("api_digests_lost", len(rows) - kept)

    def _publish(self) -> None:
        now = {
            "api_requests": self._observer.observed,
            "api_samples": self._observer.sampled,
            "api_refused": self._observer.refused,
        }
        for name, count in now.items():
            self._page.add(name, count - self._told[name])
        self._told = now
