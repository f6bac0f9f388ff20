"""Renewal: settings and rules read again, beside a worker that goes on with the old ones.

Compiling rules takes seconds. Packets come meanwhile, and a worker whose loop stands still is taken for dead, so a thread
does it: Hyperscan lets go of the interpreter while it compiles. A process of its own would have nowhere to leave the result
when the state directory cannot be written.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tcpmirror.detect.detector import Detector
from tcpmirror.processes.rules_in_force import build_detector_in_force
from tcpmirror.settings import LoadedSettings, apply_environment
from tcpmirror.settings.pushed import load_in_force, with_kept
from tcpmirror.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class Renewed:
    """``problem``: why newer rules than these were refused; empty: they were not."""

    settings: Settings
    detector: Detector
    problem: str


class Renewal:
    """Reads *file* (empty: *settings* hold, and their rules only are read again) whenever `begin` asks for it."""

    def __init__(self, settings: Settings, file: str) -> None:
        self._settings = settings
        self._file = file
        self._reading: Future[Renewed] | None = None

    @property
    def is_under_way(self) -> bool:
        return self._reading is not None

    def begin(self) -> None:
        """Start to read and to compile; one at a time."""
        assert self._reading is None, "a renewal is under way"
        reader = ThreadPoolExecutor(1, "renewal")
        self._reading = reader.submit(self._read_file)
        reader.shutdown(wait=False)

    def take(self) -> Renewed | None:
        """Return settings and rules once both are there, else None; TcpmirrorError or OSError: they cannot be used."""
        if self._reading is None or not self._reading.done():
            return None
        read, self._reading = self._reading, None
        return read.result()

    def read(self, settings: Settings) -> Renewed:
        """Return *settings* with the rules that are in force for them, however long it takes."""
        detector, problem = build_detector_in_force(settings)
        return Renewed(settings, detector, problem)

    def _read_file(self) -> Renewed:
        if self._file:
            loaded = load_in_force(Path(self._file), os.environ)
        else:
            loaded = with_kept(LoadedSettings(self._settings))
        settings = apply_environment(loaded.settings, os.environ)
        return self.read(settings)
