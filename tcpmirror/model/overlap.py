"""Overlap: two copies of the same bytes of a stream that differ, and the policies that choose between them.

A sender repeats itself byte for byte; who does not wants two readers to see two things (Ptacek and Newsham, "Insertion,
Evasion, and Denial of Service", 1998), or a middlebox is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Which copy a receiver keeps where a segment overlaps one that waits out of order, by the name of the receiver's system
# (Shankar and Paxson, "Active Mapping", 2003; Novak and Sturges, "Target-Based TCP Stream Reassembly", 2007).
OVERLAP_POLICIES: Final = (
    "first",
    "last",
    "bsd",
    "linux",
    "old-linux",
    "macos",
    "solaris",
    "hpux",
    "windows",
    "windows-2003",
)
EVIDENCE_BYTES: Final = 64  # of each copy
TEXT_BYTES: Final = 40  # of each copy in a line of text: at most 4 characters a byte, and a line has 512
TEXTS: Final = 4


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two copies of the same bytes.

    ``sender``: ``ip:port``; ``offset``: of the first byte shown, from the first byte of its direction (or where that was
    joined), modulo 2**32; ``kept``, ``other``: what was analysed and what was not, EVIDENCE_BYTES of each at most.
    """

    sender: str
    offset: int
    kept: bytes
    other: bytes


def overlap_texts(overlaps: Sequence[Overlap]) -> tuple[str, ...]:
    """Return a line of ASCII text for each of the first overlaps."""
    return tuple(
        f"overlap conflict: {overlap.sender} byte {overlap.offset}: "
        f"kept {_shown(overlap.kept)}, other {_shown(overlap.other)}"
        for overlap in overlaps[:TEXTS]
    )


def _shown(raw: bytes) -> str:
    return repr(raw[:TEXT_BYTES])[1:]
