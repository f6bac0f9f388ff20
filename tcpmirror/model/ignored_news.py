"""What a worker tells the exporter now and then about findings that are not reported, and its bytes on the ring.

A record is a JSON list of rows ``[entry, rule, count]`` (RFC 8259): what was added since the record before.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

OTHER: Final = "__other__"
ROWS_LIMIT: Final = 1000  # of one sensor: rules are many, and an entry may hold for all of them

IgnoredCounts = Counter[tuple[str, str]]  # by (name of the entry, id of the rule)


def add_ignored(counts: IgnoredCounts, row: tuple[str, str], amount: int = 1) -> None:
    """Add to *counts*; rows beyond the limit go to one row for all of them."""
    counts[row if row in counts or len(counts) < ROWS_LIMIT else (OTHER, OTHER)] += amount


def encode_ignored(counts: IgnoredCounts) -> bytes:
    """Return the bytes of *counts*; `decode_ignored` is the inverse."""
    return json.dumps([[entry, rule, count] for (entry, rule), count in counts.items()]).encode()


def decode_ignored(record: bytes) -> IgnoredCounts:
    """Return the counts of *record*; ValueError: it is none."""
    try:
        return Counter({(str(entry), str(rule)): int(count) for entry, rule, count in json.loads(record)})
    except (TypeError, RecursionError) as error:
        raise ValueError("not rows of entry, rule and count") from error
