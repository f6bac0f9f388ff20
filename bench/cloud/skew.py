"""What a large store looks like: a few attacks, hosts and sources have most of the hits, and most have next to none.

Sizes and popularity fall off as a power of the rank (Zipf), as in real traffic: a scanner is one source on many targets,
a botnet many sources on one.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from tcpmirror.cloud.grouping import EXTENDS_NS

DAY_NS: Final = 86_400 * 10**9
PERIOD_NS: Final = 90 * DAY_NS
_HOSTS, _PATHS, _SOURCES = 400, 6_000, 60_000
_COUNTRIES: Final = tuple("US CN RU DE NL FR GB BR IN VN ID UA SG KR JP CA IT ES PL SE".split())  # noqa: SIM905
# Shares of the attack types among attacks: scanning and injection lead, the exotic ones trail.
_TYPES: Final = {
    "scanner": 30, "sqli": 18, "ptrav": 14, "xss": 12, "rce": 9, "infoleak": 6, "ssrf": 3, "nosqli": 2, "ssti": 2,
    "crlf": 1, "xxe": 1, "redir": 1, "mass_assignment": 0.5, "ldapi": 0.3, "mail_injection": 0.1, "gql_introspection": 0.1,
}  # fmt: skip
_WORDS: Final = tuple(
    """account admin api assets auth backup billing cart catalog checkout config customer device download export feed file
    graphql health image import invoice item login logout media message metrics order page payment photo plan price product
    profile public query report reset review role search session settings share shop stock store team token upload user v1 v2
    webhook""".split()  # noqa: SIM905 - a list of sixty words in quotes is no better to read
)
_STATUSES: Final = ((200, 40), (404, 25), (403, 12), (400, 8), (500, 6), (302, 5), (401, 3), (None, 1))
_METHODS: Final = (("GET", 70), ("POST", 24), ("PUT", 4), ("DELETE", 2))
_Value = TypeVar("_Value")
_PAYLOADS: Final = {
    "sqli": "{n}' UNION SELECT {n},password FROM users-- ",
    "xss": "<script>alert({n})</script>",
    "ptrav": "../../../../etc/passwd{n}",
    "rce": ";cat /etc/passwd;echo {n}",
    "scanner": "/.git/config?{n}",
    "ssrf": "http://169.254.169.254/latest/{n}",
}


@dataclass(frozen=True, slots=True)
class AttackPlan:
    """One attack before its hits are drawn. ``statuses``, ``sources`` and ``payloads``: what its hits choose from."""

    type: str
    host: str
    path: str
    method: str
    parameter: str
    first_ns: int
    step_ns: int
    hits: int
    sources: tuple[str, ...]
    payloads: tuple[str, ...]
    statuses: tuple[int | None, ...]

    @property
    def last_ns(self) -> int:
        return self.first_ns + self.step_ns * (self.hits - 1)


def sizes(attacks: int, hits: int) -> list[int]:
    """Return how many hits each of *attacks* has, most first; together *hits*, each at least one."""
    spare = hits - attacks
    weights = [1 / rank**0.95 for rank in range(1, attacks + 1)]
    unit = spare / math.fsum(weights)
    counts = [1 + int(weight * unit) for weight in weights]
    for at in range(hits - sum(counts)):
        counts[at % attacks] += 1
    return counts


def request_of(plan: AttackPlan, uri: str) -> bytes:
    """Return a request for *uri* as it would have been received."""
    lines = (f"{plan.method} {uri} HTTP/1.1", f"Host: {plan.host}", "User-Agent: Mozilla/5.0", "Accept: */*", "", "")
    return "\r\n".join(lines).encode()


class Population:
    """Hosts, paths and sources, and attacks drawn among them; the same seed gives the same ones."""

    def __init__(self, seed: int, end_ns: int) -> None:
        self._random = Random(seed)
        self._end_ns = end_ns
        self._hosts = [f"{word}{number}.example" for number, word in zip(range(_HOSTS), _WORDS * 10, strict=False)]
        self._paths = [self._path() for _ in range(_PATHS)]
        self._sources = [self._address() for _ in range(_SOURCES)]

    def attack(self, hits: int) -> AttackPlan:
        """Return an attack of *hits* hits, all within the period, none further than an hour from the next."""
        draw = self._random
        kind = draw.choices(list(_TYPES), list(_TYPES.values()))[0]
        step_ns = self._step_ns(hits)
        duration_ns = step_ns * (hits - 1)
        source_count = min(hits, 1 + int(draw.paretovariate(0.9)), 5_000)
        payload_count = min(hits, 1 + int(draw.paretovariate(1.1)), 300)
        return AttackPlan(
            type=kind,
            host=self._popular(self._hosts),
            path=self._popular(self._paths),
            method=_weighted(draw, _METHODS),
            parameter=draw.choice(_WORDS),
            first_ns=self._end_ns - duration_ns - int((PERIOD_NS - duration_ns) * draw.random()),
            step_ns=step_ns,
            hits=hits,
            sources=tuple(self._popular(self._sources) for _ in range(source_count)),
            payloads=tuple(_payload(kind, draw.randrange(10_000)) for _ in range(payload_count)),
            statuses=tuple(_weighted(draw, _STATUSES) for _ in range(min(hits, 4))),
        )

    def _step_ns(self, hits: int) -> int:
        longest = min(EXTENDS_NS - 1, PERIOD_NS // (2 * hits))
        return max(1_000_000, int(longest * self._random.random() ** 3))

    def _popular(self, ranked: Sequence[str]) -> str:
        # The inverse of a Zipf distribution with exponent 1: ranks are even on a logarithmic scale.
        return ranked[int(len(ranked) ** self._random.random()) - 1]

    def _path(self) -> str:
        return "/" + "/".join(self._random.choice(_WORDS) for _ in range(self._random.randint(1, 4)))

    def _address(self) -> str:
        if self._random.random() < 0.05:
            return "2001:db8:" + ":".join(f"{self._random.randrange(1, 65536):x}" for _ in range(6))
        return ".".join(str(self._random.randrange(1, 255)) for _ in range(4))


def country_of(address: str) -> str:
    """Return where *address* is: few countries have most of them, and of one in ten it is unknown."""
    number = zlib.crc32(address.encode())
    return "" if number % 10 == 0 else _COUNTRIES[int(len(_COUNTRIES) ** ((number >> 8) % 1000 / 1000)) - 1]


def _weighted(draw: Random, rows: Sequence[tuple[_Value, int]]) -> _Value:
    return draw.choices([value for value, _ in rows], [weight for _, weight in rows])[0]


def _payload(kind: str, number: int) -> str:
    return _PAYLOADS.get(kind, kind + " payload {n}").format(n=number)
