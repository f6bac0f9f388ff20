"""The bytes of one spool segment file: a header, then records, each with its own checksum.

All integers are little endian.

Header, 32 bytes: magic ``TMSP``, u16 version, u16 zero, u64 segment number, u64 number of the first record (counted since
the spool was made), u32 salt, u32 CRC-32 of the 28 bytes before it.
Record: u32 mark, u32 length (never 0), u32 CRC-32 of length and payload begun at the salt, payload.

The mark, made from the salt, lets a reader find the next record behind a damaged one. The salt is random and never leaves
the disk, so neither stale disk blocks nor a payload in which an attacker has put the bytes of a record can pass for one.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import IO, Final

VERSION: Final = 1
RECORD_LIMIT_BYTES: Final = 64 << 20  # four times the default report ring: nothing longer was ever written
_MAGIC: Final = b"TMSP"
_HEADER: Final = struct.Struct("<4sHHQQI")
_CHECKSUM: Final = struct.Struct("<I")
_RECORD: Final = struct.Struct("<4sII")
HEADER_BYTES: Final = _HEADER.size + _CHECKSUM.size
RECORD_HEADER_BYTES: Final = _RECORD.size


class SegmentDamageError(Exception):
    """The bytes are not what was written; ``offset`` says where in the file."""

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(f"{problem} at byte {offset}")
        self.offset = offset
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Header:
    number: int
    first_record: int
    salt: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What whole segment bytes hold.

    ``records`` can be read from the start on, up to the offset ``end``; ``beyond`` more are whole behind unreadable bytes.
    ``is_torn``: what stands behind ``end`` is the beginning of one record, as a writer leaves it that stops half-way.
    """

    records: int
    end: int
    beyond: int
    is_torn: bool


def encode_header(header: Header) -> bytes:
    packed = _HEADER.pack(_MAGIC, VERSION, 0, header.number, header.first_record, header.salt)
    return packed + _CHECKSUM.pack(zlib.crc32(packed))


def decode_header(data: bytes) -> Header:
    """Return the header at the start of *data*; SegmentDamageError if there is none of this version."""
    if len(data) < HEADER_BYTES:
        raise SegmentDamageError(0, "header cut")
    magic, version, _, number, first_record, salt = _HEADER.unpack_from(data)
    (checksum,) = _CHECKSUM.unpack_from(data, _HEADER.size)
    if magic != _MAGIC or checksum != zlib.crc32(data[: _HEADER.size]):
        raise SegmentDamageError(0, "header damaged")
    if version != VERSION:
        raise SegmentDamageError(0, f"unknown version {version}")
    return Header(number, first_record, salt)


def encode_record(payload: bytes, salt: int) -> bytes:
    return _RECORD.pack(_mark(salt), len(payload), _checksum(payload, salt)) + payload


def read_record(file: IO[bytes], offset: int, salt: int) -> bytes:
    """Return the payload of the record at *offset*, where *file* stands; SegmentDamageError if there is none."""
    head = file.read(_RECORD.size)
    if len(head) < _RECORD.size:
        raise SegmentDamageError(offset, "record header cut")
    mark, length, checksum = _RECORD.unpack(head)
    if mark != _mark(salt) or not 0 < length <= RECORD_LIMIT_BYTES:
        raise SegmentDamageError(offset, "no record")
    payload = file.read(length)
    if len(payload) < length:
        raise SegmentDamageError(offset, "record cut")
    if checksum != _checksum(payload, salt):
        raise SegmentDamageError(offset, "record damaged")
    return payload


def scan(data: bytes, salt: int) -> Scan:
    """Return what the records of a whole segment file are worth; never raises."""
    end, records = HEADER_BYTES, 0
    while (after := _record_end(data, end, salt)) is not None:
        end, records = after, records + 1
    beyond = 0
    at = find_record(data, end, salt)
    while at is not None:
        beyond += 1
        at = find_record(data, at + _RECORD.size, salt)
    return Scan(records, end, beyond, not beyond and _is_torn(data, end, salt))


def find_record(data: bytes, start: int, salt: int) -> int | None:
    """Return the offset of the first whole record at or behind *start*, whatever stands before it."""
    mark = _mark(salt)
    at = data.find(mark, start)
    while at >= 0:
        if _record_end(data, at, salt) is not None:
            return at
        at = data.find(mark, at + 1)
    return None


def _is_torn(data: bytes, at: int, salt: int) -> bool:
    rest = data[at : at + _RECORD.size]
    if len(rest) < _RECORD.size:
        return bool(rest)
    mark, length, _ = _RECORD.unpack(rest)
    return bool(mark == _mark(salt)) and at + _RECORD.size + length > len(data)


def _record_end(data: bytes, at: int, salt: int) -> int | None:
    """Return the offset behind the whole record at *at*, or None."""
    if at + _RECORD.size > len(data):
        return None
    mark, length, checksum = _RECORD.unpack_from(data, at)
    end: int = at + _RECORD.size + length
    if mark != _mark(salt) or not length or end > len(data) or checksum != _checksum(data[at + _RECORD.size : end], salt):
        return None
    return end


def _mark(salt: int) -> bytes:
    return _CHECKSUM.pack(zlib.crc32(b"record", salt))


def _checksum(payload: bytes, salt: int) -> int:
    return zlib.crc32(payload, zlib.crc32(_CHECKSUM.pack(len(payload)), salt))
