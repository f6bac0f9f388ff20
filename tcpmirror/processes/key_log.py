"""Where TLS secrets come from: a key log that grows while the sensor runs, a whole one, and captures that hold their own."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tcpmirror.capture.capture_files import capture_files
from tcpmirror.capture.pcapng_secrets import key_log_blocks
from tcpmirror.errors import EnvironmentFault
from tcpmirror.model.tls_secrets import TlsSecrets
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.settings.memory import memory_shares
from tcpmirror.settings.tree import Settings, Source
from tcpmirror.telemetry.counters import CounterPage

SESSIONS_OF_FILES: Final = 1_000_000  # of captures that are read as a whole: secrets of all of them are wanted at once
FIRST_READ_BYTES: Final = 16 << 20  # of a key log that was there before: older sessions are over
READ_BYTES: Final = 1 << 20  # at once, so that a burst does not stop the worker
LINE_BYTES: Final = 4096
READ_NS: Final = 5_000_000  # how often new lines are looked for
CHECK_NS: Final = 200_000_000  # how often it is looked whether the file is another one
MEMORY_SHARE: Final = 4  # of a worker's memory limit, a fourth may wait for secrets
log = logging.getLogger(__name__)


class KeyLog:
    """Follows the file at *path*, which may not be there yet, grow, be cut, or be replaced by another; fills *secrets*.

    Counts on *page*: ``key_log_errors``, ``key_log_bad_lines`` and the gauge ``tls_secrets``. Sessions are forgotten
    *keep_ns* after their first line: what their connections need has been derived by then.
    """

    def __init__(self, path: str, secrets: TlsSecrets, keep_ns: int, page: CounterPage, warns: bool = True) -> None:
        self._path = path
        self._secrets = secrets
        self._keep_ns = keep_ns
        self._page = page
        self._warns = warns  # one of several workers does
        self._file = -1
        self._inode = (0, 0)
        self._position = 0
        self._rest = b""
        self._skips_line = False
        self._trouble = ""
        self._read_at = self._checked_at = 0
        self._bad_before = page.get("key_log_bad_lines")

    def follow(self, now_ns: int) -> None:
        """Take the lines that are new. *now_ns*: of a clock that only goes on."""
        if now_ns - self._checked_at >= CHECK_NS or not self._checked_at:
            self._checked_at = now_ns
            self._check(now_ns)
        elif self._file >= 0 and now_ns - self._read_at >= READ_NS:
            self._read_at = now_ns
            self._read(now_ns)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _check(self, now_ns: int) -> None:
        """Read on; go over to another file where the path now means another."""
        try:
            if self._file >= 0:
                self._read(now_ns)
            found = Path(self._path).stat()
            if self._file < 0 or (found.st_dev, found.st_ino) != self._inode:
                self._open()
            elif found.st_size < self._position:
                self._begin(0)
            else:
                self._forget(now_ns)
                return
            self._read(now_ns)
            self._trouble = ""
        except OSError as problem:
            self._tell(problem.strerror or str(problem))
        self._forget(now_ns)

    def _open(self) -> None:
        file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            os.close(file)
            raise OSError(0, "not a regular file")
        self.close()
        self._file, self._inode = file, (found.st_dev, found.st_ino)
        if found.st_mode & stat.S_IROTH and self._warns:
            log.warning("tls.key_log: %s can be read by everybody: chmod o= it, it opens all that TLS protects", self._path)
        self._begin(max(0, found.st_size - FIRST_READ_BYTES))

    def _begin(self, position: int) -> None:
        self._position = position
        self._rest = b""
        self._skips_line = position > 0

    def _read(self, now_ns: int) -> None:
        while data := os.pread(self._file, READ_BYTES, self._position):
            self._position += len(data)
            lines, separator, self._rest = (self._rest + data).rpartition(b"\n")
            if separator and self._skips_line:
                lines = lines.partition(b"\n")[2]
                self._skips_line = False
            self._secrets.take(lines, now_ns)
            if len(self._rest) > LINE_BYTES:  # no key log has such a line
                self._rest, self._skips_line = b"", True
            if len(data) < READ_BYTES:
                break
        self._page.set("key_log_bad_lines", self._bad_before + self._secrets.bad_lines)
        self._page.set("tls_secrets", len(self._secrets))

    def _forget(self, now_ns: int) -> None:
        self._secrets.forget(now_ns - self._keep_ns)

    def _tell(self, trouble: str) -> None:
        """Count a file that cannot be read; say so when that is news."""
        if trouble != self._trouble:
            self._page.add("key_log_errors")
            if self._warns:
                log.warning("tls.key_log: %s: %s; waiting for it", self._path, trouble)
        self._trouble = trouble


def secrets_of_files(paths: Iterable[str], key_log: str = "") -> TlsSecrets:
    """Return the secrets in captures and in a whole *key_log*, if one is named; EnvironmentFault if that cannot be read."""
    secrets = TlsSecrets(SESSIONS_OF_FILES)
    for path in paths:
        for lines in key_log_blocks(path):
            secrets.take(lines)
    if key_log:
        try:
            with Path(key_log).open("rb") as file:
                while batch := file.readlines(READ_BYTES):
                    secrets.take(b"".join(batch))
        except OSError as problem:
            raise EnvironmentFault(f"{key_log}: {problem.strerror}") from problem
    return secrets


def decryption_of_files(secrets: TlsSecrets) -> Decryption | None:
    """Return how connections are decrypted with secrets that are all there; None if there are none."""
    return Decryption(secrets) if len(secrets) else None


def live_decryption(settings: Settings, workers: int, sources: tuple[Source, ...]) -> Decryption | None:
    """Return how a worker of *workers* decrypts: with a key log, and with the secrets in the captures it is given."""
    secrets = TlsSecrets(settings.tls.sessions)
    for source in sources:
        if source.kind == "file":
            with contextlib.suppress(EnvironmentFault):  # the capture process says it
                secrets = secrets_of_files(capture_files([source.interface]))
    if not settings.tls.key_log:
        return decryption_of_files(secrets)
    return Decryption(
        secrets,
        wait_ns=settings.tls.wait_ns,
        flow_bytes=settings.tls.waiting_bytes,
        worker_bytes=memory_shares(settings, workers).streams // MEMORY_SHARE,
    )
