"""Answers that take as long as the attack asked the server to wait.

One slow answer proves nothing; two to the same place whose times follow what was asked for do.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final

PLACES: Final = 4096  # (host, path, point) remembered, the last ones asked about
SEEN: Final = 8  # of one place
_SHORTEST_S: Final = 1.0
_SLACK_S: Final = 2.0
_ASKED: Final = re.compile(
    rb"\b(?:pg_)?sleep\s?\(\s?['\"]?(\d{1,3}(?:\.\d{1,3})?)"
    rb"|waitfor\s+delay\s+['\"]\d{1,2}:\d{1,2}:(\d{1,2})"
    rb"|receive_message\s?\([^,]{1,80},\s?(\d{1,3})"
    rb"|\bsleep\s+(\d{1,3})\b|\btimeout\s+(?:/t\s+)?(\d{1,3})\b|\bping\s+-[nc]\s+(\d{1,3})\b",
    re.IGNORECASE,
)
_REPEATED: Final = re.compile(rb"\b(?:benchmark|randomblob|generate_series)\s?\(", re.IGNORECASE)


def asked_s(payload: bytes) -> float | None:
    """Return how many seconds *payload* has the server wait; None: it does not say."""
    match = _ASKED.search(payload)
    return float(next(group for group in match.groups() if group)) if match else None


class Delays:
    """What attacks on one place asked for, and how long the answers took."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str, str], list[tuple[float, float]]] = OrderedDict()

    def proof(self, place: tuple[str, str, str], payload: bytes, took_s: float) -> str:
        """Note an attack on *place* that was answered after *took_s*; return what shows that it did it, or nothing."""
        asked = asked_s(payload)
        if asked is None and _REPEATED.search(payload):
            return ""  # its work has no time that could be told
        known = self._seen.setdefault(place, [])
        self._seen.move_to_end(place)
        if len(self._seen) > PLACES:
            self._seen.popitem(last=False)
        wanted = asked or 0.0
        others = [took for before, took in known if abs(before - wanted) >= _SHORTEST_S]
        follows = [took for before, took in known if abs(before - wanted) >= _SHORTEST_S and _fits(before, took)]
        known.append((wanted, took_s))
        del known[:-SEEN]
        if asked is None or asked < _SHORTEST_S or not _fits(asked, took_s):
            return ""
        if not others or len(follows) < len(others):
            return ""
        return (
            f"answered after {took_s:.1f} s when asked to wait {asked:g} s, after {follows[-1]:.1f} s when asked otherwise"
        )


def _fits(asked: float, took: float) -> bool:
    return asked <= took <= asked + _SLACK_S
