"""Notes in shared memory: a few KiB of text of one process, its latest, for whoever has the memory.

A note is a u32 length, the CRC-32 of its bytes (both in the machine's own order) and the bytes. Nothing is locked: where a
writer is at work, or has died over it, the checksum says that this is no whole note.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

NOTE_BYTES: Final = 16384
_HEAD: Final = struct.Struct("=II")


class Note:
    """The note that *memory* has room for."""

    __slots__ = ("_memory",)

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory.cast("B")

    @classmethod
    def private(cls, size: int = NOTE_BYTES) -> Note:
        """Return a note in this process's own memory, for tests."""
        return cls(memoryview(bytearray(size)))

    @property
    def room(self) -> int:
        """The most bytes that it holds."""
        return len(self._memory) - _HEAD.size

    def write(self, content: bytes) -> None:
        """Replace what is there; ValueError if that is more than there is room for."""
        if len(content) > self.room:
            raise ValueError(f"a note of {len(content)} bytes, where there is room for {self.room}")
        self._memory[_HEAD.size : _HEAD.size + len(content)] = content
        _HEAD.pack_into(self._memory, 0, len(content), zlib.crc32(content))

    def read(self) -> bytes:
        """Return what is there, empty where that is nothing, or being written."""
        size, checksum = _HEAD.unpack_from(self._memory)
        content = bytes(self._memory[_HEAD.size : _HEAD.size + min(size, self.room)])
        return content if len(content) == size and zlib.crc32(content) == checksum else b""
