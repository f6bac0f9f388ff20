"""The first tier's search: each part of a normal form is searched for the patterns that its bytes allow, no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tcpmirror.detect.compiled import Expression, Role, gate_expressions
from tcpmirror.detect.pack import Rule
from tcpmirror.detect.search import OTHERS, SORTED, UNSORTED, Conditions, Searches, by_role
from tcpmirror.detect.text_search import FormSearch, OnMatch
from tcpmirror.detect.verdict import THRESHOLD
from tcpmirror.model.alphabet import ALPHABETS


class Gates:
    """The gates of *rules*: one search for the texts of any alphabet, and one for what files hold."""

    def __init__(self, rules: Sequence[Rule], cache_dir: Path | None) -> None:
        self.rules = rules
        expressions, musts = by_role(gate_expressions(rules))
        self._seen: list[Expression] = []
        conditions = Conditions(musts, 0, cache_dir)
        self._conditions = conditions.scanners(self._noting(musts))
        texts = _searches(rules, expressions, cache_dir, SORTED)
        files = _searches(rules, [item for item in expressions if rules[item.rule].files], cache_dir)
        self.cache_names = texts.cache_names | files.cache_names | conditions.cache_names
        note = self._noting(texts.expressions)
        by_alphabet = [texts.scanners(note, alphabet) for alphabet in SORTED]
        of_files = files.scanners(self._noting(files.expressions))
        self.search = FormSearch([*(by_alphabet[min(place, OTHERS)] for place in range(len(ALPHABETS))), of_files])

    def _noting(self, expressions: Sequence[Expression]) -> OnMatch:
        """Return what notes a match of *expressions*, and ends the scan after one that decides alone."""
        decides = [
            item.role is Role.SIGN and not self.rules[item.rule].must and self.rules[item.rule].confidence >= THRESHOLD
            for item in expressions
        ]

        def note(index: int, start: int, end: int, flags: int, context: object) -> bool | None:
            self.search.seen.append(expressions[index])
            return decides[index] or None

        return note

    def matched(self, form: tuple[bytes, ...]) -> list[Expression]:
        """Return the expressions that match somewhere in *form*, up to the first that decides alone."""
        found = self.search(form)
        return self.completed(form, found) if found else []

    def completed(self, form: tuple[bytes, ...], found: int) -> list[Expression]:
        """Return what ``search`` saw in *form*, and conditions of the rules; *found* is what it returned."""
        seen: list[Expression] = self.search.seen
        if found == 1:
            for rule in {item.rule for item in seen} & self._conditions.keys():
                for text in filter(None, form):
                    self._conditions[rule](text)
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


def _searches(
    rules: Sequence[Rule], expressions: Sequence[Expression], cache_dir: Path | None, alphabets: Sequence[int] = UNSORTED
) -> Searches:
    own = [item for item in expressions if rules[item.rule].own]
    return Searches([item for item in expressions if not rules[item.rule].own], own, cache_dir, alphabets)
