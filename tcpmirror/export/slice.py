"""Places in the spool, and runs of records that stand at one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from tcpmirror.export.segment import HEADER_BYTES, RECORD_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Position:
    """The first record that a reader has not acknowledged: its segment, byte offset and index there.

    ``planned``: offset where a batch begun here ended, so that the same bytes are cut after a crash; 0: none was begun.
    """

    segment: int = 0
    offset: int = HEADER_BYTES
    index: int = 0
    planned: int = 0


def encode_position(position: Position) -> bytes:
    return json.dumps(asdict(position)).encode()


def decode_position(stored: bytes) -> Position:
    """Return what `encode_position` wrote; ValueError if it is something else."""
    try:
        found = json.loads(stored)
        return Position(*(int(found[name]) for name in ("segment", "offset", "index", "planned")))
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"no position: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive records of one segment; ``offset`` and ``index`` say where in it the first one stands."""

    segment: int
    salt: int
    offset: int
    index: int
    records: tuple[bytes, ...]

    @property
    def end(self) -> int:
        """The byte offset behind the last record."""
        return self.offset + sum(RECORD_HEADER_BYTES + len(record) for record in self.records)

    def part(self, start: int, stop: int) -> Slice:
        """Return the records from *start* up to *stop*, in place."""
        skipped = Slice(self.segment, self.salt, self.offset, self.index, self.records[:start])
        return Slice(self.segment, self.salt, skipped.end, self.index + start, self.records[start:stop])
