"""The shared memory of a running sensor: who finds which ring, doorbell and counter page where.

One anonymous shared mapping, made before the first fork and inherited by every process, so it outlives each of them: a
restarted process finds its rings as the dead one left them.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from dataclasses import dataclass

from tcpmirror.ring.ring import Doorbell, RingReader, RingWriter, ring_bytes
from tcpmirror.settings.tree import Limits
from tcpmirror.telemetry.counters import PAGE_BYTES, CounterPage
from tcpmirror.telemetry.names import KINDS
from tcpmirror.telemetry.notes import NOTE_BYTES, Note

DOORBELL_BYTES = 64
_libc = ctypes.CDLL(None, use_errno=True)


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
        # From one ring to the next: whole pages, so that those of other workers can be taken away from one.
        self._segment_stride = _whole_pages(self._segment_ring)
        self._report_stride = _whole_pages(self._report_ring)
        self._note_stride = _whole_pages(NOTE_BYTES)
        self.names = (
            *(ProcessName("capture", index) for index in range(sources)),
            *(ProcessName("worker", index) for index in range(workers)),
            ProcessName("exporter", 0),
            ProcessName("cloud", 0),
        )
        self._pages_at = 0
        self._bells_at = PAGE_BYTES * len(self.names)
        self._segments_at = self._bells_at + PAGE_BYTES * -(-DOORBELL_BYTES * (workers + 1) // PAGE_BYTES)
        self._reports_at = self._segments_at + sources * workers * self._segment_stride
        self._notes_at = self._reports_at + workers * self._report_stride
        self._worker_notes_at = _whole_pages(self._notes_at + sources * NOTE_BYTES)
        total = self._worker_notes_at + workers * self._note_stride
        self._memory = memoryview(mmap.mmap(-1, total, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))

    def counters(self, name: ProcessName) -> CounterPage:
        at = self._pages_at + PAGE_BYTES * self.names.index(name)
        return CounterPage(self._memory[at : at + PAGE_BYTES], KINDS[name.kind])

    def note(self, source: int) -> Note:
        """The note of the capture process of that source."""
        at = self._notes_at + NOTE_BYTES * source
        return Note(self._memory[at : at + NOTE_BYTES])

    def worker_note(self, worker: int) -> Note:
        """The note of that worker."""
        at = self._worker_notes_at + self._note_stride * worker
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

    def keep_only(self, worker: ProcessName) -> None:
        """Unmap, from this process alone and for good, what a worker has no business with: other processes' rings and pages.

        Its doorbells stay; they are words that wake somebody, and share a page. OSError if the kernel refuses.
        """
        kept = [(self._bells_at, self._segments_at)]
        at = self._pages_at + PAGE_BYTES * self.names.index(worker)
        kept.append((at, at + PAGE_BYTES))
        for source in range(self.sources):
            at = self._segments_at + (source * self.workers + worker.index) * self._segment_stride
            kept.append((at, at + self._segment_stride))
        at = self._reports_at + worker.index * self._report_stride
        kept.append((at, at + self._report_stride))
        at = self._worker_notes_at + self._note_stride * worker.index
        kept.append((at, at + self._note_stride))
        end = 0
        for start, stop in (*sorted(kept), (_whole_pages(len(self._memory)), 0)):
            self._unmap(end, start)
            end = stop

    def _unmap(self, start: int, stop: int) -> None:
        if start < stop:
            first = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
            if _libc.munmap(ctypes.c_void_p(first + start), ctypes.c_size_t(stop - start)):
                number = ctypes.get_errno()
                raise OSError(number, f"munmap: {os.strerror(number)}")

    def _bell(self, index: int) -> Doorbell:
        at = self._bells_at + DOORBELL_BYTES * index
        return Doorbell(self._memory[at : at + DOORBELL_BYTES])

    def _segment_memory(self, source: int, worker: int) -> memoryview:
        at = self._segments_at + (source * self.workers + worker) * self._segment_stride
        return self._memory[at : at + self._segment_ring]

    def _report_memory(self, worker: int) -> memoryview:
        at = self._reports_at + worker * self._report_stride
        return self._memory[at : at + self._report_ring]


def _whole_pages(size: int) -> int:
    return mmap.PAGESIZE * -(-size // mmap.PAGESIZE)
