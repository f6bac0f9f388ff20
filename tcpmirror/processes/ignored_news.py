"""Counts of findings that were not reported, on their way to the exporter."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Final

from tcpmirror.model.ignored_news import IgnoredCounts, encode_ignored
from tcpmirror.ring.ring import KIND_IGNORED, Doorbell, RingWriter

ROWS: Final = 32  # a record: below 8 KB


def send_ignored_news(counts: IgnoredCounts, writer: RingWriter, bell: Doorbell) -> None:
    """Send *counts* and take what was sent off them; what finds no room now goes with the next call."""
    while chunk := dict(islice(counts.items(), ROWS)):
        if not writer.write(KIND_IGNORED, encode_ignored(Counter(chunk))):
            return
        for row in chunk:
            del counts[row]
        bell.ring()
