"""Census: how many flows of each place speak what, counted by a worker and told to the exporter now and then."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Final

from tcpmirror.model.protocol_news import Place, ProtocolNews, encode_protocols
from tcpmirror.ring.ring import KIND_PROTOCOLS, Doorbell, RingWriter

PLACES_LIMIT: Final = 1024  # VLANs and VNIs come from traffic
OTHER: Final[Place] = (-1, 0, 0, -1)
NAMES_LIMIT: Final = 50  # of a place, that wait to be told
NAMES_A_RECORD: Final = 5  # of up to 255 characters, so that a record fits into the smallest ring


class Census:
    """What was counted and not yet told."""

    def __init__(self) -> None:
        self._known: set[Place] = set()
        self._news: dict[Place, ProtocolNews] = {}

    def count(self, place: Place, protocol: str) -> None:
        """Count a flow of *place* that speaks *protocol*."""
        self._of(place).protocols[protocol] += 1

    def name(self, place: Place, name: str) -> None:
        """Count a TLS flow of *place* for the server *name*."""
        names = self._of(place).names
        if name in names or len(names) < NAMES_LIMIT:
            names[name] += 1

    def send(self, writer: RingWriter, bell: Doorbell) -> None:
        """Send what is new; what finds no room now goes with the next call."""
        is_sent = False
        while self._news:
            place, news = next(iter(self._news.items()))
            told = ProtocolNews(place, news.protocols, Counter(dict(islice(news.names.items(), NAMES_A_RECORD))))
            if not writer.write(KIND_PROTOCOLS, encode_protocols(told)):
                break
            is_sent = True
            del self._news[place]
            if rest := news.names - told.names:
                self._news[place] = ProtocolNews(place, names=rest)
        if is_sent:
            bell.ring()

    def _of(self, place: Place) -> ProtocolNews:
        if place not in self._known:
            if len(self._known) >= PLACES_LIMIT:
                place = OTHER
            self._known.add(place)
        return self._news.setdefault(place, ProtocolNews(place))
