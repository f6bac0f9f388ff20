"""The bench's figures as lines for people."""

from __future__ import annotations

from typing import Final

from bench.measure import STAGES, Figures

HEAD: Final = (
    "exchanges per CPU-second over all processes, start-up of {start_s:.2f} s included and left out; "
    "microseconds an exchange by stage\n"
    f"{'kind':<56}{'exchanges':>10}{'packets':>10}{'/CPU-s':>9}{'no start':>9}"
    + "".join(f"{stage:>12}" for stage in (*STAGES, "report"))
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
