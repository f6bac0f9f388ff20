"""`python -m bench.detection [DIRECTORY ...]`: detection and its cost on labelled requests, into the tables of a page.

DIRECTORY holds labelled requests (see `bench.records`). The figures go to docs/detection_figures.json, each with the same
figure of two halves that the ids were cut into by hash, which tell how much of it is chance; those of the comparison with
libmodsecurity (see `bench.comparison`) to docs/detection_costs.json. docs/detection.md takes its tables from these files,
between two marks; without a DIRECTORY only that is done.
"""

from __future__ import annotations

import collections
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import comparison
from bench.records import exchange_of, records
from tcpmirror.detect.detector import Detector
from tcpmirror.processes.detection import build_detector
from tcpmirror.processes.inspect import BadLine
from tcpmirror.settings.tree import Settings

ROOT: Final = Path(__file__).resolve().parent.parent
FIGURES: Final = ROOT / "docs" / "detection_figures.json"
COSTS: Final = ROOT / "docs" / "detection_costs.json"
PAGE: Final = ROOT / "docs" / "detection.md"
BEGIN: Final = "<!-- figures: written by bench.detection -->"
END: Final = "<!-- end of figures -->"
# Share flagged by OWASP CRS 4.28 at paranoia level 1, attack rules only, on larger sets of the same kinds (libmodsecurity).
CRS: Final = {
    "attack/payloads": 76.1,
    "attack/sqlmap": 92.3,
    "attack/libinjection": 99.98,
    "attack/crs": 65.0,
    "attack/cve": 55.3,
    "benign/benign_access": 0.04,
    "benign/benign_api": 3.6,
    "benign/benign_browsing": 4.1,
    "benign/benign_dmoz": 0.17,
    "benign/benign_har": 5.1,
    "benign/benign_search": 0.03,
    "benign/benign_text": 1.0,
    "benign/benign_upload": 25.1,
    "benign/benign_web": 3.0,
    "benign/blns": 0.45,
    "benign_hard/benign_code": 37.5,
}


Figures = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """What a set showed: requests and those flagged, by half and by category, and CPU microseconds a request."""

    seen: list[int] = field(default_factory=lambda: [0, 0])
    flagged: list[int] = field(default_factory=lambda: [0, 0])
    categories: dict[str, list[int]] = field(default_factory=lambda: collections.defaultdict(lambda: [0, 0]))
    sources: dict[str, list[int]] = field(default_factory=lambda: collections.defaultdict(lambda: [0, 0, 0, 0]))
    cost_us: list[float] = field(default_factory=list)
    tier2: int = 0

    def add(self, record: dict[str, Any], is_flagged: bool, cost_us: float, tier2: int) -> None:
        half = hashlib.sha256(record["id"].encode()).digest()[0] & 1
        self.seen[half] += 1
        self.flagged[half] += is_flagged
        source = self.sources[record.get("source", "")]
        source[half] += 1
        source[2 + half] += is_flagged
        self.cost_us.append(cost_us)
        self.tier2 += tier2
        if record["label"] == "attack":
            self.categories[record["category"]][0] += 1
            self.categories[record["category"]][1] += is_flagged

    def figures(self) -> Figures:
        cost = sorted(self.cost_us)
        return {
            "n": sum(self.seen),
            "flagged": share(sum(self.flagged), sum(self.seen)),
            "halves": [share(part, whole) for part, whole in zip(self.flagged, self.seen, strict=True)],
            "cpu_us": {
                "mean": round(sum(cost) / len(cost), 1),
                "p50": round(cost[len(cost) // 2], 1),
                "p99": round(cost[len(cost) * 99 // 100], 1),
                "max": round(cost[-1], 1),
            },
            "tier2": share(self.tier2, sum(self.seen)),
            "sources": {
                name: {"n": first + second, "halves": [share(hit, first), share(other, second)]}
                for name, (first, second, hit, other) in sorted(self.sources.items())
            },
            "categories": {name: {"n": n, "flagged": share(hit, n)} for name, (n, hit) in sorted(self.categories.items())},
        }


def measure(directories: list[Path]) -> dict[str, Figures]:
    """Return ``label/set`` -> its figures."""
    detector = _detector()
    tallies: dict[str, Tally] = collections.defaultdict(Tally)
    for name, record in (item for directory in directories for item in records(directory)):
        if record.get("weak") or record["label"] not in ("attack", "benign", "benign_hard"):
            continue
        try:
            exchange = exchange_of(record)
        except (BadLine, ValueError):
            continue
        tier2 = detector.tier2
        started = time.thread_time_ns()
        is_flagged = bool(detector.inspect(exchange))
        cost_us = (time.thread_time_ns() - started) / 1000
        tallies[f"{record['label']}/{name}"].add(record, is_flagged, cost_us, detector.tier2 - tier2)
    return {key: tallies[key].figures() for key in sorted(tallies)}


def _detector() -> Detector:
    return build_detector(Settings(), ROOT / "build" / "rules")


def share(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def tables(seen: dict[str, Figures], costs: comparison.Costs) -> str:
    """Return the tables of the page."""
    parts = [
        table(title, {key: row for key, row in seen.items() if key.startswith(label + "/")})
        for label, title in (("attack", "attacks"), ("benign", "harmless"), ("benign_hard", "honest code in text"))
    ]
    return "\n".join(
        [*(line for part in parts for line in part), *comparison.table(costs), *by_source(seen), *by_category(seen)]
    )


def table(title: str, rows: dict[str, Figures]) -> Iterator[str]:
    yield f"| {title} | n | flagged % | halves % | CRS 4.28 % | tier 2 % | CPU us mean / p50 / p99 |"
    yield "| --- " * 7 + "|"
    for key, row in rows.items():
        cpu, (first, second) = row["cpu_us"], row["halves"]
        yield (
            f"| {key.partition('/')[2]} | {row['n']} | {row['flagged']:.2f} | {first:.2f} / {second:.2f} "
            f"| {CRS.get(key, '-')} | {row['tier2']:.1f} | {cpu['mean']:.0f} / {cpu['p50']:.0f} / {cpu['p99']:.0f} |"
        )
    if rows:
        columns = zip(*((row["flagged"], *row["halves"]) for row in rows.values()), strict=True)
        whole, first, second = (sum(column) / len(rows) for column in columns)
        yield f"| **macro average** | | **{whole:.2f}** | {first:.2f} / {second:.2f} | | | |"
    yield ""


def by_category(seen: dict[str, Figures]) -> Iterator[str]:
    yield "| attacks by category | n | flagged % |"
    yield "| --- | --- | --- |"
    for key, row in seen.items():
        for name, item in row["categories"].items():
            yield f"| {key.partition('/')[2]}: {name} | {item['n']} | {item['flagged']:.2f} |"


def by_source(seen: dict[str, Figures]) -> Iterator[str]:
    """Yield the rows that tell sources apart: of each, the half whose misses were read, and the other one."""
    yield "| by source | n | flagged %, the half read | the half not read |"
    yield "| --- | --- | --- | --- |"
    for key, row in seen.items():
        label, _, name = key.partition("/")
        for source, item in row.get("sources", {}).items():
            first, second = item["halves"]
            yield f"| {label}, {name}: {source} | {item['n']} | {first:.2f} | {second:.2f} |"
    yield ""


def write_page(seen: dict[str, Figures], costs: comparison.Costs) -> None:
    head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN, 1)
    PAGE.write_text(head + BEGIN + "\n\n" + tables(seen, costs) + "\n\n" + END + rest.split(END, 1)[1], encoding="utf-8")


def main() -> None:
    directories = [Path(name) for name in sys.argv[1:]]
    if directories:
        FIGURES.write_text(json.dumps(measure(directories), indent=1) + "\n", encoding="utf-8")
        COSTS.write_text(json.dumps(comparison.compare(_detector(), directories), indent=1) + "\n", encoding="utf-8")
    write_page(*(json.loads(file.read_text(encoding="utf-8")) for file in (FIGURES, COSTS)))


if __name__ == "__main__":
    main()
