"""`python -m bench`: make the traffic once, run the sensor over it, check that it is right, then print how fast it was.

SCALE multiplies the 50,000 exchanges (SCALE=4: 200,000); `--only-traffic` stops after the capture.
Exit code 1: the sensor's result was wrong; 4: the traffic could not be made here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from bench.measure import WrongResultError, measure, stage_us
from bench.network import missing
from bench.traffic import capture_of

EXCHANGES: Final = 50_000
SMALL: Final = 1_000
HERE: Final = Path(__file__).parent


def main() -> int:
    options = arguments().parse_args()
    exchanges = round(EXCHANGES * options.scale)
    reason = missing()
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 4
    capture = capture_of(options.data / f"{exchanges}.pcap", exchanges)
    small = capture_of(options.data / f"{SMALL}.pcap", SMALL)
    print(f"{capture.path}: {capture.exchanges:,} exchanges, {capture.packets:,} packets, {capture.bytes / 1e6:.1f} MB")
    if options.only_traffic:
        return 0
    try:
        figures = measure(capture, small, options.workers, options.runs)
        keep(options.results, figures)
        print(summary(figures), flush=True)
        figures["stage_us"] = stage_us(capture, small, options.workers, options.runs, figures["exchange_us"])
    except WrongResultError as wrong:
        print(f"bench: wrong result, so no figures: {wrong}", file=sys.stderr)
        return 1
    keep(options.results, figures)
    print("\n".join(f"  {stage:<11}{cost:7.2f}" for stage, cost in figures["stage_us"].items()))
    return 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="How many exchanges a CPU-second analyses.")
    parser.add_argument("--scale", type=float, default=float(os.environ.get("SCALE", "1")), help="times 50,000 exchanges")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="each figure is the median of so many")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where captures are kept")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--only-traffic", action="store_true")
    return parser


def keep(directory: Path, figures: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "latest.json").write_text(json.dumps(figures, indent=2) + "\n")


def summary(figures: dict[str, Any]) -> str:
    """Return the figures as lines for people; the cost of each stage is to follow."""
    return "\n".join(
        (
            f"{figures['exchanges_per_cpu_s']:,} exchanges per CPU-second, all processes, start-up included "
            f"({figures['exchanges_per_cpu_s_without_start']:,} without its {figures['start_cpu_s']:.2f} s)",
            f"CPU {figures['cpu_s']:.2f} s, wall {figures['wall_s']:.2f} s with {figures['workers']} workers, "
            f"median of {figures['runs']}; peak memory {figures['peak_rss'] / (1 << 20):.0f} MiB",
            f"CPU by stage, microseconds an exchange (the whole road: {figures['exchange_us']:.2f}):",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
