"""The compressed streams of body codings, a class for each: bytes in, at most so many bytes out, and where the stream ended.

A fault tells what the bytes before it gave, because that is what a browser shows.
"""

from __future__ import annotations

from typing import Final, Protocol

import brotli
import zstandard
from isal import isal_zlib  # a third faster again, but it cannot tell where a fault is
from zlib_ng import zlib_ng  # the same interface and streams as zlib, at nearly twice its speed

ZSTD_WINDOW: Final = 8 << 20  # RFC 9659 lets no one send a larger one
GZIP_RESERVED: Final = 0xE0  # flag bits that must be zero (RFC 1952, section 2.3.1.2); browsers do not look
GZIP_HEADER_CHECKED: Final = 2
GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGICS: Final = (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")  # of a frame, of one to skip (RFC 8878, section 3.1)
FAULT: Final[type[Exception]] = zlib_ng.error  # type: ignore[assignment]  # an instance, by the package's stubs
ISAL_FAULT: Final[type[Exception]] = isal_zlib.error  # type: ignore[assignment]  # likewise


class StreamError(Exception):
    """The bytes are not what the coding needs; the ``good`` ones before the fault gave ``output``. `codings` takes it."""

    def __init__(self, output: bytes, good: int) -> None:
        super().__init__("bad coding")
        self.output = output
        self.good = good


class Stream(Protocol):
    """One compressed stream."""

    def push(self, chunk: bytes, room: int) -> bytes:
        """Return what *chunk* decodes to, *room* bytes at most; StreamError at a fault."""

    @property
    def is_whole(self) -> bool:
        """Whether the end mark was read."""

    @property
    def rest(self) -> bytes:
        """The bytes after the end mark."""


class Inflate:
    """A zlib stream: *wbits* 31 is gzip, 15 zlib's frame, -15 bare deflate."""

    def __init__(self, wbits: int) -> None:
        self._stream = zlib_ng.decompressobj(wbits)

    def push(self, chunk: bytes, room: int) -> bytes:
        before = self._stream.copy()  # type: ignore[attr-defined]  # the package's stubs leave it out
        try:
            return self._stream.decompress(chunk, room)
        except FAULT:
            raise _fault_in(before, chunk, room) from None

    @property
    def is_whole(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data


def whole_gzip(body: bytes, room: int) -> bytes | None:
    """Return what *body* decodes to if it is one sound gzip stream to its last byte, of *room* bytes at most; else None.

    Unlike zlib this lets a block have a code for distances that lacks some, if it uses none of those.
    """
    if len(body) < 4 or not body.startswith(GZIP_MAGIC) or body[3] & (GZIP_RESERVED | GZIP_HEADER_CHECKED):
        return None
    stream = isal_zlib.decompressobj(31)
    try:
        output = stream.decompress(body, room + 1)
    except ISAL_FAULT:
        return None
    return output if stream.eof and not stream.unused_data and len(output) <= room else None


def _fault_in(stream: zlib_ng._Decompress, chunk: bytes, room: int) -> StreamError:
    """Return at which byte *chunk* goes wrong (a wrong checksum, say), and what it gives up to there."""
    output, good = bytearray(), 0
    try:
        while good < len(chunk) and len(output) < room:
            output += stream.decompress(chunk[good : good + 1], room - len(output))
            good += 1
    except FAULT:
        pass
    return StreamError(bytes(output), good)


class HeaderChecked:
    """A gzip stream whose header has a checksum (RFC 1952, section 2.3.1): taken out, as browsers do not check it."""

    def __init__(self) -> None:
        self._header: bytes | None = b""
        self._stream = Inflate(31)

    def push(self, chunk: bytes, room: int) -> bytes:
        held = 0
        if self._header is not None:
            held = len(self._header)
            self._header += chunk
            size = _gzip_header_size(self._header)
            if size is None:
                return b""
            flags = self._header[3] & ~GZIP_HEADER_CHECKED
            chunk = self._header[:3] + bytes([flags]) + self._header[4:size] + self._header[size + 2 :]
            self._header = None
            held -= 2  # the checksum
        try:
            return self._stream.push(chunk, room)
        except StreamError as fault:
            raise StreamError(fault.output, fault.good - held) from None

    @property
    def is_whole(self) -> bool:
        return self._stream.is_whole

    @property
    def rest(self) -> bytes:
        return self._stream.rest


def _gzip_header_size(header: bytes) -> int | None:
    """Return the size of a gzip header without its checksum, or None while header or checksum are not whole."""
    flags, size = header[3], 10
    if flags & 4:
        size += 2 + int.from_bytes(header[10:12], "little")
    for flag in (8, 16):  # file name, comment: both end in NUL
        if flags & flag:
            size = header.find(b"\0", size) + 1 or len(header)
    return size if len(header) >= size + 2 else None


class Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self.is_whole = False
        self.rest = b""

    def push(self, chunk: bytes, room: int) -> bytes:
        output = bytearray()
        try:
            output += self._stream.process(chunk, output_buffer_limit=room)
            while len(output) < room and not self._stream.can_accept_more_data():
                output += self._stream.process(b"", output_buffer_limit=room - len(output))
        except brotli.error:
            raise StreamError(bytes(output), 0) from None
        self.is_whole = self._stream.is_finished()
        return bytes(output[:room])


class Zstandard:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()

    def push(self, chunk: bytes, room: int) -> bytes:
        # A block of 256 bytes decodes to 11 MiB at most: an RLE block takes 4 bytes and gives 128 KiB.
        try:
            return self._stream.decompress(chunk)[:room]
        except zstandard.ZstdError:
            raise StreamError(b"", 0) from None

    @property
    def is_whole(self) -> bool:
        return bool(self._stream.eof)

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data


def open_stream(coding: str, block: bytes, is_first: bool) -> Stream | None:
    """Return the stream that *block* begins, or None if it begins none of that coding."""
    if coding == "zstd":
        return Zstandard() if is_first or block.startswith(ZSTD_MAGICS) else None
    if coding == "br":
        return Brotli() if is_first else None
    if block.startswith(GZIP_MAGIC):
        return HeaderChecked() if len(block) > 3 and block[3] & GZIP_HEADER_CHECKED else Inflate(31)
    if coding == "gzip" or not is_first:
        return None
    is_framed = len(block) > 1 and block[0] & 15 == 8 and (block[0] << 8 | block[1]) % 31 == 0  # RFC 1950, section 2.2
    return Inflate(15 if is_framed else -15)
