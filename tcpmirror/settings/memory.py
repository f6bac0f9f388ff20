"""`limits.memory`: one figure for a whole sensor, and who gets what of it.

What processes take before any traffic comes, and while one exchange is worked on, is measured and fixed. Rings, kernel
buffers and datagrams in reassembly get what is set for them as long as that is half of the rest at most, else less. What is
left then is for the streams and messages of the workers, in equal shares, and that is what traffic can fill at will.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Final

from tcpmirror.settings.tree import MIB, Limits, Settings

# Proportional set sizes of a sensor without traffic and with all rules (measured), and room to work on one exchange.
SENSOR_BYTES: Final = 144 * MIB  # supervisor, and exporter with as many counters and sessions as it follows
CLOUD_BYTES: Final = 124 * MIB  # the embedded one, with its console
CAPTURE_BYTES: Final = 30 * MIB
WORKER_BYTES: Final = 160 * MIB  # with all the sessions and counters that it follows
USUAL_STREAMS: Final = 128 * MIB  # of a worker, where no figure is set
LEAST_STREAMS: Final = 16 * MIB  # of a worker: a few messages at their limits, and flows enough to follow
LEAST_RING: Final = MIB
LEAST_BUFFER: Final = 2 * MIB
LEAST_LIMIT: Final = 2048 * MIB  # a search of years of findings may take some of it
DATAGRAM: Final = 65_536  # the longest IP datagram, in reassembly


@dataclass(frozen=True, slots=True)
class MemoryShares:
    """Bytes, each of one ring, source or worker if nothing else is said."""

    total: int
    processes: int  # of all of them together, without the rest
    segment_ring: int  # between one capture process and one worker
    report_ring: int  # of one worker
    buffers: tuple[int, ...]  # of the kernel, for each source
    fragments: int  # IP datagrams in reassembly, of all capture processes
    streams: int  # flows and messages of one worker

    def described(self, workers: int) -> dict[str, int]:
        """Return what makes up the total, in bytes, by name."""
        rings = workers * (len(self.buffers) * self.segment_ring + self.report_ring)
        return {
            "total": self.total,
            "processes": self.processes,
            "rings": rings,
            "kernel_buffers": sum(self.buffers),
            "fragments": self.fragments,
            "streams": workers * self.streams,
        }


def written(shares: dict[str, int]) -> str:
    """Return `MemoryShares.described` as a line."""
    parts = ", ".join(f"{name.replace('_', ' ')} {size >> 20}" for name, size in shares.items() if name != "total")
    return f"limits.memory {shares['total'] >> 20} MiB: {parts}"


def worker_count(settings: Settings) -> int:
    """Return how many workers run: as set, or one for each CPU that this process may use."""
    return settings.workers or len(os.sched_getaffinity(0))


def least_memory(settings: Settings, workers: int) -> int:
    """Return the least `limits.memory` with which a sensor of *workers* workers works."""
    return _processes(settings, workers) + 2 * _least_shared(settings, workers) + workers * LEAST_STREAMS


def memory_shares(settings: Settings, workers: int) -> MemoryShares:
    """Return who gets what in a sensor of *workers* workers."""
    limits, sources = settings.limits, settings.capture.sources
    processes = _processes(settings, workers)
    buffers = tuple(source.buffer_bytes for source in sources)
    fragments = len(sources) * limits.fragments * DATAGRAM
    wanted = workers * (len(sources) * _ring(limits.segment_ring_bytes) + _ring(limits.report_ring_bytes))
    wanted += sum(buffers) + fragments
    total = limits.memory_bytes or processes + wanted + workers * USUAL_STREAMS
    least, rest = _least_shared(settings, workers), total - processes
    room = max(least, min(rest // 2, rest - workers * LEAST_STREAMS - least))
    segment_ring, report_ring = _ring(limits.segment_ring_bytes), _ring(limits.report_ring_bytes)
    if limits.memory_bytes and wanted > room:
        part = room / wanted
        segment_ring = min(segment_ring, max(LEAST_RING, _power(segment_ring * part)))
        report_ring = min(report_ring, max(_least_report_ring(limits), _power(report_ring * part)))
        buffers = tuple(min(size, max(LEAST_BUFFER, int(size * part))) for size in buffers)
        fragments = int(fragments * part)
    rest -= workers * (len(sources) * segment_ring + report_ring) + sum(buffers) + fragments
    streams = limits.streams_bytes or max(LEAST_STREAMS, rest // workers)
    return MemoryShares(total, processes, segment_ring, report_ring, buffers, fragments, streams)


def process_limit(settings: Settings, workers: int) -> int:
    """Return how many bytes one process may take before it is taken for broken and started again."""
    return settings.supervisor.memory_limit_bytes or max(LEAST_LIMIT, 2 * memory_shares(settings, workers).total)


def divided(settings: Settings, workers: int) -> Settings:
    """Return *settings* with the sizes of rings, buffers and datagrams as far as the figure allows them."""
    shares = memory_shares(settings, workers)
    sources = tuple(
        replace(source, buffer_bytes=size) for source, size in zip(settings.capture.sources, shares.buffers, strict=True)
    )
    limits = replace(
        settings.limits,
        segment_ring_bytes=shares.segment_ring,
        report_ring_bytes=shares.report_ring,
        fragments=max(1, shares.fragments // max(1, len(sources)) // DATAGRAM),
        streams_bytes=shares.streams,
    )
    return replace(settings, limits=limits, capture=replace(settings.capture, sources=sources))


def _processes(settings: Settings, workers: int) -> int:
    cloud = CLOUD_BYTES if settings.cloud.embedded else 0
    return SENSOR_BYTES + cloud + CAPTURE_BYTES * len(settings.capture.sources) + WORKER_BYTES * workers


def _least_shared(settings: Settings, workers: int) -> int:
    """Return what rings and buffers take at their least."""
    sources = len(settings.capture.sources)
    return workers * (sources * LEAST_RING + _least_report_ring(settings.limits)) + sources * (LEAST_BUFFER + DATAGRAM)


def _least_report_ring(limits: Limits) -> int:
    return max(LEAST_RING, 2 * _power(2 * (limits.head_bytes + limits.export_request_bytes + limits.export_response_bytes)))


def _ring(size: int) -> int:
    """Return what a ring for *size* bytes takes: rings are powers of two."""
    return 1 << max(12, (size - 1).bit_length())


def _power(size: float) -> int:
    """Return the largest power of two up to *size*."""
    return 1 << max(0, int(size).bit_length() - 1)
