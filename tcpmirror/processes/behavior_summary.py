"""What lay above thresholds of behaviour in files that were analysed."""

from __future__ import annotations

from typing import Any, Final

from tcpmirror.behavior.bots import Told, told
from tcpmirror.behavior.counter import Counter, CounterKey, Excess, add
from tcpmirror.behavior.history import exceeding, split
from tcpmirror.behavior.profile_table import ProfileTable
from tcpmirror.behavior.record import decode_rows
from tcpmirror.model.point import point_text

PROFILES: Final = 16_384  # of somebody in ten minutes
COUNTERS: Final = 65_536  # followed at once, about 1 KiB each; where there are more, the half that counts least goes
ROWS: Final = 1_000  # told: those with the most requests
_GIGA: Final = 1_000_000_000


class BehaviorSummary:
    """Merges the counters of all workers; `rows` are what lies above thresholds."""

    def __init__(self, limit: int = COUNTERS) -> None:
        self._limit = limit
        self._table: dict[CounterKey, Counter] = {}
        self._histories: dict[CounterKey, Counter] = {}
        self._profiles = ProfileTable(PROFILES)

    def add(self, record: bytes) -> None:
        """Merge the counters of *record*; ValueError if it is no record of counters."""
        counters = decode_rows(record)[1]
        for counter in counters:
            if counter.key.unit == "profile":
                counter.samples.clear()
                self._profiles.add(counter)
        # Files are looked through without asking anybody about passwords.
        rest, histories = split(counter for counter in counters if counter.key.unit not in ("profile", "unchecked"))
        for counter in rest:
            add(self._table, counter).samples.clear()
        for history in histories:
            if len(self._histories) < self._limit or history.key in self._histories:
                add(self._histories, history)
        if len(self._table) > self._limit:
            self._make_room()

    def rows(self) -> list[dict[str, Any]]:
        """Return what lies above a threshold, the most requests first."""
        far = ((key, exceeding(counter, self._histories.get).judged()) for key, counter in self._table.items())
        judged = [(key, excess) for key, excess in far if excess is not None]
        judged.sort(key=lambda item: (-item[1].marked, item[0]))
        return [row_of(key, excess) for key, excess in judged[:ROWS]]

    def bots(self) -> list[dict[str, Any]]:
        """Return who is told of as a bot, those with the most requests first."""
        judged = ((profile.key, told(profile, self._profiles.get)) for profile in self._profiles)
        rows = [bot_row(key, found) for key, found in judged if found is not None]
        rows.sort(key=lambda row: (-row["requests"], row["type"], row["subject"]))
        return rows[:ROWS]

    def _make_room(self) -> None:
        least = sorted(self._table.items(), key=lambda item: item[1].peak / (item[0].threshold + 1))
        for key, _ in least[: len(least) // 2]:
            del self._table[key]


def bot_row(key: CounterKey, found: Told) -> dict[str, Any]:
    """Return what is told of a bot as JSON takes it. ``confidence``: the part of the possible votes that were cast."""
    verdict, slots = found.verdict, found.marked.slots.values()
    return {
        "type": verdict.type,
        "kind": key.point[0],
        "subject": key.subject,
        "host": key.host,
        "confidence": round(verdict.confidence, 2),
        "requests": sum(slot.count for slot in slots),
        "first": min(slot.first_ns for slot in slots) / _GIGA,
        "last": max(slot.last_ns for slot in slots) / _GIGA,
        "votes": [
            {
                "detector": vote.detector,
                "value": round(vote.value, 3),
                "normal": round(vote.normal, 3),
                "deviation": round(vote.deviation, 1),
                "fired": vote.is_fired,
            }
            for vote in verdict.votes
        ],
    }


def row_of(key: CounterKey, excess: Excess) -> dict[str, Any]:
    """Return the facts of an attack as JSON takes them. ``subject``: empty: everybody; ``requests``: above the threshold."""
    return {
        "type": key.type,
        "control": key.control,
        "subject": key.subject,
        "host": key.host,
        "path": key.path,
        "point": point_text(key.point),
        "requests": excess.marked,
        "peak": excess.peak,
        "first": excess.first_ns / _GIGA,
        "last": excess.last_ns / _GIGA,
    }
