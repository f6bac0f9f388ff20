import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.settings.patterns import glob_fault, location_fault, pattern_fault

ACCEPTED = {
    "plain": "/api/.*",
    "flags": "(?i)^/health$",
    "named group": "(?P<id>[0-9]+)",
    "non-capturing": "(?:a|b){1,3}?",
    "a bracket first in a class": "[]a]+",
    "what looks like look-ahead within a class": "[(?=]",
    "escaped parenthesis": r"\(?=x",
    "escapes": r"\d\w\s\b\.",
}
REFUSED = {
    "look-ahead": ("a(?=b)", "look-ahead"),
    "look-behind": ("(?<!a)b", "look-behind"),
    "back-reference": (r"(a)\1", "back-reference"),
    "named back-reference": ("(?P<a>x)(?P=a)", "back-reference"),
    "atomic group": ("(?>a)", "atomic"),
    "POSIX class": ("[[:alpha:]]", "name the characters"),
    "Unicode class": (r"\pL+", "name the characters"),
    "RE2's end of text": (r"a\z", r"\Z"),
    "unbalanced": ("(a", "does not compile"),
    "nothing to repeat": ("*a", "does not compile"),
    "ends in an escape": ("a\\", "does not compile"),
    "a huge count": ("a{99999999999}", "does not compile"),
    "too long": ("a" * 4097, "longer"),
}


@pytest.mark.parametrize("pattern", ACCEPTED.values(), ids=ACCEPTED)
def test_pattern_that_both_dialects_read_alike_is_accepted(pattern: str) -> None:
    assert pattern_fault(pattern) == ""


@pytest.mark.parametrize(("pattern", "words"), REFUSED.values(), ids=REFUSED)
def test_pattern_is_refused_in_words(pattern: str, words: str) -> None:
    assert words in pattern_fault(pattern)


@given(st.text(alphabet="ab()[]{}?*+|\\^$:=!<>P1z,-", max_size=30))
def test_what_is_accepted_compiles(pattern: str) -> None:
    if not pattern_fault(pattern):
        re.compile(pattern)


LOCATIONS = {
    "prefix": ("/api", True),
    "exact": ("= /api", True),
    "prefix before patterns": ("^~ /api", True),
    "pattern": ("~ ^/v[0-9]+", True),
    "pattern without a space": ("~*\\.php$", True),
    "bad pattern": ("~ (", False),
    "mark alone": ("~", False),
    "no slash": ("api", False),
    "exact without a path": ("=", False),
}
GLOBS = {
    "plain": ("example.com", True),
    "star": ("*.example.com", True),
    "class": ("[^a-z]x?", True),
    "escape": ("a\\*", True),
    "open class": ("[a-z", False),
    "empty class": ("[]", False),
    "ends in a backslash": ("a\\", False),
}


@pytest.mark.parametrize(("location", "good"), LOCATIONS.values(), ids=LOCATIONS)
def test_location(location: str, good: bool) -> None:
    assert (location_fault(location) == "") is good


@pytest.mark.parametrize(("glob", "good"), GLOBS.values(), ids=GLOBS)
def test_glob(glob: str, good: bool) -> None:
    assert (glob_fault(glob) == "") is good
