"""`python -m bench.worst [SECONDS]`: looks for requests that cost detection most CPU a byte, and says what they are.

It begins with the pieces that tests fear (`tests/detect/hostile.py`), each repeated in each place of a request, and changes
the dearest ones: pieces put together, taken away, exchanged, a byte turned. What turns out dearer takes the place of the
cheapest. The same seed gives the same candidates; which of them stay is the clock's decision. Both tiers are measured, the
second whatever the first says. Exit code 1: one costs more than BOUND_NS a byte; mend it, and add its piece to the tests.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tcpmirror.detect.detector import Detector
from tcpmirror.processes.detection import build_detector
from tcpmirror.settings.tree import Settings
from tests.detect.hostile import PIECES, PLACES

BOUND_NS: Final = 8_000  # twice the dearest known, on a loaded machine
BYTES: Final = 16_384  # of a value: enough that what a request costs by itself does not count
KEPT: Final = 24
RULES: Final = Path(__file__).parents[1] / "build" / "rules"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value made of *unit* again and again at *place*; ``ns``: CPU a byte, the least of two runs."""

    ns: float
    place: str
    unit: bytes


def measured(detector: Detector, place: str, unit: bytes) -> Candidate:
    value = (unit * (BYTES // len(unit) + 1))[:BYTES]
    request = PLACES[place](value)
    costs = []
    for _ in range(2):
        started = time.thread_time_ns()
        detector.is_suspect(request)
        detector.judge_request(request)
        costs.append(time.thread_time_ns() - started)
    return Candidate(min(costs) / BYTES, place, unit)


def changed(unit: bytes, dice: random.Random) -> bytes:
    """Return *unit* with one change, of 1 to 64 bytes."""
    piece = dice.choice(PIECES)
    at = dice.randrange(len(unit) + 1)
    match dice.randrange(4):
        case 0:
            made = unit[:at] + piece + unit[at:]
        case 1:
            made = unit[:at] + unit[at + 1 :]
        case 2:
            made = unit[:at] + bytes((dice.randrange(256),)) + unit[at + 1 :]
        case _:
            made = piece + unit * dice.randrange(1, 4)
    return made[:64] or piece


def search(detector: Detector, seconds: float, dice: random.Random) -> list[Candidate]:
    """Return the dearest candidates that *seconds* of search find, the dearest first."""
    kept = [measured(detector, place, piece) for place in PLACES for piece in PIECES]
    kept = sorted(kept, key=lambda one: -one.ns)[:KEPT]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        parent = dice.choice(kept)
        place = parent.place if dice.random() < 0.8 else dice.choice(list(PLACES))
        unit = changed(parent.unit, dice)
        if any((one.place, one.unit) == (place, unit) for one in kept):
            continue
        child = measured(detector, place, unit)
        if child.ns > kept[-1].ns:
            kept = sorted([*kept[:-1], child], key=lambda one: -one.ns)
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found = search(build_detector(Settings(), RULES), asked.seconds, random.Random(asked.seed))
    for one in found:
        print(f"{one.ns:8,.0f} ns a byte  {one.place:8} {one.unit!r}")
    return int(found[0].ns > BOUND_NS)


if __name__ == "__main__":
    sys.exit(main())
