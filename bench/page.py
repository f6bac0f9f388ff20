"""The tables of docs/performance.md, from figures measured in one run and kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
FIGURES: Final = ROOT / "docs" / "performance_figures.json"
PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN: Final = "<!-- figures: written by bench -->"
END: Final = "<!-- end of figures -->"
BEGIN_GROWTH: Final = "<!-- growth: written by bench.growth -->"
END_GROWTH: Final = "<!-- end of growth -->"
BEGIN_SCALING: Final = "<!-- scaling: written by bench.scaling -->"
END_SCALING: Final = "<!-- end of scaling -->"

Facts = dict[str, Any]  # of one kind: `bench.measure.Figures`, its peers, and what it was measured on


def keep_figures(measured: list[Facts]) -> None:
    """Keep what one run measured for the page, and write that."""
    FIGURES.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    write_page()


def write_page() -> None:
    """Write the page's tables from the figures kept."""
    put_between(BEGIN, END, list(tables(json.loads(FIGURES.read_text(encoding="utf-8")))))


def put_between(begin: str, end: str, lines: list[str]) -> None:
    """Write *lines* into the page between the marks *begin* and *end*."""
    head, rest = PAGE.read_text(encoding="utf-8").split(begin, 1)
    text = "\n".join(lines).strip()
    PAGE.write_text(head + begin + "\n\n" + text + "\n\n" + end + rest.split(end, 1)[1], encoding="utf-8")


def tables(measured: list[Facts]) -> Iterator[str]:
    first = measured[0]
    yield (
        f"Measured on {first['machine']}, {first['workers']} workers; medians of {first['runs']} runs. "
        f"`tcpmirror analyze` of a hundred exchanges takes {first['start_wall_s']} s by the clock."
    )
    yield ""
    yield "| traffic | exchanges | start-up included | without | peak MiB |"
    yield "| --- | --- | --- | --- | --- |"
    for facts in measured:
        yield (
            f"| {facts['kind']}: {facts['title']} | {facts['exchanges']:,} | {facts['exchanges_per_cpu_s']:,} "
            f"| {facts['exchanges_per_cpu_s_without_start']:,} | {facts['peak_rss'] >> 20} |"
        )
    yield ""
    yield "CPU microseconds an exchange by stage, start-up left out; each holds what it makes those before it do:"
    yield ""
    stages = list(first["stage_us"])
    yield f"| traffic | {' | '.join(stages)} |"
    yield "| --- " * (1 + len(stages)) + "|"
    for facts in measured:
        cells = " | ".join(f"{facts['stage_us'][stage]:.1f}" for stage in stages)
        yield f"| {facts['kind']} | {cells} |"
    names = [peer["peer"] for peer in first["peers"]]
    if not names:
        return
    yield ""
    yield "Start-up left out, and in brackets how many times a peer's figure ours is:"
    yield ""
    yield f"| traffic | tcpmirror | {' | '.join(names)} |"
    yield "| --- " * (2 + len(names)) + "|"
    for facts in measured:
        if facts["peers"]:
            ours = facts["exchanges_per_cpu_s_without_start"]
            cells = " | ".join(_cell(peer, facts["exchanges"], ours) for peer in facts["peers"])
            yield f"| {facts['kind']} | {ours:,} | {cells} |"


def _cell(peer: Facts, exchanges: int, ours: int) -> str:
    if not peer["reported"]:
        return "reported nothing"
    theirs = peer["exchanges_per_cpu_s_without_start"]
    missed = "" if peer["reported"] == exchanges else f", {peer['reported']:,} of {exchanges:,} reported"
    return f"{theirs:,} ({ours / theirs:.1f}{missed})"


if __name__ == "__main__":
    write_page()
