"""One consumer of the spool: how far it has got, what it reads next, and what it lost."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tcpmirror.export.atomic_file import write_atomically
from tcpmirror.export.segment import RECORD_HEADER_BYTES, SegmentDamageError, find_record, read_record, scan
from tcpmirror.export.slice import Position, Slice, decode_position, encode_position
from tcpmirror.export.stock import SegmentFile

if TYPE_CHECKING:
    from tcpmirror.export.spool import Spool

CLOUD: Final = "cloud"  # the reader that every spool has
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
log = logging.getLogger(__name__)


def position_file(directory: Path, name: str) -> Path:
    return directory / ("position.json" if name == CLOUD else f"position-{name}.json")


@dataclass(slots=True)
class SpoolReader:
    """The reader *name* of *spool*. Its methods may be called from any thread.

    ``dropped``: records that it will never get, since the spool was opened: the quota was reached, or they are damaged.
    """

    spool: Spool = field(repr=False)
    name: str
    dropped: int = field(default=0, init=False)
    position: Position = field(default=Position(), init=False)

    def __post_init__(self) -> None:
        """OSError if the stored position is there and cannot be read."""
        try:
            self.position = decode_position(self._file.read_bytes())
        except FileNotFoundError:
            pass  # begins with the oldest record on disk
        except ValueError as error:
            log.warning("spool position of %s unreadable (%s): every report on disk is sent again", self.name, error)

    @property
    def backlog(self) -> int:
        """Records that are not yet acknowledged."""
        with self.spool.mutex:
            segments = self.spool.segments
            waiting = sum(segment.records for number, segment in segments.items() if number >= self.position.segment)
            return max(0, waiting - self.position.index if self.position.segment in segments else waiting)

    def read(self, limit_records: int, limit_bytes: int) -> Slice | None:
        """Return the next unacknowledged records, at least one and within both limits beyond it; None when there are none.

        Where a batch was begun (`plan`) before a crash, the same records come again. Damaged records are passed over and
        counted as dropped. OSError (counted) when the disk fails.
        """
        with self.spool.mutex, self.spool.counting_errors():
            while (segment := self._unread_segment()) is not None:
                found = self._slice(segment, limit_records, limit_bytes)
                if found is not None:
                    return found
                self._pass_damage(segment)
            return None

    def plan(self, part: Slice) -> None:
        """Remember that *part* is about to be sent as one batch."""
        with self.spool.mutex:
            if self._begins_with(part):
                self._move(Position(part.segment, part.offset, part.index, part.end), durable=False)

    def acknowledge(self, part: Slice) -> None:
        """Pass the records of *part*, which begins at the position: whoever reads has them."""
        with self.spool.mutex:
            if self._begins_with(part):
                position = Position(part.segment, part.end, part.index + len(part.records))
                self._move(position, durable=self.spool.fsync)
                self._unread_segment()

    def check(self) -> None:
        """Begin at the start of the segment when the position points to no record in it. OSError."""
        segment = self.spool.segments.get(self.position.segment)
        if segment is None:
            return
        found = scan(segment.path.read_bytes()[: self.position.offset], segment.header.salt)
        if found.end != self.position.offset or found.records != self.position.index:
            log.warning("spool position of %s names no record: segment %s is sent again", self.name, segment.path.name)
            self.position = Position(segment.header.number)

    def lose(self, segment: SegmentFile) -> None:
        """Count what *segment*, which is dropped, had for this reader."""
        number = segment.header.number
        if number >= self.position.segment:
            unread = segment.records - (self.position.index if number == self.position.segment else 0)
            log.warning("spool quota reached: the oldest segment is dropped with %d reports unsent to %s", unread, self.name)
            self.dropped += unread
            self.position = Position(number + 1)

    def _begins_with(self, part: Slice) -> bool:
        return part.segment == self.position.segment and part.offset == self.position.offset

    def _unread_segment(self) -> SegmentFile | None:
        """Return the segment the position stands in, past those that are done; None when all is acknowledged."""
        for number, segment in tuple(self.spool.segments.items()):
            if number < self.position.segment:
                continue
            if number > self.position.segment:
                self.position = Position(number)
            if self.position.offset < segment.size:
                return segment
            if self.spool.is_growing(segment):
                return None
            self.dropped += max(0, segment.records - self.position.index)
            self.position = Position(number + 1)
            self.spool.release()
        return None

    def _slice(self, segment: SegmentFile, limit_records: int, limit_bytes: int) -> Slice | None:
        """Return records from the position on; None if the first of them is damaged."""
        start, records = self.position, list[bytes]()
        at, salt = start.offset, segment.header.salt
        until = min(start.planned, segment.size) if start.planned > at else segment.size
        with segment.path.open("rb") as file:
            file.seek(at)
            while at < until and len(records) < limit_records and (at - start.offset < limit_bytes or not records):
                try:
                    records.append(read_record(file, at, salt))
                except SegmentDamageError as damage:
                    log.error("spool segment %s: %s", segment.path.name, damage)
                    break
                at += RECORD_HEADER_BYTES + len(records[-1])
        return Slice(segment.header.number, salt, start.offset, start.index, tuple(records)) if records else None

    def _pass_damage(self, segment: SegmentFile) -> None:
        """Move the position to the next whole record behind it, or to the end of *segment*."""
        self.spool.note_damage(segment)
        at = find_record(segment.path.read_bytes(), self.position.offset + 1, segment.header.salt)
        self.position = Position(segment.header.number, segment.size if at is None else at, self.position.index)

    def _move(self, position: Position, durable: bool) -> None:
        """Store *position*; if the disk does not take it, a crash repeats a batch, and the cloud knows it by its id."""
        self.position = position
        try:
            with self.spool.counting_errors():
                write_atomically(self._file, encode_position(position), durable)
        except OSError as error:
            log.warning("spool position of %s not stored: %s", self.name, error)

    @property
    def _file(self) -> Path:
        return position_file(self.spool.directory, self.name)
