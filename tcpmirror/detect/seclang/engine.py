"""SecLang rules run over requests: chains, variables, anomaly scores; a finding for what a denied request showed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from tcpmirror.detect.seclang.grammar import Variable
from tcpmirror.detect.seclang.operators import COMPARISONS, JUDGED, SCANNED, number
from tcpmirror.detect.seclang.pruning import pruned
from tcpmirror.detect.seclang.rules import Link, Marker, Removal, SecRule, SetVariable
from tcpmirror.detect.seclang.ruleset import Ruleset, rules_meant
from tcpmirror.detect.seclang.scanner import LOOKED_AT, Scanner, compiled
from tcpmirror.detect.seclang.transaction import CHANGING, Item, Transaction
from tcpmirror.detect.seclang.transformations import transform
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding

PAYLOAD_BYTES: Final = 512
_MACRO: Final = re.compile(r"%\{([^{}]{1,128})\}")
_REMEMBERED: Final = 16_384
_CONFIDENCE: Final = {"EMERGENCY": 0.95, "ALERT": 0.95, "CRITICAL": 0.9, "ERROR": 0.8, "WARNING": 0.7, "NOTICE": 0.6}
# Words in tags and the attack types they mean; what none of them names is a rule of the operator's own.
_TYPES: Final = (
    ("sqli", "sqli"),
    ("xss", "xss"),
    ("lfi", "ptrav"),
    ("rfi", "ptrav"),
    ("rce", "rce"),
    ("injection-php", "rce"),
    ("injection-java", "rce"),
    ("injection-generic", "rce"),
    ("injection-nodejs", "rce"),
    ("ssrf", "ssrf"),
    ("ssti", "ssti"),
    ("ldap", "ldapi"),
    ("nosql", "nosqli"),
    ("scanner", "scanner"),
    ("reputation", "scanner"),
    ("header-injection", "crlf"),
    ("response-splitting", "crlf"),
    ("request-smuggling", "crlf"),
)
OTHER_TYPE: Final = "vpatch"
EVERYWHERE: Final = -1

Judges = Mapping[str, Callable[[bytes], bool]]


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule that matched, and where."""

    rule: SecRule
    item: Item


@dataclass(slots=True)
class Verdict:
    """What the rules said of one request: ``denied``: one of them, or the sum of scores, would have it blocked."""

    matched: list[Matched] = field(default_factory=list)
    denied: list[SecRule] = field(default_factory=list)
    tx: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """``paranoia_level`` 1 to 4 and ``threshold`` of the anomaly score, unless the rules set them themselves."""

    paranoia_level: int = 1
    threshold: int = 5


class Engine:
    """Runs a rule set; not to be shared between threads. *judges* are the tokenizers: `sqli` and `xss`, of a value."""

    def __init__(
        self, ruleset: Ruleset, options: Options, judges: Judges, cache_dir: Path | None = None, prune: bool = True
    ) -> None:
        level, threshold = b"%d" % options.paranoia_level, b"%d" % options.threshold
        tx = {"paranoia_level": level, "blocking_paranoia_level": level, "inbound_anomaly_score_threshold": threshold}
        tx["crs_setup_version"] = b"1"  # these settings are what its set-up file would say
        items = ruleset.items
        if prune:
            items, tx = pruned(items, tx)
        self._tx = tx
        self._judges = judges
        self._defaults = ruleset.defaults
        self._phases = [
            _Phase([item for item in items if isinstance(item, Marker) or item.phase == phase]) for phase in (1, 2)
        ]
        self.rules = [item for item in items if isinstance(item, SecRule)]
        links = [link for rule in self.rules for link in rule.links]
        self._scanner = Scanner((link.operator for link in links if _is_scanned(link) and link.operator), cache_dir)
        self._looks: list[tuple[tuple[str, ...], str]] = []
        self._plans = {rule.id: tuple(self._plan(link) for link in rule.links) for rule in self.rules}
        self._seen: dict[tuple[int, bytes], frozenset[int]] = {}
        self._removed: dict[Removal, tuple[int, ...]] = {
            removal: tuple(rules_meant(self.rules, removal)) for link in links for removal in link.removals
        }
        self._judged: dict[tuple[str, bytes], bool] = {}
        self.inspected = 0

    def inspect(self, exchange: Exchange) -> list[Finding]:
        """Return what *exchange* shows; empty where its score stays below the threshold."""
        self.inspected += 1
        verdict = self.evaluate(exchange)
        if not verdict.denied:
            return []
        told = [item for item in verdict.matched if item.rule.is_logged and item.rule.message]
        shown = [item for item in told if item.rule not in verdict.denied] or verdict.matched[-1:]
        return list(dict.fromkeys(map(_finding, shown)))

    def evaluate(self, exchange: Exchange) -> Verdict:
        """Run all rules over the request of *exchange*."""
        run = _Run(Transaction(exchange, dict(self._tx)))
        for phase in self._phases:
            at = 0
            while at < len(phase.rules) and not run.is_over:
                rule = phase.rules[at]
                at += 1
                if rule.id not in run.removed and self._matches(rule, run):
                    at = phase.jumps.get(rule.skip_after, at) if rule.skip_after else at
        run.verdict.tx = run.transaction.tx
        return run.verdict

    def _matches(self, rule: SecRule, run: _Run) -> bool:
        """Run *rule* and note what it does; tell whether all its links match."""
        transaction = run.transaction
        without = run.without.get(rule.id, ())
        found: list[Item] = []
        for plan in self._plans[rule.id]:
            link = plan.link
            found = self._matched(plan, transaction, without, run.looked)
            if not found:
                return False
            transaction.matched = found
            for removal in link.removals:
                self._remove(removal, run)
            if link.processor:
                transaction.forget_body(link.processor)
                run.looked.clear()
        run.verdict.matched.append(Matched(rule, found[-1]))
        action = self._defaults.get(rule.phase, "pass") if rule.action == "block" else rule.action
        if action in ("deny", "drop", "redirect", "proxy"):
            run.verdict.denied.append(rule)
        run.is_over = action == "allow"
        return True

    def _matched(
        self, plan: _Plan, transaction: Transaction, without: tuple[Variable, ...], looked: dict[int, set[int]]
    ) -> list[Item]:
        """Return the items that match, transformed; one empty item for SecAction."""
        link, number_ = plan.link, plan.number
        operator = link.operator
        if operator is None:
            self._set(link.settings, transaction)
            return [Item("", b"", ("uri",))]
        if plan.looks and number_ not in self._look_everywhere(transaction, looked):
            return []
        if plan.looks and not any(number_ in looked[look] for look in plan.looks):
            return []
        found: list[Item] = []
        for name, item in transaction.select(link.targets, without):
            for value in _forms(link, item.value):
                if self._holds(plan, value, transaction) is not operator.negated:
                    transaction.last = Item(f"{name}:{item.key}" if item.key else name, value, item.path)
                    found.append(transaction.last)
                    if link.captures and number_ >= 0:
                        self._capture(number_, value, transaction)
                    self._set(link.settings, transaction)
                    break
        return found

    def _look_everywhere(self, transaction: Transaction, looked: dict[int, set[int]]) -> set[int]:
        """Return the operators that match anything anywhere; *looked* then tells where."""
        everything = looked.get(EVERYWHERE)
        if everything is None:
            everything = set()
            for look in range(len(self._looks)):
                everything |= self._look(look, transaction, looked)
            looked[EVERYWHERE] = everything
        return everything

    def _look(self, look: int, transaction: Transaction, looked: dict[int, set[int]]) -> set[int]:
        """Return the operators that match anything in one collection after certain transformations.

        Most rules end here: a value is transformed and scanned once for all rules that look at it in the same way.
        """
        found = looked.get(look)
        if found is not None:
            return found
        names, collection = self._looks[look]
        found = looked[look] = set()
        for item in transaction.items(collection):
            value = item.value
            key = (look, value)
            seen = self._seen.get(key)
            if seen is None:
                seen = self._scanner.matches(transform(value, names))
                if len(value) <= PAYLOAD_BYTES:
                    if len(self._seen) >= _REMEMBERED:
                        self._seen.clear()
                    self._seen[key] = seen
            if seen:
                found |= seen
        return found

    def _holds(self, plan: _Plan, value: bytes, transaction: Transaction) -> bool:
        if plan.number >= 0:
            return plan.number in self._scanner.matches(value)
        operator = plan.link.operator
        if operator is None:
            return True
        if operator.name in JUDGED:
            return self._judge(JUDGED[operator.name], value)
        argument = _expanded(operator.argument, transaction)
        if operator.name in SCANNED:
            expression = _runtime_expression(argument)
            return expression is not None and expression.search(value[:LOOKED_AT]) is not None
        return COMPARISONS[operator.name](value, argument)

    def _judge(self, kind: str, value: bytes) -> bool:
        key = (kind, value)
        known = self._judged.get(key)
        if known is None:
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            known = self._judged[key] = self._judges[kind](value)
        return known

    def _capture(self, at: int, value: bytes, transaction: Transaction) -> None:
        groups = self._scanner.groups(at, value)
        for index in range(10):
            if index < len(groups):
                transaction.tx[str(index)] = groups[index]
            else:
                transaction.tx.pop(str(index), None)

    def _set(self, settings: Iterable[SetVariable], transaction: Transaction) -> None:
        for setting in settings:
            name = _expanded(setting.name, transaction).decode("utf-8", "surrogateescape").lower()
            if setting.how == "!":
                transaction.tx.pop(name, None)
                continue
            value = _expanded(setting.value, transaction)
            if setting.how != "=":
                before = number(transaction.tx.get(name, b""))
                value = b"%d" % (before + number(value) if setting.how == "+" else before - number(value))
            transaction.tx[name] = value

    def _remove(self, removal: Removal, run: _Run) -> None:
        for number_ in self._removed[removal]:
            if removal.target is None:
                run.removed.add(number_)
            else:
                run.without[number_] = (*run.without.get(number_, ()), removal.target)

    def _plan(self, link: Link) -> _Plan:
        operator = link.operator
        if operator is None or not _is_scanned(link):
            return _Plan(link, -1, ())
        at = self._scanner.number[operator.name, operator.argument]
        names = sorted({target.name for target in link.targets if not target.excluded})
        is_whole = not any(target.counted or target.name in CHANGING for target in link.targets)
        if operator.negated or link.multi_match or not is_whole:
            return _Plan(link, at, ())
        return _Plan(link, at, tuple(self._look_number(link.transformations, name) for name in names))

    def _look_number(self, transformations: tuple[str, ...], name: str) -> int:
        look = (transformations, name)
        if look not in self._looks:
            self._looks.append(look)
        return self._looks.index(look)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a link is run. ``number``: of its operator in the scanner, -1 if it has none there.

    ``looks``: where the operator has to be seen before the link's own targets are gone through; empty where that says
    nothing, as for counts and negations.
    """

    link: Link
    number: int
    looks: tuple[int, ...]


class _Phase:
    """The rules of one phase; ``jumps``: where each marker stands among them."""

    def __init__(self, items: Iterable[SecRule | Marker]) -> None:
        self.rules: list[SecRule] = []
        self.jumps: dict[str, int] = {}
        for item in items:
            if isinstance(item, Marker):
                self.jumps[item.name] = len(self.rules)
            else:
                self.rules.append(item)


@dataclass(slots=True)
class _Run:
    """One request on its way through the rules."""

    transaction: Transaction
    verdict: Verdict = field(default_factory=Verdict)
    removed: set[int] = field(default_factory=set)
    without: dict[int, tuple[Variable, ...]] = field(default_factory=dict)
    looked: dict[int, set[int]] = field(default_factory=dict)
    is_over: bool = False


def attack_type(rule: SecRule) -> str:
    """Return the attack type that the tags of *rule* name."""
    tags = " ".join(rule.tags).lower()
    return next((kind for word, kind in _TYPES if word in tags), OTHER_TYPE)


def _finding(matched: Matched) -> Finding:
    payload = matched.item.value[:PAYLOAD_BYTES].decode("latin-1")
    confidence = _CONFIDENCE.get(matched.rule.severity, 0.7)
    return Finding(attack_type(matched.rule), matched.item.path, payload, f"seclang-{matched.rule.id}", confidence)


def _is_scanned(link: Link) -> bool:
    operator = link.operator
    return operator is not None and operator.name in SCANNED and "%{" not in operator.argument


def _forms(link: Link, value: bytes) -> list[bytes]:
    """Return the value as it is compared: after all transformations, or with multiMatch after each."""
    if not link.multi_match:
        return [_transformed(value, link.transformations)]
    forms = [value]
    for name in link.transformations:
        form = transform(forms[-1], (name,))
        if form != forms[-1]:
            forms.append(form)
    return forms


def _transformed(value: bytes, names: tuple[str, ...]) -> bytes:
    if not names:
        return value
    return _remembered(value, names) if len(value) <= PAYLOAD_BYTES else transform(value, names)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(value: bytes, names: tuple[str, ...]) -> bytes:
    return transform(value, names)


@lru_cache(maxsize=256)
def _runtime_expression(argument: bytes) -> re.Pattern[bytes] | None:
    try:
        return compiled(argument.decode("utf-8", "surrogateescape"))
    except re.error:
        return None


def _expanded(text: str, transaction: Transaction) -> bytes:
    if "%{" not in text:
        return text.encode("utf-8", "surrogateescape")
    parts: list[bytes] = []
    end = 0
    for match in _MACRO.finditer(text):
        parts += [text[end : match.start()].encode("utf-8", "surrogateescape"), transaction.text(match[1])]
        end = match.end()
    return b"".join([*parts, text[end:].encode("utf-8", "surrogateescape")])
