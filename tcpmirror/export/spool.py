"""The spool: records on disk from the moment they are found until the cloud has them.

Files in one directory, numbered in the order they were begun: ``0000000000000007.seg`` (see `segment`), ``position.json``
(how far the cloud has acknowledged), ``lock`` and whatever was set aside as ``*.corrupt``. A record counts as taken once
write(2) returned: it then outlives this process; `sync` makes it outlive the machine. A segment is never appended to after a
restart, and is deleted when all of it is acknowledged. Every method may be called from any thread.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import logging
import os
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.atomic_file import sync_directory, write_atomically
from tcpmirror.export.segment import (
    HEADER_BYTES,
    RECORD_HEADER_BYTES,
    RECORD_LIMIT_BYTES,
    Header,
    SegmentDamageError,
    decode_header,
    encode_header,
    encode_record,
    find_record,
    read_record,
    scan,
)

CORRUPT_FILES_KEPT: Final = 16  # evidence for whoever looks; more of the same disk fault says nothing new
SEGMENTS_PER_QUOTA: Final = 4  # so that a full spool loses a quarter of what it holds at most, never all of it
log = logging.getLogger(__name__)


@dataclass(slots=True)
class SegmentFile:
    """One segment on disk; ``records`` and ``size`` (bytes, header included) grow while it is the active one.

    ``damaged``: unreadable bytes were met in it, so it is kept as evidence when it is done.
    """

    path: Path
    header: Header
    size: int
    records: int
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """The first record the cloud does not have: its segment, byte offset and index there.

    ``planned``: offset where a batch begun here ended, so that the same bytes are cut after a crash; 0: none was begun.
    """

    segment: int = 0
    offset: int = HEADER_BYTES
    index: int = 0
    planned: int = 0


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


@dataclass(frozen=True, slots=True)
class SpoolState:
    """``size``: bytes on disk; ``backlog``: records not yet acknowledged; the rest counts since the spool was opened."""

    size: int
    segments: int
    backlog: int
    dropped: int
    corrupt: int
    errors: int


@dataclass(slots=True)
class _Losses:
    dropped: int = 0
    corrupt: int = 0
    errors: int = 0


@dataclass(slots=True)
class Spool:
    """The spool in *directory*, made if missing; EnvironmentFault if it cannot be used or another process has it."""

    directory: Path
    quota_bytes: int
    segment_bytes: int
    fsync: bool = True
    _mutex: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    _segments: dict[int, SegmentFile] = field(default_factory=dict, init=False, repr=False)  # oldest first
    _active: int = field(default=-1, init=False)  # file descriptor of the newest segment, -1: none is open
    _dirty: bool = field(default=False, init=False)
    _next_number: int = field(default=1, init=False)
    _next_record: int = field(default=0, init=False)
    _position: Position = field(default=Position(), init=False)
    _losses: _Losses = field(default_factory=_Losses, init=False)
    _lock_file: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self.segment_bytes = max(HEADER_BYTES, min(self.segment_bytes, self.quota_bytes // SEGMENTS_PER_QUOTA))
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._position = self._stored_position()
            self._recover()
        except BlockingIOError:
            os.close(self._lock_file)
            raise EnvironmentFault(f"spool.directory: {str(self.directory)!r} is in use by another process") from None
        except OSError as error:
            raise EnvironmentFault(f"spool.directory: {str(self.directory)!r} cannot be used: {error}") from error

    def append(self, record: bytes) -> None:
        """Write one record; OSError when the disk does not take it, and then nothing of it stays.

        When the quota is reached the oldest segment goes first, and its records are counted as dropped.
        """
        if not 0 < len(record) <= RECORD_LIMIT_BYTES:
            raise ValueError(f"a record has 1 to {RECORD_LIMIT_BYTES} bytes, not {len(record)}")
        with self._mutex:
            try:
                segment = self._segment_with_room(RECORD_HEADER_BYTES + len(record))
                self._write(segment, encode_record(record, segment.header.salt))
            except OSError:
                self._losses.errors += 1
                raise
            segment.records += 1
            self._next_record += 1
            self._dirty = True

    def sync(self) -> None:
        """Force what was appended to the disk; OSError (counted) when that fails."""
        with self._mutex:
            descriptor, dirty, self._dirty = self._active, self._dirty, False
        if descriptor < 0 or not dirty or not self.fsync:
            return
        try:
            os.fsync(descriptor)  # not under the mutex: a slow disk must not hold up a reader
        except OSError:
            with self._mutex:
                self._losses.errors += 1
            raise

    def read(self, limit_records: int, limit_bytes: int) -> Slice | None:
        """Return the next unacknowledged records, at least one and within both limits beyond it; None when there are none.

        Where a batch was begun (`plan`) before a crash, the same records come again. Damaged records are passed over and
        counted as dropped. OSError (counted) when the disk fails.
        """
        with self._mutex:
            try:
                while (segment := self._unread_segment()) is not None:
                    found = self._slice(segment, limit_records, limit_bytes)
                    if found is not None:
                        return found
                    self._pass_damage(segment)
            except OSError:
                self._losses.errors += 1
                raise
            return None

    def plan(self, part: Slice) -> None:
        """Remember that *part* is about to be sent as one batch."""
        with self._mutex:
            if part.segment == self._position.segment and part.offset == self._position.offset:
                self._move(Position(part.segment, part.offset, part.index, part.end), durable=False)

    def acknowledge(self, part: Slice) -> None:
        """Take the records of *part*, which begins at the position, off the spool: the cloud has them."""
        with self._mutex:
            if part.segment == self._position.segment and part.offset == self._position.offset:
                self._move(Position(part.segment, part.end, part.index + len(part.records)), durable=self.fsync)
                self._unread_segment()

    def state(self) -> SpoolState:
        with self._mutex:
            size = sum(segment.size for segment in self._segments.values())
            backlog = sum(segment.records for segment in self._segments.values())
            if self._position.segment in self._segments:
                backlog -= self._position.index
            losses = self._losses
            return SpoolState(size, len(self._segments), backlog, losses.dropped, losses.corrupt, losses.errors)

    def close(self) -> None:
        """Give the directory back. The spool takes nothing more."""
        with self._mutex:
            self._seal()
            os.close(self._lock_file)

    # -- writing

    def _segment_with_room(self, need: int) -> SegmentFile:
        if self._active >= 0 and self._newest().size + need > self.segment_bytes and self._newest().records:
            self._seal()
        while len(self._segments) > 1 and sum(segment.size for segment in self._segments.values()) + need > self.quota_bytes:
            self._drop_oldest()
        return self._newest() if self._active >= 0 else self._begin_segment()

    def _newest(self) -> SegmentFile:
        return next(reversed(self._segments.values()))

    def _begin_segment(self) -> SegmentFile:
        header = Header(self._next_number, self._next_record, secrets.randbits(32))
        path = self.directory / f"{header.number:016d}.seg"
        segment = SegmentFile(path, header, 0, 0)
        self._active = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._next_number += 1
        try:
            self._write(segment, encode_header(header))
            if self.fsync:
                sync_directory(self.directory)
        except OSError:
            os.close(self._active)
            self._active = -1
            path.unlink(missing_ok=True)
            raise
        self._segments[header.number] = segment
        return segment

    def _write(self, segment: SegmentFile, data: bytes) -> None:
        """Append all of *data* or none of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._active, rest) :]
        except OSError:
            os.ftruncate(self._active, segment.size)
            raise
        segment.size += len(data)

    def _seal(self) -> None:
        if self._active >= 0:
            descriptor, self._active, self._dirty = self._active, -1, False
            try:
                if self.fsync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _drop_oldest(self) -> None:
        number, segment = next(iter(self._segments.items()))
        unread = segment.records - (self._position.index if number == self._position.segment else 0)
        log.warning("spool quota reached: the oldest segment is dropped with %d reports that were never sent", unread)
        self._losses.dropped += unread
        self._forget(segment)

    # -- reading

    def _unread_segment(self) -> SegmentFile | None:
        """Return the segment the position stands in, past those that are done; None when all is acknowledged."""
        while self._segments:
            number, segment = next(iter(self._segments.items()))
            if number != self._position.segment:
                self._position = Position(number)
            if self._position.offset < segment.size:
                return segment
            if self._active >= 0 and segment is self._newest():
                return None
            self._losses.dropped += max(0, segment.records - self._position.index)
            self._forget(segment)
        return None

    def _slice(self, segment: SegmentFile, limit_records: int, limit_bytes: int) -> Slice | None:
        """Return records from the position on; None if the first of them is damaged."""
        start, records = self._position, list[bytes]()
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
        if not segment.damaged:
            self._losses.corrupt += 1
            segment.damaged = True
        at = find_record(segment.path.read_bytes(), self._position.offset + 1, segment.header.salt)
        self._position = Position(segment.header.number, segment.size if at is None else at, self._position.index)

    def _forget(self, segment: SegmentFile) -> None:
        del self._segments[segment.header.number]
        if segment.damaged:
            self._set_aside(segment.path)
        else:
            segment.path.unlink(missing_ok=True)

    def _set_aside(self, path: Path) -> None:
        path.replace(path.with_suffix(".corrupt"))
        for old in sorted(self.directory.glob("*.corrupt"))[:-CORRUPT_FILES_KEPT]:
            old.unlink(missing_ok=True)

    # -- position

    def _move(self, position: Position, durable: bool) -> None:
        """Store *position*; if the disk does not take it, a crash repeats a batch, and the cloud knows it by its id."""
        self._position = position
        stored = {
            "segment": position.segment,
            "offset": position.offset,
            "index": position.index,
            "planned": position.planned,
        }
        try:
            write_atomically(self.directory / "position.json", json.dumps(stored).encode(), durable)
        except OSError as error:
            self._losses.errors += 1
            log.warning("spool position not stored: %s", error)

    def _stored_position(self) -> Position:
        """Return the stored position; unreadable or missing: the start, which repeats reports and loses none."""
        try:
            stored = json.loads((self.directory / "position.json").read_bytes())
            return Position(*(int(stored[name]) for name in ("segment", "offset", "index", "planned")))
        except FileNotFoundError:
            return Position()
        except (ValueError, TypeError, KeyError) as error:
            log.warning("spool position unreadable (%s): every report on disk is sent again", error)
            return Position()

    # -- recovery

    def _recover(self) -> None:
        """Take stock of what an earlier process left: delete what is acknowledged, cut a torn tail, count the rest."""
        paths = sorted(self.directory.glob("*.seg"))
        numbers = [int(path.stem) for path in self.directory.glob("*.*") if path.stem.isdecimal()]
        self._next_number = max((self._position.segment, *numbers)) + 1
        for path in paths:
            segment = self._recovered(path, newest=path == paths[-1])
            if segment is not None and segment.header.number < self._position.segment:
                path.unlink()
            elif segment is not None:
                self._segments[segment.header.number] = segment
        self._count_records()
        self._check_position()

    def _recovered(self, path: Path, newest: bool) -> SegmentFile | None:
        try:
            with path.open("rb") as file:
                header = decode_header(file.read(HEADER_BYTES))
        except SegmentDamageError as damage:
            if newest and path.stat().st_size < HEADER_BYTES:  # stopped while it was being begun: nothing was in it
                path.unlink()
            else:
                log.error("spool segment %s: %s", path.name, damage)
                self._losses.corrupt += 1
                self._set_aside(path)
            return None
        return SegmentFile(path, header, path.stat().st_size, -1)

    def _count_records(self) -> None:
        """Fill in ``records``: from the next header where there is one (32 bytes of each file), else by reading all."""
        segments = list(self._segments.values())
        for segment, after in itertools.zip_longest(segments, segments[1:]):
            if after is not None and after.header.number == segment.header.number + 1:
                segment.records = after.header.first_record - segment.header.first_record
            else:
                self._scan_file(segment, newest=after is None)
        if segments:
            self._next_record = segments[-1].header.first_record + segments[-1].records

    def _scan_file(self, segment: SegmentFile, newest: bool) -> None:
        found = scan(segment.path.read_bytes(), segment.header.salt)
        segment.records = found.records + found.beyond
        if found.is_torn and newest:  # this record was being written, and is still where it came from
            os.truncate(segment.path, found.end)
            segment.size = found.end
        elif found.end < segment.size:
            segment.records += 1  # one at least that cannot be read, as the reader will find out

    def _check_position(self) -> None:
        """Begin at the start of the segment when the position points to no record in it."""
        segment = self._segments.get(self._position.segment)
        if segment is None:
            return
        data = segment.path.read_bytes()[: self._position.offset]
        found = scan(data, segment.header.salt)
        if found.end != self._position.offset or found.records != self._position.index:
            log.warning("spool position names no record: segment %s is sent again", segment.path.name)
            self._position = Position(segment.header.number)
