"""What of a counter is above what is accepted, whatever it counts."""

from __future__ import annotations

from typing import Final, NamedTuple

from tcpmirror.behavior.bots import told
from tcpmirror.behavior.counter import Counter
from tcpmirror.behavior.history import Find, exceeding

CONFIDENCE: Final = 0.9  # that what passes a threshold is an attack


class Marks(NamedTuple):
    """What may be above a threshold, as a counter of plain requests. ``why``: the votes on a bot."""

    counter: Counter
    why: str = ""
    confidence: float = CONFIDENCE


def marks(counter: Counter, find: Find) -> Marks:
    """Return what of *counter* counts; *find*: histories by their keys, the profiles of hosts among them."""
    if counter.key.unit != "profile":
        return Marks(exceeding(counter, find))
    found = told(counter, find)
    return (
        Marks(Counter(counter.key)) if found is None else Marks(found.marked, found.verdict.text, found.verdict.confidence)
    )
