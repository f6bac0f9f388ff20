"""How what a worker learns over many exchanges comes to the exporter: on the report ring, waiting where that is full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from tcpmirror.ring.ring import Doorbell, RingWriter


class News(Protocol):
    """What was learnt since the last call, in records of up to *limit_bytes*, each under an id that comes once."""

    def records(self, limit_bytes: int) -> Iterator[bytes]: ...


class DigestRoad:
    """Sends the records of *news* as *kind*; what finds no room now goes with the next call, before anything newer."""

    def __init__(self, kind: int, news: News, writer: RingWriter, bell: Doorbell) -> None:
        self._kind = kind
        self._news = news
        self._writer = writer
        self._bell = bell
        self._unsent: list[bytes] = []

    def send(self) -> None:
        if not self._unsent:
            self._unsent = list(self._news.records(self._writer.largest_payload))
        while self._unsent and self._writer.write(self._kind, self._unsent[0]):
            del self._unsent[0]
            self._bell.ring()
