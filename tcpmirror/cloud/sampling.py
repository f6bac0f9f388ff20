"""Which hits are stored whole and which are only counted: under a scan an hour brings millions that say the same.

Counts are exact whatever is chosen here. Hits are identical when type, parameter, target, method, response code and source
are the same, and whether the response proves success; in `automatic` mode the payloads of what is sent as input have to be,
too. The first of an attack in an hour is always kept. Hours are those of the packets.

What was seen is remembered in memory: after a restart some more of the same kind are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.cloud.grouping import Hit

MODES: Final = ("automatic", "off", "regular", "extreme")
IDENTICAL: Final = 5  # of identical hits that are kept in an hour
OF_ATTACK: Final = 1_000  # hits that an attack keeps in an hour, evidence aside
OF_SOURCE: Final = 10_000  # hits that are kept of a source in an hour, evidence aside
_TENTH: Final = 10
_HOUR_NS: Final = 3_600 * 10**9
_REMEMBERED: Final = 300_000  # counters; twice as many for a moment: some 60 MB
# Found by counting or measuring requests: one hit is like the other.
_BY_BEHAVIOUR: Final = frozenset(
    (
        "api_abuse",
        "account_takeover",
        "bola",
        "brute",
        "credential_stuffing",
        "data_bomb",
        "dirbust",
        "enum",
        "overlimit_res",
        "processing_overlimit",
        "resource_consumption",
        "scraping",
        "security_crawlers",
    )
)


@dataclass(slots=True)
class Draw:
    """The choices for one batch: they count once the batch is committed (`Sampler.take`)."""

    sampler: Sampler
    pending: dict[bytes, int] = field(default_factory=dict)

    def keeps(self, hit: Hit) -> bool:
        """Tell whether *hit* is stored whole; count it either way."""
        mode = self.sampler.mode
        if mode == "off":
            return True
        keys = _keys(hit, mode)
        seen = [self._seen(key) for key in keys]
        kept = seen[1] == 0 or self._fits(hit, mode, *seen)
        for key in keys if kept else keys[:1]:
            self.pending[key] = self.pending.get(key, 0) + 1
        return kept

    def _fits(self, hit: Hit, mode: str, identical: int, of_attack: int, of_source: int) -> bool:
        by_behaviour = hit.type in _BY_BEHAVIOUR
        if mode == "extreme" and not by_behaviour:
            return identical == 0
        if mode == "extreme":
            return identical % _TENTH == 0
        if identical >= IDENTICAL:
            return False
        is_bounded = mode == "automatic" and not hit.evidence
        return not is_bounded or (of_attack < OF_ATTACK and of_source < OF_SOURCE)

    def _seen(self, key: bytes) -> int:
        return self.pending.get(key, 0) + self.sampler.seen(key)


class Sampler:
    """What was seen of each kind of hit. One thread at a time draws, as one writes."""

    def __init__(self, mode: str = "automatic") -> None:
        self.mode = mode
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}

    def draw(self) -> Draw:
        return Draw(self)

    def seen(self, key: bytes) -> int:
        return self._young.get(key) or self._old.get(key, 0)

    def take(self, draw: Draw) -> None:
        """Remember what *draw* counted; its batch is committed."""
        for key, number in draw.pending.items():
            self._young[key] = self.seen(key) + number
        if len(self._young) > _REMEMBERED:
            self._old, self._young = self._young, {}


def _keys(hit: Hit, mode: str) -> tuple[bytes, bytes, bytes]:
    """Return what identical hits, hits of the attack and hits of the source are counted under."""
    fields = hit.report.fields
    hour = fields.time_ns // _HOUR_NS
    attack = hit.key + hour.to_bytes(5, "big", signed=True)
    parts = [fields.method or "", str(fields.status), fields.real_ip, "proof" if hit.evidence else ""]
    if hit.type not in _BY_BEHAVIOUR and mode == "extreme":
        parts = list(hit.payloads)
    elif hit.type not in _BY_BEHAVIOUR and mode == "automatic":
        parts += hit.payloads
    return attack + _digest(parts), attack, b"source" + _digest([str(hour), fields.real_ip])


def _digest(parts: Sequence[str]) -> bytes:
    return hashlib.blake2b("\x1f\0".join(parts).encode("utf-8", "replace"), digest_size=12).digest()
