"""Inputs that once showed a fault, the seeds, and some mutations of both: each target's invariant holds for them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
FOUND = sorted(path.relative_to(CORPUS) for path in CORPUS.rglob("*") if path.is_file())
MUTATIONS = 150


@pytest.mark.parametrize("path", FOUND, ids=str)
def test_what_was_found_once_holds(path: Path) -> None:
    TARGETS[path.parts[0]].check((CORPUS / path).read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_their_mutations_hold(name: str) -> None:
    target, dice = TARGETS[name], random.Random(7)
    seeds = [*target.seeds(), b""]
    mutator = Mutator(dice, target.words, target.longest)
    for data in seeds + [mutator.make(dice.choice(seeds), dice.choice(seeds)) for _ in range(MUTATIONS)]:
        target.check(data)
