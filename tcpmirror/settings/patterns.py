"""Regular expressions, globs and NGINX-like locations of a settings file: may they be used as they stand?

The native node reads RE2; here Python's `re` does the matching. A pattern is accepted when both read it alike, so what RE2
has and `re` has not (or the other way round) is refused with what to write instead, never silently understood otherwise.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

PATTERN_CHARACTERS: Final = 4096  # nginx reads configuration tokens up to 4 KiB

_ONLY_PYTHON: Final = {
    "(?=": "a look-ahead",
    "(?!": "a look-ahead",
    "(?<=": "a look-behind",
    "(?<!": "a look-behind",
    "(?P=": "a back-reference",
    "(?(": "a condition",
    "(?>": "an atomic group",
    "(?#": "a comment group",
}
_ONLY_RE2: Final = {
    "\\z": "`\\z` is not known: write `\\Z` or `$`",
    "\\C": "`\\C` is not known: write `.`",
    "\\Q": "`\\Q...\\E` is not known: escape each character",
    "\\p": "`\\p` classes are not known: name the characters",
    "\\P": "`\\P` classes are not known: name the characters",
    "(?U": "`(?U)` is not known: write `*?` for `*`",
}


def pattern_fault(pattern: str) -> str:
    """Return what is wrong with a regular expression, in words; empty if it can be used."""
    if len(pattern) > PATTERN_CHARACTERS:
        return f"the pattern is longer than {PATTERN_CHARACTERS} characters"
    if fault := _dialect_fault(pattern):
        return fault
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        return f"{pattern!r} does not compile: {error}"
    return ""


def _dialect_fault(pattern: str) -> str:
    """Find what only one of RE2 and `re` understands; escapes and classes are skipped over as both do."""
    at, in_class = 0, False
    while at < len(pattern):
        if pattern[at] == "\\":
            pair = pattern[at : at + 2]
            if pair in _ONLY_RE2:
                return _ONLY_RE2[pair]
            if not in_class and pair[1:].isdigit() and pair != "\\0":
                return f"{pair!r} is a back-reference: RE2 patterns have none"
            at += 2
            continue
        if in_class:
            if pattern.startswith("[:", at):
                return "`[:name:]` classes are not known: name the characters, as in [a-zA-Z]"
            in_class = pattern[at] != "]"
        elif pattern[at] == "[":
            in_class = True
            at += 1 + pattern.startswith("^", at + 1)
            at += pattern.startswith("]", at)  # a bracket first in a class is a character
            continue
        elif pattern[at] == "(" and (fault := _group_fault(pattern, at)):
            return fault
        at += 1
    return ""


def _group_fault(pattern: str, at: int) -> str:
    for opening, name in _ONLY_PYTHON.items():
        if pattern.startswith(opening, at):
            return f"`{opening}` begins {name}: RE2 patterns have none"
    return next((words for opening, words in _ONLY_RE2.items() if opening[0] == "(" and pattern.startswith(opening, at)), "")


def location_fault(location: str) -> str:
    """Return what is wrong with an NGINX-like location (`= /x`, `~ regex`, `~* regex`, `^~ /x`, `/x`); empty if nothing."""
    for mark in ("~*", "~"):
        if location.startswith(mark):
            return pattern_fault(location.removeprefix(mark).strip()) if location != mark else f"no pattern after `{mark}`"
    path = location.removeprefix("^~").removeprefix("=").strip()
    return "" if path.startswith("/") else f"{location!r}: the path must begin with a slash"


def glob_fault(glob: str) -> str:
    """Return what is wrong with a host glob (Go's `path.Match`: `*`, `?`, `[a-z]`, `[^a-z]`, `\\c`); empty if nothing."""
    at = 0
    while at < len(glob):
        if glob[at] == "\\":
            if at + 1 == len(glob):
                return f"{glob!r} ends in a backslash"
            at += 1
        elif glob[at] == "[":
            closing = re.compile(r"\[\^?(?:\\.|[^\]\\])+\]").match(glob, at)
            if closing is None:
                return f"{glob!r} has a `[` without its `]`"
            at = closing.end() - 1
        at += 1
    return ""
