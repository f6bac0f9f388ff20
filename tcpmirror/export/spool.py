"""The spool: records on disk from the moment they are found until everyone who wants them has them.

Files in one directory, numbered in the order they were begun: ``0000000000000007.seg`` (see `segment`), ``position.json``
(how far the cloud has acknowledged), ``position-NAME.json`` (how far another reader has), ``lock`` and whatever was set
aside as ``*.corrupt``. A record counts as taken once write(2) returned: it then outlives this process; `sync` makes it
outlive the machine. A segment is never appended to after a restart, and is deleted when every reader has passed it. Every
method may be called from any thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.atomic_file import sync_directory
from tcpmirror.export.segment import (
    HEADER_BYTES,
    RECORD_HEADER_BYTES,
    RECORD_LIMIT_BYTES,
    Header,
    encode_header,
    encode_record,
)
from tcpmirror.export.spool_reader import CLOUD, SpoolReader, position_file
from tcpmirror.export.stock import SegmentFile, set_aside, take_stock

SEGMENTS_PER_QUOTA: Final = 4  # so that a full spool loses a quarter of what it holds at most, never all of it


@dataclass(frozen=True, slots=True)
class SpoolState:
    """``size``: bytes on disk; ``corrupt`` segments and ``errors`` of the disk count since the spool was opened."""

    size: int
    segments: int
    corrupt: int
    errors: int


@dataclass(slots=True)
class Spool:
    """The spool in *directory*, made if missing, for the readers *names*.

    EnvironmentFault if it cannot be used or another process has it.
    """

    directory: Path
    quota_bytes: int
    segment_bytes: int
    fsync: bool = True
    names: tuple[str, ...] = (CLOUD,)
    mutex: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    segments: dict[int, SegmentFile] = field(default_factory=dict, init=False, repr=False)  # oldest first
    _readers: dict[str, SpoolReader] = field(default_factory=dict, init=False, repr=False)
    _active: int = field(default=-1, init=False)  # file descriptor of the newest segment, -1: none is open
    _dirty: bool = field(default=False, init=False)
    _next_number: int = field(default=1, init=False)
    _next_record: int = field(default=0, init=False)
    _corrupt: int = field(default=0, init=False)
    _errors: int = field(default=0, init=False)
    _lock_file: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self.segment_bytes = max(HEADER_BYTES, min(self.segment_bytes, self.quota_bytes // SEGMENTS_PER_QUOTA))
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
        except BlockingIOError:
            os.close(self._lock_file)
            raise EnvironmentFault(f"spool.directory: {str(self.directory)!r} is in use by another process") from None
        except OSError as error:
            raise EnvironmentFault(f"spool.directory: {str(self.directory)!r} cannot be used: {error}") from error

    def reader(self, name: str = CLOUD) -> SpoolReader:
        """Return the reader *name*; KeyError if the spool was not opened for it."""
        return self._readers[name]

    def append(self, record: bytes) -> None:
        """Write one record; OSError when the disk does not take it, and then nothing of it stays.

        When the quota is reached the oldest segment goes first, and its records are counted as dropped.
        """
        if not 0 < len(record) <= RECORD_LIMIT_BYTES:
            raise ValueError(f"a record has 1 to {RECORD_LIMIT_BYTES} bytes, not {len(record)}")
        with self.mutex:
            with self.counting_errors():
                segment = self._segment_with_room(RECORD_HEADER_BYTES + len(record))
                self._write(segment, encode_record(record, segment.header.salt))
            segment.records += 1
            self._next_record += 1
            self._dirty = True

    def sync(self) -> None:
        """Force what was appended to the disk; OSError (counted) when that fails."""
        with self.mutex:
            descriptor, dirty, self._dirty = self._active, self._dirty, False
        if descriptor < 0 or not dirty or not self.fsync:
            return
        with self.counting_errors():
            os.fsync(descriptor)  # not under the mutex: a slow disk must not hold up a reader

    def state(self) -> SpoolState:
        with self.mutex:
            size = sum(segment.size for segment in self.segments.values())
            return SpoolState(size, len(self.segments), self._corrupt, self._errors)

    def close(self) -> None:
        """Give the directory back. The spool takes nothing more."""
        with self.mutex:
            self._seal()
            os.close(self._lock_file)

    # -- for its readers

    def is_growing(self, segment: SegmentFile) -> bool:
        """Return whether records may still be appended to *segment*."""
        return self._active >= 0 and segment is self._newest()

    def note_damage(self, segment: SegmentFile) -> None:
        """Take note that *segment* has unreadable bytes: it is kept as evidence when it is done."""
        if not segment.damaged:
            self._corrupt += 1
            segment.damaged = True

    def release(self) -> None:
        """Delete the segments that every reader has passed."""
        first_wanted = min(reader.position.segment for reader in self._readers.values())
        for number in [number for number in self.segments if number < first_wanted]:
            self._forget(self.segments[number])

    @contextlib.contextmanager
    def counting_errors(self) -> Iterator[None]:
        """Count an OSError of the block as a failure of the disk, and let it pass."""
        try:
            yield
        except OSError:
            with self.mutex:
                self._errors += 1
            raise

    # -- writing

    def _segment_with_room(self, need: int) -> SegmentFile:
        if self._active >= 0 and self._newest().size + need > self.segment_bytes and self._newest().records:
            self._seal()
        while len(self.segments) > 1 and sum(segment.size for segment in self.segments.values()) + need > self.quota_bytes:
            self._drop_oldest()
        return self._newest() if self._active >= 0 else self._begin_segment()

    def _newest(self) -> SegmentFile:
        return next(reversed(self.segments.values()))

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
        self.segments[header.number] = segment
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
        segment = next(iter(self.segments.values()))
        for reader in self._readers.values():
            reader.lose(segment)
        self._forget(segment)

    def _forget(self, segment: SegmentFile) -> None:
        del self.segments[segment.header.number]
        if segment.damaged:
            set_aside(segment.path)
        else:
            segment.path.unlink(missing_ok=True)

    # -- recovery

    def _recover(self) -> None:
        """Take up what an earlier process left, and forget the readers that are no more."""
        self._readers.update({name: SpoolReader(self, name) for name in self.names})
        wanted = {position_file(self.directory, name) for name in self.names}
        for path in set(self.directory.glob("position-*.json")) - wanted:
            path.unlink()
        positions = [reader.position.segment for reader in self._readers.values()]
        stock = take_stock(self.directory, min(positions))
        self.segments, self._corrupt, self._next_record = stock.segments, stock.corrupt, stock.next_record
        self._next_number = max(stock.next_number, max(positions) + 1)
        for reader in self._readers.values():
            reader.check()
