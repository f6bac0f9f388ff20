"""The pid file: only one supervisor per run directory, and who it is.

The lock (flock) and not the number decides: it goes with its processes, however they end. The children inherit it, so a
supervisor that was killed counts as running until the last of its processes is gone, and no second sensor starts on top.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final

from tcpmirror.errors import EnvironmentFault

PID_FILE: Final = "supervisor.pid"
POLL_S: Final = 0.05
GLANCE_S: Final = 0.5  # `is_locked` holds a shared lock for a moment; that is no reason to refuse a start


class AlreadyRunningError(EnvironmentFault):
    """Another supervisor, or what a killed one left, holds the run directory; ``pids`` says who."""

    def __init__(self, path: Path, pids: tuple[int, ...]) -> None:
        self.pids = pids
        who = ", ".join(map(str, pids)) or "unknown"
        super().__init__(f"{path} is locked by pid {who}; stop that sensor first, or choose another supervisor.run_dir")


class PidFile:
    """Held while it is open. Making one raises AlreadyRunningError, or EnvironmentFault when the file cannot be written."""

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / PID_FILE
        deadline = time.monotonic() + GLANCE_S
        try:
            self._descriptor = _open_locked(self.path)
            while self._descriptor < 0:
                if time.monotonic() > deadline:
                    raise AlreadyRunningError(self.path, holders(run_dir))
                time.sleep(POLL_S)
                self._descriptor = _open_locked(self.path)
        except OSError as fault:
            raise EnvironmentFault(f"supervisor.run_dir: {self.path} cannot be written: {fault.strerror}") from fault

    def write(self) -> None:
        """Write this process's pid (after the last fork of becoming a daemon); EnvironmentFault when the disk is full."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as fault:
            raise EnvironmentFault(f"supervisor.run_dir: {self.path} cannot be written: {fault.strerror}") from fault

    def remove(self) -> None:
        """Remove the file and let the lock go: the sensor has ended in order."""
        self.path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Close this process's share of the lock; others who inherited it keep it."""
        os.close(self._descriptor)


def is_locked(run_dir: Path) -> bool:
    """Return whether a sensor runs in *run_dir*; EnvironmentFault if that cannot be looked at."""
    try:
        descriptor = os.open(run_dir / PID_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as fault:
        raise EnvironmentFault(f"supervisor.run_dir: {run_dir / PID_FILE} cannot be read: {fault.strerror}") from fault
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holders(run_dir: Path) -> tuple[int, ...]:
    """Return the pids that have the pid file open, lowest first, as far as this user may see.

    Unlike the number in the file this cannot name a stranger who was given the pid of a dead supervisor.
    """
    try:
        wanted = (run_dir / PID_FILE).stat()
    except OSError:
        return ()
    return tuple(sorted(pid for pid in _pids() if pid != os.getpid() and _has_open(pid, (wanted.st_dev, wanted.st_ino))))


def leader(run_dir: Path) -> int:
    """Return the pid of the living supervisor, 0 if there is none (or if only its orphans are left)."""
    pid = written_pid(run_dir)
    return pid if pid in holders(run_dir) else 0


def written_pid(run_dir: Path) -> int:
    """Return the pid in the pid file, whoever has it now; 0 while none is written."""
    try:
        return int((run_dir / PID_FILE).read_text())
    except (OSError, ValueError):
        return 0


def wait_unlocked(run_dir: Path, seconds: float) -> bool:
    """Return whether the last process of the sensor was gone within *seconds*."""
    deadline = time.monotonic() + seconds
    while is_locked(run_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _open_locked(path: Path) -> int:
    """Return a descriptor that holds the lock, -1 if somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its holder may have removed the file between our two calls: then this lock is on nothing.
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return -1


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _has_open(pid: int, file: tuple[int, int]) -> bool:
    with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found = entry.stat()
                if (found.st_dev, found.st_ino) == file:
                    return True
    return False
