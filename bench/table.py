"""The bench's figures as lines for people."""

from __future__ import annotations

from typing import Final

from bench.measure import STAGES, Figures
from bench.peers import PeerFigures

HEAD: Final = (
    "exchanges per CPU-second over all processes, start-up included and left out; "
    "microseconds an exchange by stage\n"
    f"{'kind':<56}{'exchanges':>10}{'packets':>10}{'/CPU-s':>9}{'no start':>9}"
    + "".join(f"{stage:>12}" for stage in (*STAGES, "rest"))
    + f"{'MiB':>6}"
)


def row(figures: Figures) -> str:
    """Return one line of the table under HEAD."""
    return (
        f"{figures.kind}  {figures.title:<53}{figures.exchanges:>10,}{figures.packets:>10,}"
        f"{figures.exchanges_per_cpu_s:>9,}{figures.exchanges_per_cpu_s_without_start:>9,}"
        + "".join(f"{cost:>12.2f}" for cost in figures.stage_us.values())
        + f"{figures.peak_rss / (1 << 20):>6.0f}"
    )


def peer_row(peer: PeerFigures) -> str:
    """Return one line of the table under HEAD for another program on the same capture."""
    speeds = f"{peer.exchanges_per_cpu_s:>9,}{peer.exchanges_per_cpu_s_without_start:>9,}"
    return f"   {peer.peer:<53}{peer.reported:>10,}{'':>10}{speeds}"
