"""Hits as JSON lines: into a file, which may be rotated away at any time, or to standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tcpmirror.export.delivery import DeliveryError
from tcpmirror.export.sinks.hit import Hit, flat_hit, json_bytes


@dataclass(slots=True)
class LinesFile:
    """Appends to *path*, made with mode 0640; a batch counts as taken when it is on the disk."""

    path: Path

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        lines = b"".join(json_bytes(flat_hit(hit)) + b"\n" for hit in hits)
        try:
            # Opened each time, so that whoever rotates it needs to tell nobody.
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                _append(file.fileno(), lines)
                os.fsync(file.fileno())
        except OSError as error:
            raise DeliveryError(f"{self.path}: {error.strerror}", "broken") from error

    def close(self) -> None:
        """Nothing is held open."""


def _append(descriptor: int, lines: bytes) -> None:
    """Write all of *lines* or none: what a full disk cut off is taken back. OSError."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":  # an earlier process died in the middle of a line
        lines = b"\n" + lines
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise


class StandardOutput:
    """Writes to this process's standard output."""

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        try:
            for hit in hits:
                sys.stdout.buffer.write(json_bytes(flat_hit(hit)) + b"\n")
            sys.stdout.buffer.flush()
        except (OSError, ValueError) as error:
            raise DeliveryError(f"standard output: {error}", "broken") from error

    def close(self) -> None:
        """It is not ours to close."""
