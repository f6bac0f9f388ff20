"""Landlock (landlock(7)): a process gives up the file system but for a few places, for good, and its children with it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# linux/landlock.h: system calls, and rights on files by the version of the interface that knows them.
CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
CREATE_RULESET_VERSION: Final = 1
RULE_PATH_BENEATH: Final = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
READING: Final = READ_FILE | READ_DIR
WRITING: Final = sum(1 << bit for bit in range(1, 13))  # all of version 1 but to execute
TRUNCATE: Final = 1 << 14  # since version 3; 13 (to link across directories) since 2
RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def landlock_version() -> int:
    """Return which version of the interface the kernel has; 0 or less: none."""
    return int(_libc.syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION))


def restrict_files(readable: Iterable[str], writable: Iterable[str], executable: Iterable[str] = ()) -> bool:
    """Leave these places alone, for good; return whether there is Landlock. Those that are not there are passed over."""
    version = landlock_version()
    if version <= 0:
        return False
    handled = RIGHTS[min(version, max(RIGHTS))]
    ruleset = _checked(_libc.syscall(CREATE_RULESET, ctypes.byref(_Ruleset(handled)), ctypes.sizeof(_Ruleset), 0))
    try:
        for places, rights in (
            (readable, READING),
            (writable, READING | WRITING | TRUNCATE),
            (executable, READING | EXECUTE),
        ):
            for place in places:
                _allow(ruleset, place, rights & handled)
        _checked(_libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, place: str, rights: int) -> None:
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not Path(place).is_dir():
            rights &= OF_FILES
        beneath = _Beneath(rights, descriptor)
        _checked(_libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(beneath), 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"landlock: {os.strerror(number)}")
    return result
