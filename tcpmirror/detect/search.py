"""The search of texts for many patterns: for rare literals and what the bytes allow; for the rest where those ask for it.

One database of all patterns costs 30 to 60 ns a byte, because the patterns that begin with something common are followed
from every such beginning. So (`factors`) of a pattern with rare literals only these are looked for, at about 1 ns a byte;
where one stands, the rule's patterns are searched for in a database of their own. Patterns without are looked for where the
text holds a byte of the family that they need. The databases are small, so a changed rule compiles in a moment, and the
others are found compiled.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from tcpmirror.detect.alphabet import FAMILIES, can_match, first_alphabet
from tcpmirror.detect.compiled import Expression, Matcher, Role, kept_text
from tcpmirror.detect.factors import family, literals
from tcpmirror.detect.text_search import OnMatch, Scan, TextSearch
from tcpmirror.model.alphabet import ALPHABETS, PLAIN

_WORDS: Final = b"abcdefghijklmnopqrstuvwxyz0123456789_"
_PLAIN: Final = ALPHABETS.index(PLAIN)
OTHERS: Final = _PLAIN + 1  # texts that hold bytes which are not plain
# Places in ALPHABETS for which databases are made: where texts come sorted, and where they are asked for their bytes.
SORTED: Final = range(OTHERS + 1)
UNSORTED: Final = (_PLAIN, OTHERS)
_NO_FAMILY: Final = frozenset(range(256)).difference(*FAMILIES[1:])


class Need(NamedTuple):
    """What a text must hold for a pattern to match: one of *literals*, as a pattern (empty: none); a byte of a family."""

    literals: bytes
    alphabet: int  # the first of ALPHABETS whose bytes may do, OTHERS at most
    is_short: bool  # bytes of no family but the first may do
    family: int


class Search:
    """Finds which of *expressions* match a text, each told once. Linear in the text."""

    def __init__(
        self, expressions: Sequence[Expression], cache_dir: Path | None, alphabets: Sequence[int] = UNSORTED
    ) -> None:
        """*alphabets*: of ALPHABETS, those that the texts are sorted by; each needs databases of its own."""
        self.expressions = tuple(expressions)
        patterns = [item.pattern for item in expressions]
        name, text = kept_text(patterns, lambda: json.dumps([_as_text(need_of(one)) for one in patterns]), cache_dir)
        needs = [Need(scouts.encode("latin-1"), *others) for scouts, *others in json.loads(text)]
        self._literals = {place: _Part(self._scouts(needs, place), cache_dir) for place in alphabets}
        self._always = {place: _Part(self._unled(needs, place), cache_dir) for place in alphabets}
        self._short = {place: _Part(self._allowed(needs, place), cache_dir) for place in alphabets}
        self._families = [
            _Part([(place, item) for place, item in self._weak(needs) if needs[place].family == which], cache_dir)
            for which in range(1, len(FAMILIES))
        ]
        by_rule: dict[int, list[tuple[int, Expression]]] = defaultdict(list)
        for place, item in enumerate(expressions):
            if needs[place].literals:
                by_rule[item.rule].append((place, item))
        self._asked_for = {rule: _Part(items, cache_dir) for rule, items in by_rule.items()}
        parts = [*self._families]
        for others in (self._literals, self._always, self._short, self._asked_for):
            parts += others.values()
        self.cache_names = frozenset[str]((name,)).union(*(part.matcher.cache_names for part in parts))

    def _weak(self, needs: Sequence[Need]) -> Iterable[tuple[int, Expression]]:
        return ((place, item) for place, item in enumerate(self.expressions) if not needs[place].literals)

    def _scouts(self, needs: Sequence[Need], alphabet: int) -> list[tuple[int, Expression]]:
        """Return the literals that every text of *alphabet* is searched for: they cost least among themselves."""
        return [
            (place, replace(item, pattern=need.literals))
            for place, (item, need) in enumerate(zip(self.expressions, needs, strict=True))
            if need.literals and need.alphabet <= alphabet
        ]

    def _unled(self, needs: Sequence[Need], alphabet: int) -> list[tuple[int, Expression]]:
        """Return the expressions without literals that every text of *alphabet* is searched for."""
        return [
            (place, item)
            for place, item in self._weak(needs)
            if (needs[place].alphabet <= alphabet if alphabet < OTHERS else needs[place].family == 0)
        ]

    def _allowed(self, needs: Sequence[Need], alphabet: int) -> list[tuple[int, Expression]]:
        """Return the expressions that can match in the bytes of *alphabet*; of OTHERS, in those of URLs."""
        return [
            (place, item)
            for place, (item, need) in enumerate(zip(self.expressions, needs, strict=True))
            if need.alphabet <= min(alphabet, _PLAIN) or (alphabet == OTHERS and need.is_short)
        ]

    def scanner(self, on_match: OnMatch, alphabet: int = OTHERS) -> TextSearch:
        """Return what searches a text and tells *on_match* of each expression's index; ScanTerminated if that ends it.

        *alphabet*: which of ALPHABETS the texts are written in; of those beyond the plain one they are asked themselves.
        """
        asked: set[int] = set()

        def on_literal(index: int, start: int, end: int, flags: int, context: object) -> None:
            asked.add(self.expressions[index].rule)

        is_sorted = alphabet != OTHERS
        places = (alphabet,) if is_sorted else UNSORTED
        first = [(self._literals[place].scanner(on_literal), self._always[place].scanner(on_match)) for place in places]
        by_family = [part.scanner(on_match) for part in self._families]
        searches = [
            (*first[1 if held else 0], *(scan for bit, scan in enumerate(by_family, 1) if held >> bit & 1))
            for held in range(1 if is_sorted else 1 << len(FAMILIES))
        ]
        asked_for = {rule: part.scanner(on_match) for rule, part in self._asked_for.items()}
        return TextSearch([self._short[place].scanner(on_match) for place in places], searches, asked_for, asked, is_sorted)


class Searches:
    """The search for the built-in expressions, and one for own ones behind them: each is compiled without the other."""

    def __init__(
        self,
        built_in: Sequence[Expression],
        own: Sequence[Expression],
        cache_dir: Path | None,
        alphabets: Sequence[int] = UNSORTED,
    ) -> None:
        self.expressions = (*built_in, *own)
        self._built_in = Search(built_in, cache_dir, alphabets)
        self._own = Search(own, cache_dir, alphabets) if own else None
        self.cache_names = self._built_in.cache_names | (self._own.cache_names if self._own else frozenset())

    def scanners(self, on_match: OnMatch, alphabet: int = OTHERS) -> list[TextSearch]:
        """Return the searches as calls; *on_match* is told the index in ``expressions``; ScanTerminated if that ends one."""
        first_own = len(self._built_in.expressions)
        own = self._own
        if own is None:
            return [self._built_in.scanner(on_match, alphabet)]

        def on_own(index: int, start: int, end: int, flags: int, context: object) -> bool | None:
            return on_match(first_own + index, start, end, flags, context)

        return [self._built_in.scanner(on_match, alphabet), own.scanner(on_own, alphabet)]


class Conditions:
    """What rules ask of a text besides their signs: searched for only where a sign of theirs was seen.

    Many are words that most texts hold, and a sign is rare.
    """

    def __init__(self, expressions: Sequence[Expression], first: int, cache_dir: Path | None) -> None:
        """*first*: the index of the first of *expressions* among all."""
        by_rule: dict[int, list[tuple[int, Expression]]] = defaultdict(list)
        for place, item in enumerate(expressions, first):
            by_rule[item.rule].append((place, item))
        self._parts = {rule: _Part(items, cache_dir) for rule, items in by_rule.items()}
        self.cache_names = frozenset[str]().union(*(part.matcher.cache_names for part in self._parts.values()))

    def scanners(self, on_match: OnMatch) -> dict[int, Scan]:
        """Return for each rule that has conditions what searches a text for them."""
        return {rule: part.scanner(on_match) for rule, part in self._parts.items()}


def by_role(expressions: Iterable[Expression]) -> tuple[list[Expression], list[Expression]]:
    """Return the signs among *expressions*, and the conditions."""
    signs: list[Expression] = []
    conditions: list[Expression] = []
    for item in expressions:
        (signs if item.role is Role.SIGN else conditions).append(item)
    return signs, conditions


class _Part:
    """A matcher over some of the expressions, and their places among all."""

    def __init__(self, items: Sequence[tuple[int, Expression]], cache_dir: Path | None) -> None:
        self.matcher = Matcher([item for _, item in items], cache_dir)
        self._places = [place for place, _ in items]

    def scanner(self, on_match: OnMatch) -> Scan:
        places = self._places
        return self.matcher.scanner(
            lambda index, start, end, flags, context: on_match(places[index], start, end, flags, context)
        )


def need_of(pattern: bytes) -> Need:
    """Return what a text must hold for *pattern* to match in it."""
    scouts = b"|".join(map(_escaped, sorted(literals(pattern))))
    alphabet = first_alphabet(pattern, ALPHABETS[: OTHERS + 1])
    return Need(scouts, alphabet, can_match(pattern, _NO_FAMILY), 0 if scouts else family(pattern))


def _as_text(need: Need) -> tuple[str, int, bool, int]:
    return need.literals.decode("latin-1"), need.alphabet, need.is_short, need.family


def _escaped(literal: bytes) -> bytes:
    return b"".join(bytes((byte,)) if byte in _WORDS else b"\\x%02x" % byte for byte in literal)
