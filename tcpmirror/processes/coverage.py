"""Which share of the traffic is analysed, as the gauge of a capture process tells it."""

from __future__ import annotations

from collections import deque
from typing import Final

from tcpmirror.telemetry.counters import CounterPage

# Shedding comes and goes within seconds, so that a share of less than many seconds says little about any of them.
SPAN_S: Final = 20.0
LEFT_OUT: Final = ("lost_shed", "lost_ring_full", "kernel_dropped")


class Coverage:
    """The share of segments put on a ring in the last SPAN_S seconds, of those and the ones that overload cost.

    What the kernel dropped may have been no segment; it is taken for one, so the share is never too high. Skipped flows are
    no shorter than others, so the share of the segments is also that of the flows.
    """

    def __init__(self, page: CounterPage) -> None:
        self._page = page
        self._before: deque[tuple[float, int, int]] = deque()
        page.set("coverage_permille", 1000)

    def measure(self, now: float) -> None:
        """Set the gauge, at *now* of the monotonic clock in seconds; 1000 when nothing came."""
        page = self._page
        taken, left_out = page.get("segments"), sum(map(page.get, LEFT_OUT))
        self._before.append((now, taken, left_out))
        while self._before[0][0] < now - SPAN_S:
            self._before.popleft()
        _, taken_before, left_out_before = self._before[0]
        more, missing = taken - taken_before, left_out - left_out_before
        page.set("coverage_permille", 1000 * more // (more + missing) if more + missing else 1000)
