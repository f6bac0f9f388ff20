"""`python -m bench`: make the traffic once, run the sensor over it, check that it is right, then print how fast it was.

Suricata and tshark, where installed, read the same captures in the same run. SCALE multiplies the exchanges of each kind
(SCALE=10: 400,000 of kind `a`); `--only-traffic` stops after the captures.
Exit code 1: the sensor's result was wrong; 4: the traffic could not be made here.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
from pathlib import Path
from typing import Final

from bench.derived import ENCAPSULATIONS, IDLE, encapsulated, with_idle
from bench.kinds import KINDS
from bench.measure import Figures, WrongResultError, measure
from bench.network import missing
from bench.page import Facts, keep_figures
from bench.peers import PeerFigures, installed, measure_peer
from bench.table import HEAD, peer_row, row
from bench.traffic import Capture, capture_of

SMALL: Final = 100  # exchanges of the capture that tells what start-up costs
ALL: Final = "abcdefghi"
HERE: Final = Path(__file__).parent


def main() -> int:
    options = arguments().parse_args()
    reason = missing()
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 4
    captures = {name: capture(name, options.scale, options.data) for name in options.kinds}
    small = capture_of(options.data, KINDS["a"], SMALL)
    if options.only_traffic:
        for made, title in captures.values():
            print(f"{made.path}: {title}: {made.exchanges:,} exchanges, {made.packets:,} packets, {made.bytes / 1e6:.1f} MB")
        return 0
    try:
        print(HEAD, flush=True)
        measured = []
        for made, title in captures.values():
            figures = measure(made, title, small, options.workers, options.runs)
            print(row(figures), flush=True)
            peers = [measure_peer(peer, made, small, options.runs) for peer in (installed() if options.peers else ())]
            for peer in peers:
                print(peer_row(peer), flush=True)
            measured.append(keep(options.results, figures, peers, options))
        if options.page:
            keep_figures(measured)
    except WrongResultError as wrong:
        print(f"bench: wrong result, so no figures: {wrong}", file=sys.stderr)
        return 1
    return 0


def capture(name: str, scale: float, data: Path) -> tuple[Capture, str]:
    """Return the capture of the kind *name* at *scale*, made if it is not there, and what the kind is."""
    if name in KINDS:
        kind = KINDS[name]
        return capture_of(data, kind, round(kind.exchanges * scale)), kind.title
    source, _ = capture("a", scale, data)
    if name in ENCAPSULATIONS:
        return encapsulated(name, source), ENCAPSULATIONS[name][0]
    connections = round(IDLE * scale)
    return with_idle(source, connections), f"a beside {connections:,} idle connections"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="How many exchanges a CPU-second analyses.")
    parser.add_argument("--scale", type=float, default=float(os.environ.get("SCALE", "1")), help="times the usual size")
    parser.add_argument("--kinds", type=kinds, default=ALL, help=f"letters out of {ALL}; all by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="each figure is the median of so many")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where captures are kept")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--only-traffic", action="store_true")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="leave out Suricata and tshark")
    parser.add_argument("--page", action="store_true", help="write the figures into docs/performance.md")
    return parser


def kinds(text: str) -> str:
    """Return *text* if all its letters are kinds; ArgumentTypeError names the one that is not."""
    for letter in text:
        if letter not in ALL:
            raise argparse.ArgumentTypeError(f"{letter!r} is none of the kinds {ALL}")
    return text


def keep(directory: Path, figures: Figures, peers: list[PeerFigures], options: argparse.Namespace) -> Facts:
    """Write *figures*, those of *peers* and what they were measured on, and return them."""
    directory.mkdir(parents=True, exist_ok=True)
    facts = dataclasses.asdict(figures) | {
        "peers": [facts_of(peer) for peer in peers],
        "workers": options.workers,
        "runs": options.runs,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
    }
    (directory / f"{figures.kind}.json").write_text(json.dumps(facts, indent=2) + "\n")
    return facts


def facts_of(peer: PeerFigures) -> Facts:
    return dataclasses.asdict(peer) | {"exchanges_per_cpu_s_without_start": peer.exchanges_per_cpu_s_without_start}


if __name__ == "__main__":
    sys.exit(main())
