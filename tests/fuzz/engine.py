"""The fuzzer of one target: keeps what took new edges, or more time than all before, and makes the next inputs of it."""

from __future__ import annotations

import hashlib
import json
import mmap
import random
import resource
import time
import traceback
from pathlib import Path
from typing import Final

from tests.fuzz.coverage import Coverage
from tests.fuzz.mutate import Comparison, Mutator
from tests.fuzz.targets import Target

SLOW_S: Final = (
    0.3  # CPU of one input, and so much more for each byte; a sanitized build takes three to ten times what a usual one does
)
SLOW_BYTE_S: Final = 100e-6
GROWTH_BYTES: Final = 256 << 20  # that one input may add to the peak of memory
MARGIN: Final = 8  # bytes before the current input in its file: its length


class CurrentInput:
    """The input that is being run, in a file that outlives a crash."""

    def __init__(self, path: Path, longest: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w+b") as file:
            file.truncate(MARGIN + longest + 1)
            self._map = mmap.mmap(file.fileno(), 0)

    def set(self, data: bytes) -> None:
        self._map[MARGIN : MARGIN + len(data)] = data
        self._map[:MARGIN] = len(data).to_bytes(MARGIN, "little")

    @staticmethod
    def read(path: Path) -> bytes:
        raw = path.read_bytes()
        return raw[MARGIN : MARGIN + int.from_bytes(raw[:MARGIN], "little")]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


class Fuzzer:
    """Runs a target until its time is over. ``kept``: directory of inputs to begin with and to add to; ``found``: where faults go."""

    def __init__(self, target: Target, kept: Path, found: Path, current: Path, seed: int) -> None:
        self._target = target
        self._kept, self._found = kept, found
        self._current = CurrentInput(current, 1 << 20)
        self._dice = random.Random(seed)
        self._mutator = Mutator(self._dice, target.words, target.longest)
        self._coverage = Coverage(of_python=target.is_python)
        self._inputs: list[bytes] = []
        self._compared: dict[bytes, list[Comparison]] = {}
        self._faults: set[str] = set()
        self._slowest = 0.0
        self._peak = 0
        self.executions = 0

    def run(self, seconds: float) -> dict[str, int | float]:
        """Return figures of the run: executions, CPU seconds, edges, inputs kept, faults found."""
        self._kept.mkdir(parents=True, exist_ok=True)
        started = time.process_time()
        for data in [*self._target.seeds(), *(path.read_bytes() for path in sorted(self._kept.iterdir()))]:
            self._try(data, is_new=False)
        self._slowest = 0.0
        while time.process_time() - started < seconds:
            self._try(self._make(), is_new=True)
        return {
            "executions": self.executions,
            "cpu_s": round(time.process_time() - started, 1),
            "edges": self._coverage.edges(),
            "kept": len(self._inputs),
            "faults": len(self._faults),
        }

    def _make(self) -> bytes:
        """Return a new input: one of those kept, the latest more often, changed."""
        dice, inputs = self._dice, self._inputs
        recent = inputs[-32:] if dice.random() < 0.5 else inputs
        chosen = dice.choice(recent)
        return self._mutator.make(chosen, dice.choice(inputs), self._compared.get(chosen, ()))

    def _try(self, data: bytes, *, is_new: bool) -> None:
        self._current.set(data)
        self._coverage.start()
        fault, seconds = self._timed(data)
        fresh = self._coverage.stop()
        self.executions += 1
        if fault:
            self._note(data, fault)
        elif fresh or not is_new or self._is_slowest(data, seconds):
            self._keep(data, is_new)

    def _is_slowest(self, data: bytes, seconds: float) -> bool:
        """Whether no input took more time for each byte; noise is told apart by a second run."""
        cost = seconds / (len(data) + 100)
        if cost <= self._slowest * 1.1 or self._timed(data)[1] / (len(data) + 100) <= self._slowest * 1.1:
            return False
        self._slowest = cost
        return True

    def _timed(self, data: bytes) -> tuple[str, float]:
        """Return what is wrong with how *data* was taken, or "", and the CPU seconds it took."""
        before = time.process_time()
        try:
            self._target.check(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is a find
            return traceback.format_exc(), 0.0
        seconds = time.process_time() - before
        if seconds > SLOW_S + SLOW_BYTE_S * len(data):
            return f"slow: {seconds:.2f} s of CPU for {len(data)} bytes\n", seconds
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        growth, self._peak = peak - self._peak, peak
        if self.executions > 200 and growth > GROWTH_BYTES:
            return f"large: {growth >> 20} MiB for {len(data)} bytes\n", seconds
        return "", seconds

    def _keep(self, data: bytes, is_new: bool) -> None:
        self._inputs.append(data)
        if is_new:
            (self._kept / digest(data)).write_bytes(data)
        self._coverage.note_comparisons(True)
        self._target.check(data)
        self._coverage.note_comparisons(False)
        self._compared[data] = self._coverage.comparisons()

    def _note(self, data: bytes, fault: str) -> None:
        """Write a fault down, once for each place where it shows."""
        place = place_of(fault)
        if place in self._faults:
            return
        self._faults.add(place)
        self._found.mkdir(parents=True, exist_ok=True)
        path = self._found / digest(data)
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(fault)
        print(json.dumps({"fault": str(path), "is": place}), flush=True)


def place_of(fault: str) -> str:
    """Return what tells two faults apart: the lines of the traceback that name places, without values."""
    if not fault.startswith("Traceback"):
        return fault.partition(":")[0]
    lines = fault.strip().splitlines()
    return " | ".join([*[line.strip() for line in lines if line.startswith("  File")][-2:], lines[-1].partition(":")[0]])
