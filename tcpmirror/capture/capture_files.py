"""Which files a path means, and how the bytes of one come that is not plain.

A compressed capture, or one on standard input, goes through a pipe: a process of its own unpacks it, so that neither memory
nor disk holds it whole.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final

from tcpmirror.errors import DamagedCaptureFault, EnvironmentFault

STANDARD_INPUT: Final = "-"
MAGICS: Final = frozenset(
    bytes.fromhex(text) for text in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1", "0a0d0d0a")
)
PCAPNG: Final = bytes.fromhex("0a0d0d0a")
GZIP: Final = b"\x1f\x8b"
BLOCK_BYTES: Final = 1 << 20  # read at once
_DAMAGED: Final = 1
_NO_CAPTURE: Final = 2


def capture_files(paths: Iterable[str]) -> list[str]:
    """Return *paths* with each directory replaced by the captures below it, in order of their names.

    EnvironmentFault for a path that does not exist, and for a directory without a capture.
    """
    found: list[str] = []
    for path in paths:
        if path != STANDARD_INPUT and not Path(path).exists():
            raise EnvironmentFault(f"{path}: no such file")
        if path == STANDARD_INPUT or not Path(path).is_dir():
            found.append(path)
            continue
        within = [str(each) for each in sorted(Path(path).rglob("*")) if each.is_file() and _is_capture(each)]
        if not within:
            raise EnvironmentFault(f"{path}: no capture in this directory")
        found += within
    return found


def check_capture(path: str) -> bool:
    """Return whether the file needs a `Feeder`; EnvironmentFault when it is missing, unreadable or no capture."""
    if path == STANDARD_INPUT:
        return True
    try:
        with Path(path).open("rb") as file:
            magic = file.read(4)
    except OSError as problem:
        raise EnvironmentFault(f"{path}: {problem.strerror}") from problem
    if magic[:2] == GZIP:
        return True
    if magic not in MAGICS:
        raise EnvironmentFault(f"{path}: not a pcap or pcapng file (it begins with {magic.hex() or 'nothing'})")
    return False


class Feeder:
    """A process that writes the capture at *path*, unpacked, into a pipe, whose other end is ``unpacked``."""

    def __init__(self, path: str) -> None:
        self._path = path
        end, target = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(end)
            _feed(path, target)
        os.close(target)
        self.unpacked = FileIO(end)

    def check(self) -> None:
        """Wait for the process, after its last byte was read; EnvironmentFault when that was not the end of the capture."""
        code = self._reap()
        if code == _NO_CAPTURE:
            raise EnvironmentFault(f"{self._path}: not a pcap or pcapng file")
        if code:
            raise DamagedCaptureFault(f"{self._path}: the compressed data is cut or damaged")

    def close(self) -> None:
        """End the process, wherever it is."""
        self.unpacked.close()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._reap()

    def _reap(self) -> int:
        if not self._pid:
            return 0
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)


def _feed(path: str, target: int) -> None:
    """Write the capture into *target* and end this process."""
    code = _DAMAGED
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with os.fdopen(target, "wb") as out, _opened(path) as file:
            magic = file.read(4)
            if magic in MAGICS:
                out.write(magic)
                while block := file.read1(BLOCK_BYTES):  # what is readable before the damage, however little
                    out.write(block)
            is_capture = magic in MAGICS
        code = 0 if is_capture else _NO_CAPTURE
    except (OSError, EOFError, zlib.error):
        pass  # the code says it
    finally:
        os._exit(code)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[BufferedReader | gzip.GzipFile]:
    with os.fdopen(0, "rb", closefd=False) if path == STANDARD_INPUT else Path(path).open("rb") as raw:
        if raw.peek(2)[:2] != GZIP:
            yield raw
        else:
            with gzip.open(raw) as unpacked:
                yield unpacked


def _is_capture(path: Path) -> bool:
    try:
        with _opened(str(path)) as file:
            return file.read(4) in MAGICS
    except (OSError, EOFError, zlib.error):
        return False
