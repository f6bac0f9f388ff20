"""The figures in the documentation are those measured, and what was reached is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench.detection import COSTS, FIGURES, PAGE, measure, tables

CORPORA = os.environ.get("TCPMIRROR_CORPORA", "")
SLACK = {"attack": 0.5, "benign": 0.15, "benign_hard": 0.5}  # per cent: a few records in the smaller corpora


def test_the_page_shows_what_was_measured() -> None:
    assert tables(json.loads(FIGURES.read_text()), json.loads(COSTS.read_text())) in PAGE.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not CORPORA, reason="TCPMIRROR_CORPORA names no directory of labelled requests")
def test_what_was_reached_is_kept() -> None:
    """Attacks may only be found more often, also of each category, and harmless requests only less often than the figures say."""
    before, now = json.loads(FIGURES.read_text()), measure([Path(CORPORA)])
    worse = {}
    for key, row in before.items():
        label = key.split("/")[0]
        change = now[key]["flagged"] - row["flagged"]
        if (-change if label == "attack" else change) > SLACK[label]:
            worse[key] = (row["flagged"], now[key]["flagged"])
        for name, item in row["categories"].items():
            found = now[key]["categories"][name]["flagged"]
            if item["flagged"] - found > max(SLACK["attack"], 100.5 / item["n"]):  # one record in the smallest
                worse[f"{key}: {name}"] = (item["flagged"], found)
    assert worse == {}
