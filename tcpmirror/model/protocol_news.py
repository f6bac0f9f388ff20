"""What a worker tells the exporter now and then about the protocols of one place, and its bytes on the ring.

A record is a JSON list (RFC 8259): source, VLAN, inner VLAN, VNI, then an object of flows by protocol and one of flows by
TLS server name: what was added since the record before.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

# Index of the capture process (-1: all beyond the limit), VLAN, inner VLAN (0: none), VNI (-1: none).
Place = tuple[int, int, int, int]


@dataclass(slots=True)
class ProtocolNews:
    """Flows of one place by what they speak, and TLS flows by the server name that was asked for."""

    place: Place
    protocols: Counter[str] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)


def encode_protocols(news: ProtocolNews) -> bytes:
    """Return the bytes of *news*; `decode_protocols` is the inverse."""
    return json.dumps([*news.place, news.protocols, news.names]).encode()


def decode_protocols(record: bytes) -> ProtocolNews:
    """Return the news in *record*; ValueError: there are none in it."""
    try:
        source, vlan, inner_vlan, vni, protocols, names = json.loads(record)
        return ProtocolNews((int(source), int(vlan), int(inner_vlan), int(vni)), _counts(protocols), _counts(names))
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no place with its protocols and names") from error


def _counts(given: dict[str, int]) -> Counter[str]:
    return Counter({str(name): int(count) for name, count in given.items()})
