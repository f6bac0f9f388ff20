"""All expressions and phrases of a rule set in one Hyperscan database: a value is scanned once for all rules."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

import hyperscan

from tcpmirror.detect.compiled import RefusedPattern, open_database
from tcpmirror.detect.seclang.grammar import Operator
from tcpmirror.detect.seclang.operators import phrases

# As libmodsecurity compiles expressions: "." matches line ends, "^" and "$" match at each line.
_FLAGS: Final = hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SINGLEMATCH
_EXPRESSION: Final = _FLAGS | hyperscan.HS_FLAG_ALLOWEMPTY
_PHRASE: Final = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
# What Hyperscan can only tell roughly: look-around, back-references, atomic groups, possessive repeats, conditions.
_ROUGH: Final = re.compile(r"\(\?(?:[=!>(|#]|<[=!])|\\[1-9]|[+*?}]\+|\\[GKRX]|\\g\{|\(\?P?[<'=]")
_POSIX: Final = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "ascii": r"\x00-\x7f",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "A-Fa-f0-9",
}
LOOKED_AT: Final = 8192  # bytes of a value that a backtracking expression is let loose on
_REMEMBERED: Final = 16_384
_SHORT: Final = 512


class Scanner:
    """Tells which operators match a value. An operator's number is its place in ``operators``."""

    def __init__(self, operators: Iterable[Operator], cache_dir: Path | None) -> None:
        self.operators = tuple(dict.fromkeys((item.name, item.argument) for item in operators))
        self.number = {key: at for at, key in enumerate(self.operators)}
        self._exact: dict[int, re.Pattern[bytes] | None] = {}
        self._rough: set[int] = set()
        patterns: list[bytes] = []
        flags: list[int] = []
        self._owners: list[int] = []
        for at, (name, argument) in enumerate(self.operators):
            if name in ("rx", "rxglobal"):
                texts, flag = [_bytes(argument)], _EXPRESSION
                if _ROUGH.search(argument):
                    flag |= hyperscan.HS_FLAG_PREFILTER
                    self._rough.add(at)
            else:
                texts, flag = [_literal(phrase) for phrase in phrases(name, argument)], _PHRASE
            patterns += texts
            flags += [flag] * len(texts)
            self._owners += [at] * len(texts)
        self._database = self._open(patterns, flags, cache_dir) if patterns else None
        self._scratch = hyperscan.Scratch(self._database) if patterns else None
        self._known: dict[bytes, frozenset[int]] = {}

    def matches(self, value: bytes) -> frozenset[int]:
        """Return the numbers of the operators that match *value*."""
        known = self._known.get(value)
        if known is not None:
            return known
        found = self._scan(value)
        if len(value) <= _SHORT:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[value] = found
        return found

    def groups(self, at: int, value: bytes) -> tuple[bytes, ...]:
        """Return what operator *at* matched in *value*, whole and by group; empty where it cannot be told."""
        name, argument = self.operators[at]
        if name not in ("rx", "rxglobal"):
            folded = value.lower()
            return next(((phrase,) for phrase in phrases(name, argument) if phrase.lower() in folded), ())
        exact = self._expression(at)
        match = exact.search(value[:LOOKED_AT]) if exact is not None else None
        return (match[0], *(group or b"" for group in match.groups())) if match is not None else ()

    def _scan(self, value: bytes) -> frozenset[int]:
        if self._database is None:
            return frozenset()
        seen: set[int] = set()
        owners = self._owners
        self._database.scan(value, match_event_handler=lambda index, *where: seen.add(owners[index]), scratch=self._scratch)
        for at in seen & self._rough:
            exact = self._expression(at)
            if exact is not None and exact.search(value[:LOOKED_AT]) is None:
                seen.discard(at)
        return frozenset(seen)

    def _expression(self, at: int) -> re.Pattern[bytes] | None:
        if at not in self._exact:
            try:
                self._exact[at] = compiled(self.operators[at][1])
            except re.error:  # Hyperscan took it, so it is a question of captures only
                self._exact[at] = None
        return self._exact[at]

    def _open(self, patterns: list[bytes], flags: list[int], cache_dir: Path | None) -> hyperscan.Database:
        """Return the database. What Hyperscan takes only roughly, or not at all, is found once and kept beside it.

        What it takes roughly Python's engine confirms; what it does not take matches everything, and is confirmed, too.
        """
        digest = hashlib.sha256(b"\0".join((*patterns, repr(flags).encode()))).hexdigest()[:32]
        note = cache_dir / f"{digest}.json" if cache_dir else None
        rough, wide = _read_note(note, len(patterns)) or _trial(patterns, flags)
        for index in rough:
            flags[index] |= hyperscan.HS_FLAG_PREFILTER
            self._rough.add(self._owners[index])
        for index in wide:
            patterns[index] = b".*"
        database = open_database(patterns, flags, cache_dir)
        if note and not note.exists():
            with suppress(OSError):  # a full disk only costs the time to find it again
                note.write_text(json.dumps([rough, wide]))
        return database


def _read_note(note: Path | None, count: int) -> tuple[list[int], list[int]] | None:
    if note is None:
        return None
    try:
        rough, wide = json.loads(note.read_text())
        is_good = all(isinstance(index, int) and 0 <= index < count for index in (*rough, *wide))
    except (OSError, ValueError, TypeError):
        return None
    return (rough, wide) if is_good else None


def _trial(patterns: list[bytes], flags: list[int]) -> tuple[list[int], list[int]]:
    """Return the places of the patterns that Hyperscan takes as prefilters only, and of those it does not even take so."""
    prefilter = hyperscan.HS_FLAG_PREFILTER
    rough = [at for at, pattern in enumerate(patterns) if flags[at] & prefilter or not takes(pattern, flags[at])]
    return rough, [at for at in rough if not takes(patterns[at], flags[at] | prefilter)]


def takes(pattern: bytes, flags: int) -> bool:
    """Tell whether Hyperscan takes *pattern*."""
    try:
        open_database([pattern], [flags], None)
    except RefusedPattern:
        return False
    return True


def expression_problem(operator: Operator) -> str:
    """Return why the expression of *operator* cannot be run; empty where it can, or is none."""
    if operator.name not in ("rx", "rxglobal") or "%{" in operator.argument:
        return ""
    try:
        compiled(operator.argument)
    except re.error as error:
        return f"the expression is not understood: {error}"
    return ""


def compiled(argument: str) -> re.Pattern[bytes]:
    """Return the expression for Python's engine; `re.error` where it is none.

    What PCRE has beyond it is rewritten: POSIX classes, ``(?i)`` behind an anchor, look-behinds of several widths.
    """
    text = re.sub(r"\[:(\w+):\]", lambda match: _POSIX.get(match[1], match[0]), argument)
    text = text.replace(r"\z", r"\Z").replace(r"\h", r"[ \t]")
    folds = re.match(r"[\^(]*\(\?i\)", text) is not None
    if folds:
        text = text.replace("(?i)", "", 1)
    return re.compile(_bytes(_split_look_behind(text)), re.DOTALL | re.MULTILINE | (re.IGNORECASE if folds else 0))


def _split_look_behind(text: str) -> str:
    """Write a look-behind of several alternatives as one look-behind each: Python wants one width in each."""
    start = 0
    while (start := text.find("(?<", start)) >= 0:
        kind = text[start + 3 : start + 4]
        if kind not in ("!", "="):
            start += 3
            continue
        end, bars = _alternatives(text, start)
        edges = [start + 3, *bars, end]
        parts = [f"(?<{kind}{text[low + 1 : high]})" for low, high in pairwise(edges)]
        whole = "".join(parts) if kind == "!" else f"(?:{'|'.join(parts)})"
        text = text[:start] + whole + text[end + 1 :]
        start += len(whole)
    return text


def _alternatives(text: str, start: int) -> tuple[int, list[int]]:
    """Return where the group that opens at *start* ends, and where its own bars stand."""
    depth, at, in_class = 0, start, False
    bars: list[int] = []
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            at += text[at + 1 : at + 2] == "]"
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at, bars
        elif char == "|" and depth == 1:
            bars.append(at)
        at += 1
    return len(text), bars


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _literal(phrase: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte if not chr(byte).isalnum() or byte > 127 else bytes([byte]) for byte in phrase)
