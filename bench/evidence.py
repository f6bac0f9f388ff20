"""`python -m bench.evidence DIRECTORY ...`: would weights learned from labelled requests be better than the rules' own?

A logistic model over what counts in one value (which rules, what they add up to, how many, in which part of the request, in
which kind of field, how long a text) is learned on all corpora but one and judged on that one, each corpus in turn; the own
confidences of the rules are judged on the same. Only where the model finds more attacks for no more false alarms, on corpora
that it never saw, is it worth having. What came of it is in docs/decisions.
"""

from __future__ import annotations

import collections
import math
import random
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.detection import ROOT
from bench.records import exchange_of, records
from tcpmirror.detect.detector import Detector
from tcpmirror.detect.verdict import THRESHOLD, Counted, counting, is_document, key_of
from tcpmirror.model.point import Point
from tcpmirror.processes.detection import build_detector
from tcpmirror.processes.inspect import BadLine
from tcpmirror.settings.tree import Settings

_TEXT_FIELDS: Final = re.compile(
    "body|code|comment|content|description|html|message|q|query|script|search|snippet|source|sql|statement|text",
    re.IGNORECASE,
)
_ROUNDS: Final = 6
_STEP: Final = 0.15
_DECAY: Final = 1e-4
_HARD_WEIGHT: Final = 0.3  # of honest code in texts, beside other harmless requests
_CUTS: Final = (-2.0, -1.0, 0.0, 1.0)

Features = dict[str, float]
Weights = dict[str, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What counts in the values of one request: features of each, and what the rules' confidences add up to."""

    corpus: str
    label: str
    features: tuple[Features, ...]
    sums: tuple[float, ...]


def gathered(detector: Detector, directories: Sequence[Path]) -> Iterator[Evidence]:
    """Yield the evidence of each labelled request that can be parsed."""
    tier = detector.values
    for corpus, record in (item for directory in directories for item in records(directory)):
        if record["label"] not in ("attack", "benign", "benign_hard"):
            continue
        try:
            request = exchange_of(record).request
        except (BadLine, ValueError):
            continue
        found: list[tuple[Features, float]] = []
        for point in detector.decoded_points(request) if request is not None else ():
            by_type: dict[str, list[Counted]] = collections.defaultdict(list)
            signs = detector.signs(point.value)
            for item in counting(point, signs, tier.rules, tier.expressions, detector.views.fold) if signs else ():
                by_type[item.rule.type].append(item)
            found += [_features(point, kind, items) for kind, items in by_type.items()]
        yield Evidence(corpus, record["label"], tuple(one for one, _ in found), tuple(total for _, total in found))


def _features(point: Point, kind: str, items: Sequence[Counted]) -> tuple[Features, float]:
    is_text = is_document(point.value)
    total = max(item.weight for item in items) if is_text else sum(item.weight for item in items)
    features = {
        "bias": 1.0,
        "sum": total,
        f"type {kind}": 1.0,
        f"rules {min(3, len(items))}": 1.0,
        f"at {point.path[0]}": 1.0,
    }
    features |= {item.rule.id: 1.0 for item in items}
    features["text"] = float(is_text)
    features["text field"] = float(_TEXT_FIELDS.fullmatch(key_of(point.path)) is not None)
    features["size"] = min(8.0, math.log2(1 + len(point.value))) / 8
    features["blanks"] = min(1.0, point.value.count(b" ", 0, 256) / 10)
    return features, total


def learned(evidence: Sequence[Evidence], corpora: Collection[str]) -> Weights:
    """Return the weights of a logistic model of *corpora*: each weighs the same, attacks as much as the rest (Adagrad)."""
    sizes = collections.Counter((item.corpus, item.label) for item in evidence)
    examples: list[tuple[Features, bool, float]] = []
    for item in evidence:
        if item.corpus not in corpora or not item.features:
            continue
        weight = (_HARD_WEIGHT if item.label == "benign_hard" else 1.0) / sizes[item.corpus, item.label]
        if item.label == "attack":
            strongest = max(range(len(item.sums)), key=item.sums.__getitem__)
            examples.append((item.features[strongest], True, weight))
        else:
            examples += [(features, False, weight / len(item.features)) for features in item.features]
    totals = {is_attack: sum(weight for _, was, weight in examples if was is is_attack) for is_attack in (True, False)}
    weights: Weights = collections.defaultdict(float, {"sum": 6.0, "bias": -6.0 * THRESHOLD})
    seen: dict[str, float] = collections.defaultdict(lambda: 1e-2)
    order = random.Random(1)
    for _ in range(_ROUNDS):
        order.shuffle(examples)
        for features, is_attack, weight in examples:
            error = _share(_score(weights, features)) - is_attack
            push = error * min(5.0, weight / totals[is_attack] * len(examples) / 2)
            for name, value in features.items():
                slope = push * value + _DECAY * weights[name]
                seen[name] += slope * slope
                weights[name] -= _STEP * slope / math.sqrt(seen[name])
    return dict(weights)


def _score(weights: Weights, features: Features) -> float:
    return sum(weights.get(name, 0.0) * value for name, value in features.items())


def _share(score: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def macro(evidence: Sequence[Evidence], flagged: Sequence[bool]) -> str:
    """Return the share flagged of each label, each corpus weighing the same."""
    tallies: dict[tuple[str, str], list[int]] = collections.defaultdict(lambda: [0, 0])
    for item, hit in zip(evidence, flagged, strict=True):
        tallies[item.label, item.corpus][0] += 1
        tallies[item.label, item.corpus][1] += hit
    parts = []
    for label in ("attack", "benign", "benign_hard"):
        shares = [100 * hit / seen for (kind, _), (seen, hit) in tallies.items() if kind == label]
        if shares:
            parts.append(f"{label} {sum(shares) / len(shares):.2f} %")
    return ", ".join(parts)


def main() -> None:
    detector = build_detector(Settings(), ROOT / "build" / "rules")
    evidence = list(gathered(detector, [Path(name) for name in sys.argv[1:]]))
    corpora = sorted({item.corpus for item in evidence})
    own = [any(one >= THRESHOLD - 1e-9 for one in item.sums) for item in evidence]
    print(f"confidences of the rules: {macro(evidence, own)}")
    unseen = {left_out: learned(evidence, set(corpora) - {left_out}) for left_out in corpora}
    for cut in _CUTS:
        hits = [any(_score(unseen[item.corpus], one) > cut for one in item.features) for item in evidence]
        print(f"weights learned on the other corpora, cut at {cut:+.0f}: {macro(evidence, hits)}")


if __name__ == "__main__":
    main()
