"""What the kernel tells of a source, added up over every time that it was opened."""

from __future__ import annotations

from typing import Final

from tcpmirror.capture.bpf import build_filter
from tcpmirror.capture.interface_facts import frames_counted
from tcpmirror.capture.pcap_source import KernelStats
from tcpmirror.capture.sources import Live
from tcpmirror.settings.tree import Source
from tcpmirror.telemetry.counters import CounterPage

COUNTER_SPAN: Final = 1 << 32  # libpcap's counts have 32 bits


class Watch:
    """Brings the kernel's counts for the open source onto the page of its capture process.

    Making one also counts what passed while nobody watched: the interface goes on counting when a capture process has
    died, and what it counted beyond what was delivered is lost. Where a packet filter is set, that cannot be told.
    """

    def __init__(self, opened: Live, source: Source, page: CounterPage) -> None:
        self._opened = opened
        self._page = page
        self._before = KernelStats()
        is_told = source.kind == "interface" and source.interface != "any" and not build_filter(source, opened.link_type)
        self._interface = source.interface if is_told else ""
        self._count_unwatched()

    def look(self) -> None:
        """Add what the kernel has counted since the last look."""
        stats, before, page = self._opened.stats(), self._before, self._page
        page.add("kernel_received", (stats.received - before.received) % COUNTER_SPAN)
        page.add("kernel_dropped", (stats.dropped - before.dropped) % COUNTER_SPAN)
        page.add("interface_dropped", (stats.interface_dropped - before.interface_dropped) % COUNTER_SPAN)
        self._before = stats
        if self._interface:
            page.set("seen_frames", frames_counted(self._interface))
            page.set("seen_packets", self._packets)

    def _count_unwatched(self) -> None:
        seen = self._page.get("seen_frames")
        passed = frames_counted(self._interface) - seen if self._interface and seen else 0
        delivered = self._packets - self._page.get("seen_packets")
        self._page.add("unwatched", max(0, passed - delivered))  # an interface that was made anew counts from 0

    @property
    def _packets(self) -> int:
        return self._page.get("packets") + self._page.get("kernel_dropped")
