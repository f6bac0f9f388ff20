"""The shared memory of a running sensor: who finds which ring, doorbell and counter page where.

One anonymous shared mapping, made before the first fork and inherited by every process, so it outlives each of them: a
restarted process finds its rings as the dead one left them.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

from tcpmirror.ring.ring import Doorbell, RingReader, RingWriter, ring_bytes
from tcpmirror.settings.tree import Limits
from tcpmirror.telemetry.counters import PAGE_BYTES, CounterPage
from tcpmirror.telemetry.names import KINDS
from tcpmirror.telemetry.notes import NOTE_BYTES, Note

DOORBELL_BYTES = 64


@dataclass(frozen=True, slots=True)
class ProcessName:
    """Which process: kind (`capture`, `worker`, `exporter`, `cloud`) and its number among its kind."""

    kind: str
    index: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.index}"


class SharedLayout:
    """Rings from each of *sources* captures to each of *workers* workers, and from each worker to the exporter."""

    def __init__(self, sources: int, workers: int, limits: Limits) -> None:
        self.sources = sources
        self.workers = workers
        self._segment_ring = ring_bytes(limits.segment_ring_bytes)
        self._report_ring = ring_bytes(limits.report_ring_bytes)
        self.names = (
            *(ProcessName("capture", index) for index in range(sources)),
            *(ProcessName("worker", index) for index in range(workers)),
            ProcessName("exporter", 0),
            ProcessName("cloud", 0),
        )
        self._pages_at = 0
        self._bells_at = PAGE_BYTES * len(self.names)
        self._segments_at = self._bells_at + PAGE_BYTES * -(-DOORBELL_BYTES * (workers + 1) // PAGE_BYTES)
        self._reports_at = self._segments_at + sources * workers * self._segment_ring
        self._notes_at = self._reports_at + workers * self._report_ring
        total = self._notes_at + sources * NOTE_BYTES
        self._memory = memoryview(mmap.mmap(-1, total, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))

    def counters(self, name: ProcessName) -> CounterPage:
        at = self._pages_at + PAGE_BYTES * self.names.index(name)
        return CounterPage(self._memory[at : at + PAGE_BYTES], KINDS[name.kind])

    def note(self, source: int) -> Note:
        """The note of the capture process of that source."""
        at = self._notes_at + NOTE_BYTES * source
        return Note(self._memory[at : at + NOTE_BYTES])

    def worker_bell(self, worker: int) -> Doorbell:
        """The doorbell that captures ring when worker *worker* has segments."""
        return self._bell(worker)

    def exporter_bell(self) -> Doorbell:
        return self._bell(self.workers)

    def segment_writer(self, source: int, worker: int) -> RingWriter:
        return RingWriter(self._segment_memory(source, worker))

    def segment_reader(self, source: int, worker: int) -> RingReader:
        return RingReader(self._segment_memory(source, worker))

    def report_writer(self, worker: int) -> RingWriter:
        return RingWriter(self._report_memory(worker))

    def report_reader(self, worker: int) -> RingReader:
        return RingReader(self._report_memory(worker))

    def _bell(self, index: int) -> Doorbell:
        at = self._bells_at + DOORBELL_BYTES * index
        return Doorbell(self._memory[at : at + DOORBELL_BYTES])

    def _segment_memory(self, source: int, worker: int) -> memoryview:
        at = self._segments_at + (source * self.workers + worker) * self._segment_ring
        return self._memory[at : at + self._segment_ring]

    def _report_memory(self, worker: int) -> memoryview:
        at = self._reports_at + worker * self._report_ring
        return self._memory[at : at + self._report_ring]
