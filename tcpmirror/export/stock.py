"""What an earlier process left in the spool's directory: torn tails are cut, damaged files set aside, records counted."""

from __future__ import annotations

import itertools
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tcpmirror.export.segment import HEADER_BYTES, Header, SegmentDamageError, decode_header, scan

CORRUPT_FILES_KEPT: Final = 16  # evidence for whoever looks; more of the same disk fault says nothing new
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
class Stock:
    """``segments`` by number, oldest first; ``corrupt``: files set aside because nothing of them could be read."""

    segments: dict[int, SegmentFile]
    next_number: int
    next_record: int
    corrupt: int


def take_stock(directory: Path, first_wanted: int) -> Stock:
    """Return what *directory* holds from segment *first_wanted* on; older ones are acknowledged and deleted. OSError."""
    paths = sorted(directory.glob("*.seg"))
    numbers = [int(path.stem) for path in directory.glob("*.*") if path.stem.isdecimal()]
    segments: dict[int, SegmentFile] = {}
    corrupt = 0
    for path in paths:
        try:
            segment = _opened(path, newest=path == paths[-1])
        except SegmentDamageError as damage:
            log.error("spool segment %s: %s", path.name, damage)
            corrupt += 1
            set_aside(path)
            continue
        if segment is not None and segment.header.number < first_wanted:
            path.unlink()
        elif segment is not None:
            segments[segment.header.number] = segment
    _count_records(list(segments.values()))
    newest = next(reversed(segments.values()), None)
    next_record = newest.header.first_record + newest.records if newest else 0
    return Stock(segments, max((first_wanted, 0, *numbers)) + 1, next_record, corrupt)


def set_aside(path: Path) -> None:
    """Rename a damaged segment to ``*.corrupt``; of these the newest are kept."""
    path.replace(path.with_suffix(".corrupt"))
    for old in sorted(path.parent.glob("*.corrupt"))[:-CORRUPT_FILES_KEPT]:
        old.unlink(missing_ok=True)


def _opened(path: Path, newest: bool) -> SegmentFile | None:
    """Return the segment at *path*, None for one that was just being begun; SegmentDamageError if it has no header."""
    size = path.stat().st_size
    if newest and size < HEADER_BYTES:  # its writer stopped half-way: nothing was in it
        path.unlink()
        return None
    with path.open("rb") as file:
        return SegmentFile(path, decode_header(file.read(HEADER_BYTES)), size, -1)


def _count_records(segments: list[SegmentFile]) -> None:
    """Fill in ``records``: from the next header where there is one (32 bytes of each file), else by reading all."""
    for segment, after in itertools.zip_longest(segments, segments[1:]):
        if after is not None and after.header.number == segment.header.number + 1:
            segment.records = after.header.first_record - segment.header.first_record
        else:
            _scan_file(segment, newest=after is None)


def _scan_file(segment: SegmentFile, newest: bool) -> None:
    found = scan(segment.path.read_bytes(), segment.header.salt)
    segment.records = found.records + found.beyond
    if found.is_torn and newest:  # this record was being written, and is still where it came from
        os.truncate(segment.path, found.end)
        segment.size = found.end
    elif found.end < segment.size:
        segment.records += 1  # one at least that cannot be read, as the reader will find out
