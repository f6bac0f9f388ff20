"""The secrets in a pcapng file: its Decryption Secrets Blocks (draft-ietf-opsawg-pcapng), which libpcap passes over.

The file is walked from block to block, without looking at packets. One on standard input cannot be read twice, and is not.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from gzip import GzipFile
from pathlib import Path
from typing import Final

from tcpmirror.capture.capture_files import GZIP, STANDARD_INPUT

SECTION_HEADER: Final = 0x0A0D0D0A  # the same in either byte order
SECRETS: Final = 0x0000000A
TLS_KEY_LOG: Final = 0x544C534B
BLOCK_LIMIT: Final = 1 << 26  # libpcap refuses blocks larger than 16 MiB
_MAGIC: Final = SECTION_HEADER.to_bytes(4, "big")


def key_log_blocks(path: str) -> Iterator[bytes]:
    """Yield the key log of each secrets block in the capture at *path*; nothing of a file that is no readable pcapng."""
    if path == STANDARD_INPUT:
        return
    try:
        with Path(path).open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic[:2] == GZIP:
                yield from _unpacked_blocks(GzipFile(fileobj=file))
            elif magic == _MAGIC:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    yield from _mapped_blocks(mapped)
    except (OSError, EOFError, zlib.error):
        return  # whoever reads its packets says what is wrong with it


def _mapped_blocks(data: mmap.mmap) -> Iterator[bytes]:
    at, header = 0, struct.Struct("<II")
    while at + 12 <= len(data):
        kind, size = header.unpack_from(data, at)
        if kind == SECTION_HEADER:
            header = _header_of(data[at + 8 : at + 12])
            size = header.unpack_from(data, at)[1]
        if size < 12:
            return
        if kind == SECRETS and size <= BLOCK_LIMIT:
            yield from _key_log(header, data[at + 8 : at + size - 4])
        at += size + -size % 4


def _unpacked_blocks(file: GzipFile) -> Iterator[bytes]:
    header = struct.Struct("<II")
    if file.peek(4)[:4] != _MAGIC:
        return
    while len(start := file.read(12)) == 12:
        kind, size = header.unpack_from(start)
        if kind == SECTION_HEADER:
            header = _header_of(start[8:12])
            size = header.unpack_from(start)[1]
        if not 12 <= size <= BLOCK_LIMIT:
            return
        rest = file.read(size + -size % 4 - 12)
        if kind == SECRETS:
            yield from _key_log(header, start[8:] + rest[:-4])


def _header_of(byte_order: bytes) -> struct.Struct:
    return struct.Struct(">II" if byte_order == b"\x1a\x2b\x3c\x4d" else "<II")


def _key_log(header: struct.Struct, body: bytes) -> Iterator[bytes]:
    if len(body) >= 8:
        kind, size = header.unpack_from(body)
        if kind == TLS_KEY_LOG:
            yield body[8 : 8 + size]
