"""The project's own sets of attacks and of harmless values, by kind: shares found and flagged that may only get better."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
import yaml

from tcpmirror.detect.detector import Detector
from tcpmirror.model.exchange import Exchange
from tests.detect.requests import PLACES, request

HERE = Path(__file__).parent
ATTACKS: dict[str, list[str]] = yaml.safe_load((HERE / "attacks.yaml").read_text(encoding="utf-8"))
HARMLESS: dict[str, list[str]] = yaml.safe_load((HERE / "harmless.yaml").read_text(encoding="utf-8"))
# How many of a kind may be missed in any one place, and how many of a kind may be flagged there: they can only fall.
MISSED: dict[str, int] = {}
FLAGGED: dict[str, int] = {"names": 1, "code": 1, "sentences": 1}
FOR_ATTACKS = ("query", "form", "JSON", "cookie", "header of its own")
FOR_HARMLESS = ("query", "form", "JSON", "multipart", "XML", "cookie")
FOR_EDITORS = ("markup",)  # kinds that nobody puts where a page is addressed


def _as_text(value: bytes) -> Exchange:
    """*value* as editors send it: in a field for text."""
    return request(b"POST", b"/notes", b"", b"comment=" + quote_from_bytes(value, safe="").encode())


def _in_places(values: list[str], places: tuple[str, ...]) -> Iterator[tuple[str, list[bytes]]]:
    return ((place, [value.encode() for value in values]) for place in places)


def test_the_sets_are_worth_a_figure() -> None:
    assert sum(map(len, ATTACKS.values())) >= 220
    assert sum(map(len, HARMLESS.values())) >= 110
    assert all(len(values) == len(set(values)) for values in (*ATTACKS.values(), *HARMLESS.values()))


@pytest.mark.parametrize("kind", ATTACKS)
def test_attacks_are_found(detector: Detector, kind: str) -> None:
    for place, values in _in_places(ATTACKS[kind], FOR_ATTACKS):
        missed = [value for value in values if not detector.inspect(PLACES[place](value))]
        assert len(missed) <= MISSED.get(kind, 0), (place, missed)


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_is_harmless_is_not_flagged(detector: Detector, kind: str) -> None:
    if kind in FOR_EDITORS:
        assert [value for value in HARMLESS[kind] if detector.inspect(_as_text(value.encode()))] == []
        return
    for place, values in _in_places(HARMLESS[kind], FOR_HARMLESS):
        flagged = [value for value in values if detector.inspect(PLACES[place](value))]
        assert len(flagged) <= FLAGGED.get(kind, 0), (place, flagged)
