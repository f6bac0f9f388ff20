"""`python -m bench.evasion [DIRECTORY]`: how many attacks are still found in disguise, by disguise.

The attacks are those that the rules' own examples show, or with DIRECTORY (labelled requests, see `bench.records`)
the values in the queries and forms of the requests found there. Only what is found undisguised is tried.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.mutations import ALL, MUTATIONS, in_query
from bench.records import exchange_of, records
from tcpmirror.detect.detector import Detector
from tcpmirror.detect.pack import load_pack
from tcpmirror.model.exchange import Exchange
from tcpmirror.processes.detection import build_detector
from tcpmirror.settings.tree import Settings

VALUE_BYTES: Final = 600
SAMPLES: Final = 1500  # values of a corpus that are tried, chosen by their hash


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that is an attack of type *kind*."""

    kind: str
    value: bytes


@dataclass(slots=True)
class Tally:
    """How many values a disguise fitted, how many of them were found, and those that were not."""

    tried: int = 0
    found: int = 0
    lost: list[Sample] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Per cent found of those tried; 100 if none was."""
        return 100 * self.found / self.tried if self.tried else 100.0


def own_samples(detector: Detector) -> list[Sample]:
    """Return the rules' examples that are found as values of a parameter."""
    rules = [rule for rule in load_pack().rules if rule.patterns and not rule.is_for_responses]
    samples = {
        Sample(rule.type, value): None
        for rule in rules
        for value in rule.matching
        if not value.startswith((b"GET ", b"POST "))
    }
    return found_plain(detector, samples)


def samples_in(detector: Detector, directory: Path) -> list[Sample]:
    """Return values of the attacks in *directory*: what is found at a parameter of the query or of a form."""
    collected: dict[Sample, None] = {}
    for _, record in records(directory):
        if record["label"] != "attack":
            continue
        request = exchange_of(record).request
        if request is None:
            continue
        values = {point.path: point.value for point in detector.decoded_points(request)}
        for finding in detector.judge_request(request):
            head = finding.point[:2] if finding.point[0] == "get" else finding.point[:3]
            if finding.type in ALL and finding.point[0] in ("get", "post") and 0 < len(values.get(head, b"")) <= VALUE_BYTES:
                collected[Sample(finding.type, values[head])] = None
    chosen = sorted(collected, key=lambda sample: hashlib.sha256(sample.value).digest())
    return found_plain(detector, chosen[:SAMPLES])


def found_plain(detector: Detector, samples: Iterable[Sample]) -> list[Sample]:
    return [sample for sample in samples if is_found(detector, sample.kind, in_query(sample.value))]


def is_found(detector: Detector, kind: str, exchange: Exchange) -> bool:
    """Tell whether both tiers together find an attack of type *kind*."""
    return kind in {finding.type for finding in detector.inspect(exchange)}


def measure(detector: Detector, samples: Iterable[Sample]) -> dict[str, Tally]:
    """Return what became of *samples* in every disguise, by its name."""
    tallies = {name: Tally() for name in MUTATIONS}
    for sample in samples:
        for name, mutation in MUTATIONS.items():
            exchange = mutation.apply(sample.kind, sample.value)
            if exchange is None:
                continue
            tally = tallies[name]
            tally.tried += 1
            if is_found(detector, sample.kind, exchange):
                tally.found += 1
            else:
                tally.lost.append(sample)
    return tallies


def overall(tallies: dict[str, Tally]) -> Tally:
    """Return all disguises together."""
    return Tally(sum(tally.tried for tally in tallies.values()), sum(tally.found for tally in tallies.values()))


def table(tallies: dict[str, Tally]) -> Iterator[str]:
    """Yield the lines of a table, the weakest disguises last."""
    yield f"{'disguise':<40}{'tried':>8}{'found':>8}{'%':>8}"
    for name, tally in sorted(tallies.items(), key=lambda item: -item[1].share):
        yield f"{name:<40}{tally.tried:>8}{tally.found:>8}{tally.share:>8.2f}"
    every = overall(tallies)
    yield f"{'all':<40}{every.tried:>8}{every.found:>8}{every.share:>8.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.evasion", description="Attacks found in disguise.")
    parser.add_argument("directory", type=Path, nargs="?", help="labelled requests; the rules' own examples if none")
    parser.add_argument("--lost", type=Path, help="write what was not found here, a line each")
    options = parser.parse_args()
    detector = build_detector(Settings(), Path(__file__).parents[1] / "build" / "rules")
    samples = samples_in(detector, options.directory) if options.directory else own_samples(detector)
    tallies = measure(detector, samples)
    print(f"{len(samples)} attacks", *table(tallies), sep="\n")
    if options.lost:
        lines = (f"{name}\t{lost.kind}\t{lost.value!r}\n" for name, tally in tallies.items() for lost in tally.lost)
        options.lost.write_text("".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
