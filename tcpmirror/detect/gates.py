"""The first tier's search: each part of a normal form is searched for the patterns that its alphabet allows, no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tcpmirror.detect.alphabet import first_alphabet
from tcpmirror.detect.compiled import Expression, Matchers, Role, gate_expressions
from tcpmirror.detect.pack import Rule
from tcpmirror.detect.verdict import THRESHOLD
from tcpmirror.model.alphabet import ALPHABETS


class Gates:
    """The gates of *rules*: one matcher an alphabet, in the order of the model's ALPHABETS."""

    def __init__(self, rules: Sequence[Rule], cache_dir: Path | None) -> None:
        self.rules = rules
        expressions = [(first_alphabet(item.pattern, ALPHABETS), item) for item in gate_expressions(rules)]
        self._searches = [
            _Search(rules, [item for first, item in expressions if first <= place], cache_dir)
            for place in range(len(ALPHABETS))
        ]

    @property
    def cache_names(self) -> frozenset[str]:
        return frozenset[str]().union(*(search.cache_names for search in self._searches))

    def matched(self, form: Iterable[bytes]) -> list[Expression]:
        """Return the expressions that match somewhere in *form*, up to the first that decides alone."""
        seen: list[Expression] = []
        for text, search in zip(form, self._searches, strict=True):
            if text and not search.add_matches(text, seen):
                break
        return seen

    def adds_up(self, seen: Iterable[Expression]) -> bool:
        """Tell whether the rules of the expressions in *seen*, wherever they matched, could make a finding of one type."""
        totals: dict[str, float] = {}
        matched = set(seen)
        musts = {(item.rule, item.group) for item in matched if item.role is Role.MUST}
        for index in {item.rule for item in matched if item.role is Role.SIGN}:
            rule = self.rules[index]
            if all((index, group) in musts for group in range(len(rule.must))):
                totals[rule.type] = totals.get(rule.type, 0) + rule.confidence
        return any(total >= THRESHOLD - 1e-9 for total in totals.values())


class _Search:
    """The matchers over the expressions of one alphabet."""

    def __init__(self, rules: Sequence[Rule], expressions: Sequence[Expression], cache_dir: Path | None) -> None:
        own = [item for item in expressions if rules[item.rule].own]
        built_in = [item for item in expressions if not rules[item.rule].own]
        self._matchers = Matchers(built_in, own, cache_dir)
        self.cache_names = self._matchers.cache_names
        self._decides = [
            item.role is Role.SIGN and not rules[item.rule].must and rules[item.rule].confidence >= THRESHOLD
            for item in self._matchers.expressions
        ]
        self._indices: list[int] = []

    def add_matches(self, text: bytes, seen: list[Expression]) -> bool:
        """Add what matches in *text* to *seen*; False after one that decides alone."""
        indices = self._indices
        indices.clear()
        goes_on = self._matchers.scan(text, self._on_match)
        seen.extend(self._matchers.expressions[index] for index in indices)
        return goes_on

    def _on_match(self, index: int, start: int, end: int, flags: int, context: object) -> bool | None:
        self._indices.append(index)
        return self._decides[index] or None
