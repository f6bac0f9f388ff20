"""The edges that sanitized modules took, and what they compared (`coverage.c`); nothing of it elsewhere."""

from __future__ import annotations

import ctypes
import os
import sys
from types import FrameType
from typing import Any, Final

from tests.fuzz.mutate import Comparison


class _Comparison(ctypes.Structure):
    _fields_ = (("left", ctypes.c_uint64), ("right", ctypes.c_uint64), ("size", ctypes.c_uint32), ("line", ctypes.c_uint32))


PACKAGE: Final = f"{os.sep}tcpmirror{os.sep}"


class Lines:
    """The steps from line to line in the Python modules of the package: slower than what they measure, so for those who ask."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int, int]] = set()
        self._taken: set[tuple[int, int, int]] = set()
        self._before = 0

    def start(self) -> None:
        self._taken = set()
        sys.settrace(self._enter)

    def stop(self) -> int:
        """Return how many steps are new."""
        sys.settrace(None)
        fresh = len(self._taken - self._seen)
        self._seen |= self._taken
        return fresh

    def count(self) -> int:
        return len(self._seen)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        if PACKAGE not in frame.f_code.co_filename:
            return None
        self._before = 0
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._taken.add((id(frame.f_code), self._before, frame.f_lineno))
            self._before = frame.f_lineno
        return self._step


class Coverage:
    """``is_on``: whether this process runs on the sanitized build; ``lines``: of Python modules too."""

    def __init__(self, *, of_python: bool) -> None:
        self.lines = Lines() if of_python else None
        path = os.environ.get("TCPMIRROR_COVERAGE")
        self.is_on = path is not None
        if path is not None:
            self._library = ctypes.CDLL(path)
            self._library.comparisons.restype = ctypes.POINTER(_Comparison)

    def start(self) -> None:
        """Forget the edges of the last input."""
        if self.is_on:
            self._library.coverage_clear()
        if self.lines:
            self.lines.start()

    def stop(self) -> int:
        """Return how many edges the input was the first to take, or to take so often."""
        fresh = self.lines.stop() if self.lines else 0
        return fresh + (self._library.coverage_merge() if self.is_on else 0)

    def edges(self) -> int:
        return (self.lines.count() if self.lines else 0) + (self._library.coverage_edges() if self.is_on else 0)

    def note_comparisons(self, is_on: bool) -> None:
        if self.is_on:
            self._library.comparisons_note(int(is_on))

    def comparisons(self) -> list[Comparison]:
        if not self.is_on:
            return []
        found, count = self._library.comparisons(), self._library.comparisons_count()
        return list({(found[at].left, found[at].right, found[at].size) for at in range(count)})
