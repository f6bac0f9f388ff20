"""Which rules cost the most: what judging in full took, by the rules that asked for it.

The first tier searches for all rules at once, and no rule has a share in that. A rule whose sign it sees sends the whole
request down the full path, which is a hundred times as dear; rules that open it for harmless requests are the slow ones.
Several that open it together bear its time in equal shares.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, Final

from tcpmirror.telemetry.notes import Note

TOLD: Final = 64  # rules in a note, the dearest
NAME_CHARS: Final = 64  # of a rule's id: so a note holds as many


class RuleCosts:
    """What each rule has cost since this process began: nanoseconds, and requests that it sent down the full path."""

    def __init__(self) -> None:
        self._costs: dict[str, list[int]] = {}

    def add(self, rules: Collection[str], cost_ns: int, requests: int) -> None:
        """Share *cost_ns* of so many *requests* among *rules*, which all saw a sign in each."""
        for rule in rules:
            cost = self._costs.setdefault(rule[:NAME_CHARS], [0, 0])
            cost[0] += cost_ns // len(rules)
            cost[1] += requests

    def write(self, note: Note) -> None:
        """Leave the dearest rules in *note*."""
        dearest = sorted(self._costs.items(), key=lambda item: -item[1][0])[:TOLD]
        note.write(json.dumps(dearest).encode())


def read_costs(notes: Iterable[Note]) -> list[dict[str, Any]]:
    """Return what several workers' *notes* say together, dearest first: ``rule``, ``cost_ns``, ``requests``."""
    found: dict[str, list[int]] = {}
    for note in notes:
        for rule, (cost_ns, requests) in json.loads(note.read() or b"[]"):
            total = found.setdefault(rule, [0, 0])
            total[0] += cost_ns
            total[1] += requests
    rows = [{"rule": rule, "cost_ns": cost_ns, "requests": requests} for rule, (cost_ns, requests) in found.items()]
    return sorted(rows, key=lambda row: (-int(row["cost_ns"]), row["rule"]))
