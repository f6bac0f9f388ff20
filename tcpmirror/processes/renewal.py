"""Renewal: settings and rules read again, beside a worker that goes on with the old ones.

Compiling rules takes seconds. Packets come meanwhile, and a worker whose loop stands still is taken for dead, so a thread
does it: Hyperscan lets go of the interpreter while it compiles. A process of its own would have nowhere to leave the result
when the state directory cannot be written.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tcpmirror.detect.detector import Detector
from tcpmirror.processes.rules_in_force import build_detector_in_force, settings_in_force
from tcpmirror.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class Renewed:
    """``problem``: why newer rules than these were refused; empty: they were not."""

    settings: Settings
    detector: Detector
    problem: str


class Renewal:
    """Reads the settings in force (those of *settings* where none were kept) and their rules whenever `begin` asks for it.

    Never the settings file: it holds credentials, and the supervisor has looked it through.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reading: Future[Renewed] | None = None

    @property
    def is_under_way(self) -> bool:
        return self._reading is not None

    def begin(self) -> None:
        """Start to read and to compile; one at a time."""
        assert self._reading is None, "a renewal is under way"
        reader = ThreadPoolExecutor(1, "renewal")
        self._reading = reader.submit(self._read_anew)
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

    def _read_anew(self) -> Renewed:
        return self.read(settings_in_force(self._settings))
