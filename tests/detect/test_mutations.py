"""Disguises: what is found plainly is found under each decoder's encoding, in other case, with other blanks and comments."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from urllib.parse import quote_from_bytes

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.pack import load_pack
from tests.detect.requests import PLACES

FOUND_SHARE = 0.97


def _quoted(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="").encode()


def _utf8(value: bytes) -> str:
    return value.decode("utf-8", "replace")


DISGUISES: dict[str, Callable[[bytes], bytes]] = {
    "percent": _quoted,
    "percent twice": lambda value: _quoted(_quoted(value)),
    "percent of IIS": lambda value: b"".join(b"%%u%04x" % byte for byte in value),
    "HTML entities": lambda value: b"".join(b"&#x%x;" % byte for byte in value),
    "decimal entities": lambda value: b"".join(b"&#%d;" % byte for byte in value),
    "hex escapes": lambda value: b"".join(b"\\x%02x" % byte for byte in value),
    "JS escapes": lambda value: b"".join(b"\\u%04x" % byte for byte in value),
    "Base64": base64.b64encode,
    "Base64 without padding": lambda value: base64.b64encode(value).rstrip(b"="),
    "base64url": lambda value: base64.urlsafe_b64encode(value).rstrip(b"="),
    "Base64 twice": lambda value: base64.b64encode(base64.b64encode(value)),
    "gzip in Base64": lambda value: base64.b64encode(gzip.compress(value, mtime=0)),
    "a NUL behind": lambda value: value + b"\0",
    "full-width brackets": lambda value: (
        _utf8(value).translate({ord(sign): ord(sign) + 0xFEE0 for sign in "<>(){}'"}).encode()
    ),
}
pytestmark = pytest.mark.slow
# Too short for a decoder to be sure, or text that is found only as it stands.
SHORT = 9
# Headers are judged by fewer rules, and the text that shows UTF-16 stands before the value.
NARROW = ("cookie", "header of its own", "body in UTF-16 without a mark")


def _attacks(detector: Detector) -> list[tuple[str, bytes]]:
    """The built-in rules' own examples that are values, are found as a parameter, and are long enough to hide."""
    values = [(rule.type, example) for rule in load_pack().rules if not rule.is_for_responses for example in rule.matching]
    plain = [item for item in values if len(item[1]) >= SHORT and not item[1].startswith((b"GET /", b"POST /"))]
    return [item for item in plain if detector.inspect(PLACES["query"](item[1]))]


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_disguised_attacks_are_found(detector: Detector, disguise: Callable[[bytes], bytes]) -> None:
    attacks = _attacks(detector)
    assert len(attacks) > 200
    missed = [value for _, value in attacks if not detector.inspect(PLACES["query"](disguise(value)))]
    assert len(missed) <= (1 - FOUND_SHARE) * len(attacks), missed


@pytest.mark.parametrize("place", [place for place in PLACES if place not in NARROW])
def test_an_attack_is_found_wherever_a_value_may_stand(detector: Detector, place: str) -> None:
    attacks = [item for item in _attacks(detector) if item[1].isascii()]
    missed = [value for _, value in attacks if not detector.inspect(PLACES[place](value))]
    assert len(missed) <= (1 - FOUND_SHARE) * len(attacks), missed


# A step up whose dots or slash are encoded is no step that a client makes, so those are left out.
HARMLESS = [
    example
    for rule in load_pack().rules
    for example in rule.harmless
    if not example.startswith((b"GET /", b"POST /")) and b"../" not in example and b".//" not in example
]


@pytest.mark.parametrize("place", PLACES)
def test_wrapping_harmless_text_changes_no_verdict(detector: Detector, place: str) -> None:
    clean = [value for value in HARMLESS if not detector.inspect(PLACES["query"](value)) and value.isascii()]
    clean = [value for value in clean if not detector.inspect(PLACES["form"](value))]
    assert len(clean) > 200
    alarmed = [value for value in clean if detector.inspect(PLACES[place](value))]
    assert len(alarmed) <= 0.01 * len(clean), alarmed
