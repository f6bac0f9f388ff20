"""The first tier's search: each part of a normal form is searched for the patterns that its alphabet allows, no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tcpmirror.detect.alphabet import first_alphabet
from tcpmirror.detect.compiled import Expression, Matchers, OnMatch, Role, ScanTerminated, gate_expressions
from tcpmirror.detect.pack import Rule
from tcpmirror.detect.verdict import THRESHOLD
from tcpmirror.model.alphabet import ALPHABETS


class Gates:
    """The gates of *rules*: one matcher an alphabet, in the order of the model's ALPHABETS, and one for what files hold."""

    def __init__(self, rules: Sequence[Rule], cache_dir: Path | None) -> None:
        self.rules = rules
        expressions = [(first_alphabet(item.pattern, ALPHABETS), item) for item in gate_expressions(rules)]
        self._seen: list[Expression] = []
        searches = [
            *(
                _matchers(rules, [item for first, item in expressions if first <= place], cache_dir)
                for place in range(len(ALPHABETS))
            ),
            _matchers(rules, [item for _, item in expressions if rules[item.rule].files], cache_dir),
        ]
        self.cache_names = frozenset[str]().union(*(search.cache_names for search in searches))
        self._scanners = [search.scanners(self._noting(search.expressions)) for search in searches]

    def _noting(self, expressions: Sequence[Expression]) -> OnMatch:
        """Return what notes a match of *expressions*, and ends the scan after one that decides alone."""
        decides = [
            item.role is Role.SIGN and not self.rules[item.rule].must and self.rules[item.rule].confidence >= THRESHOLD
            for item in expressions
        ]

        def note(index: int, start: int, end: int, flags: int, context: object) -> bool | None:
            self._seen.append(expressions[index])
            return decides[index] or None

        return note

    def matched(self, form: Iterable[bytes]) -> list[Expression]:
        """Return the expressions that match somewhere in *form*, up to the first that decides alone."""
        self._seen = []
        try:
            for text, scanners in zip(form, self._scanners, strict=True):
                if text:
                    for scan in scanners:
                        scan(text)
        except ScanTerminated:
            pass
        return self._seen

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


def _matchers(rules: Sequence[Rule], expressions: Sequence[Expression], cache_dir: Path | None) -> Matchers:
    own = [item for item in expressions if rules[item.rule].own]
    return Matchers([item for item in expressions if not rules[item.rule].own], own, cache_dir)
