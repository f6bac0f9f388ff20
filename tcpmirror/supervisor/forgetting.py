"""Credentials that a fork brought along and has no use for: overwritten wherever they lie in its memory.

The supervisor reads the settings, so a fork of it has them in strings, in buffers that were freed, and in its variables.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tcpmirror.settings.in_force import SECRET_VARIABLES

LEAST_CHARS: Final = 16  # shorter ones may be words that stand elsewhere for something else
PIECE: Final = 4 << 20

_libc = ctypes.CDLL(None)
_libc.memmem.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t)
_libc.memmem.restype = ctypes.c_void_p


def forget(secrets: Iterable[str]) -> None:
    """Overwrite *secrets*, and the variables that hold some, in the private memory of this process."""
    texts = {*secrets, *(os.environ.pop(name, "") for name in SECRET_VARIABLES)}
    needles = [_Needle(text.encode()) for text in texts if len(text) >= LEAST_CHARS]
    if not needles:
        return
    memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, PIECE) as piece:
            for start, end in _private_memory():
                _overwrite(memory, piece, start, end, needles)
    finally:
        os.close(memory)
        for needle in needles:
            needle.close()


class _Needle:
    """A secret in memory that is shared, and so no part of what is searched: it must not overwrite itself."""

    def __init__(self, secret: bytes) -> None:
        self.size = len(secret)
        self._room = mmap.mmap(-1, self.size)
        self._room[:] = secret
        self._view = ctypes.c_char.from_buffer(self._room)

    def positions(self, address: int, size: int) -> Iterator[int]:
        """Give where it stands in *size* bytes at *address*, from there."""
        at = 0
        while found := _libc.memmem(address + at, size - at, ctypes.addressof(self._view), self.size):
            at = found - address
            yield at
            at += self.size

    def close(self) -> None:
        self._room[:] = bytes(self.size)
        del self._view
        self._room.close()


def _overwrite(memory: int, piece: mmap.mmap, start: int, end: int, needles: list[_Needle]) -> None:
    """Read from *start* to *end* in pieces that overlap by the longest secret; what cannot be read holds none."""
    overlap = max(needle.size for needle in needles)
    view = ctypes.c_char.from_buffer(piece)
    with contextlib.suppress(OSError):
        while start < end:
            size = os.preadv(memory, [memoryview(piece)[: min(PIECE, end - start)]], start)
            for needle in needles:
                for at in needle.positions(ctypes.addressof(view), size):
                    os.pwrite(memory, bytes(needle.size), start + at)
            if start + size >= end:
                break
            start += max(1, size - overlap)
    del view


def _private_memory() -> list[tuple[int, int]]:
    """Return beginning and end of each mapping that is this process's own to write (proc_pid_maps(5))."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights = line.split()[:2]
        if rights.startswith("rw") and rights.endswith("p"):
            start, _, end = span.partition("-")
            found.append((int(start, 16), int(end, 16)))
    return found
