"""Lines in order, however many: sorted runs on disk, merged at the end."""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Iterator
from typing import IO, Final

RUN_BYTES: Final = 64 << 20  # held in memory before a run is written
_SIZES: Final = struct.Struct("<II")


class LineSorter:
    """Takes (key, line) pairs in any order and gives the lines back by key, then by line."""

    def __init__(self, run_bytes: int = RUN_BYTES) -> None:
        self._run_bytes = run_bytes
        self._held: list[tuple[bytes, bytes]] = []
        self._held_bytes = 0
        self._runs: list[IO[bytes]] = []

    def add(self, key: bytes, line: bytes) -> None:
        self._held.append((key, line))
        self._held_bytes += len(key) + len(line) + 128
        if self._held_bytes > self._run_bytes:
            self._write_run()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines in order; the sorter is empty afterwards."""
        self._held.sort()
        runs = [_read_run(run) for run in self._runs]
        for _, line in heapq.merge(*runs, self._held):
            yield line
        for run in self._runs:
            run.close()
        self._runs, self._held, self._held_bytes = [], [], 0

    def _write_run(self) -> None:
        self._held.sort()
        run = tempfile.TemporaryFile()  # noqa: SIM115 - lives until the merge
        for key, line in self._held:
            run.write(_SIZES.pack(len(key), len(line)) + key + line)
        self._runs.append(run)
        self._held, self._held_bytes = [], 0


def _read_run(run: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    run.seek(0)
    while sizes := run.read(_SIZES.size):
        key_size, line_size = _SIZES.unpack(sizes)
        yield run.read(key_size), run.read(line_size)
