"""What is wrong with rule packs, all of it at once, and what is doubtful."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tcpmirror.detect.compiled import Expression, Matcher, RefusedPattern, Role, database_bytes, refused_patterns
from tcpmirror.detect.pack import Rule, examine_pack
from tcpmirror.detect.verdict import THRESHOLD
from tcpmirror.errors import SettingsError

# What points begin with (see `model.point`), and the names under them that are always written in one way.
ROOTS: Final = (
    ("method", "uri", "path", "action_name", "action_ext", "get", "get_name", "header", "header_name", "post", "post_name"),
    ("response_body", "response_header", "response_status"),
)
LARGE_DATABASE: Final = 1 << 20  # bytes of one pattern's automaton; those of the built-in rules stay below a third of it
WIDE_REPEAT: Final = 200  # of a class that takes nearly everything: each step is a state of the automaton
_REPEAT: Final = re.compile(rb"(?:(?<!\\)\.|\\[WDS]|\[\^(?:\\.|[^\]\\]){1,40}\])\{\d*,?(\d+)\}")
# Values that stand in every request: a pattern that takes one of them lets nothing pass the first tier.
_ORDINARY: Final = (b"1", b"42", b"true", b"index", b"hello world", b"2024-01-02", b"ann@shop.example", b"/products/list")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about a pack: an error keeps it from being used, a warning does not."""

    is_error: bool
    file: str
    line: int
    key: str
    value: object
    accepted: str
    text: str


def lint_packs(packs: Iterable[tuple[str, str]], taken: Iterable[Rule] = ()) -> tuple[list[Rule], list[Remark]]:
    """Return the usable rules of *packs* (file, text) and all remarks on them; *taken*: rules that stand beside them."""
    remarks: list[Remark] = []
    rules: list[Rule] = []
    for file, text in packs:
        found, problems = examine_pack(file, text)
        rules += found.rules
        remarks += map(_error, problems)
    for rule in rules:
        remarks += map(_error, refused_patterns(rule))
        remarks += _unreachable(rule)
        remarks += _costly(rule)
    remarks += _repeated(rules, taken)
    remarks += _never_decisive([*taken, *rules], {rule.id for rule in rules})
    return rules, sorted(remarks, key=lambda remark: (remark.file, remark.line, not remark.is_error))


def _error(problem: SettingsError) -> Remark:
    text = problem.problem or f"{problem.value!r} is not accepted"
    return Remark(True, problem.file, problem.line, problem.key, problem.value, problem.accepted, text)


def _remark(rule: Rule, key: str, value: object, accepted: str, text: str, is_error: bool = False) -> Remark:
    return Remark(is_error, rule.file, rule.line, f"{rule.id}.{key}", value, accepted, text)


def _repeated(rules: list[Rule], taken: Iterable[Rule]) -> Iterator[Remark]:
    """Yield ids given twice (errors) and patterns that another rule of the same type has for the same points."""
    places = {rule.id: rule for rule in taken}
    patterns = {(rule.type, pattern, rule.points): rule for rule in taken for pattern in rule.patterns}
    for rule in rules:
        if (first := places.setdefault(rule.id, rule)) is not rule:
            text = f"{rule.id!r} stands in {first.file}:{first.line} already"
            yield _remark(rule, "id", rule.id, "an id that no other rule has", text, is_error=True)
        for pattern in rule.patterns:
            other = patterns.setdefault((rule.type, pattern, rule.points), rule)
            if other is not rule:
                text = f"{other.id} ({other.file}:{other.line}) looks for the same at the same points"
                yield _remark(rule, "patterns", pattern.decode("latin-1"), "a pattern of its own", text)


def _unreachable(rule: Rule) -> Iterator[Remark]:
    """Yield points that no request or response has, and conditions that can never hold together."""
    accepted = "prefixes of points: " + ", ".join(ROOTS[0] + ROOTS[1])
    for point in rule.points:
        name = ".".join(point)
        if point[0] not in ROOTS[0] + ROOTS[1]:
            yield _remark(rule, "points", name, accepted, f"no point begins with {point[0]!r}", is_error=True)
        elif point[0] in ("header", "response_header") and len(point) > 1 and point[1] != point[1].upper():
            yield _remark(
                rule, "points", name, f"{point[0]}.{point[1].upper()}", "names of headers are in capitals", is_error=True
            )
        elif (point[0] in ROOTS[1]) is not rule.is_for_responses:
            yield _remark(
                rule, "points", name, "points of requests or points of responses", "a rule judges one of the two", True
            )
    if all(point[0] in ("path", "action_name") for point in rule.points):
        text = "path segments alone are judged only where Base64 hid something in them; `uri` is the whole path"
        yield _remark(rule, "points", "path", "uri", text)
    for pattern in set(rule.patterns) & set(rule.must_not):
        text = "what matches is refuted by the same pattern, so the rule never counts"
        yield _remark(rule, "must_not", pattern.decode("latin-1"), "another pattern", text, is_error=True)


def _costly(rule: Rule) -> Iterator[Remark]:
    """Yield patterns that take ordinary values, or make large automata."""
    for pattern in (*rule.patterns, *rule.gates):
        text = pattern.decode("latin-1")
        repeat = max((int(match.group(1)) for match in _REPEAT.finditer(pattern)), default=0)
        if repeat > WIDE_REPEAT:
            accepted = f"a repeat without a bound, or of at most {WIDE_REPEAT}"
            yield _remark(rule, "patterns", text, accepted, f"{repeat} steps of a class that takes nearly everything")
        try:
            matcher = Matcher([Expression(pattern, 0, Role.SIGN, 0)], None)
            size = database_bytes(pattern)
        except RefusedPattern:
            continue
        if size > LARGE_DATABASE:
            yield _remark(
                rule, "patterns", text, f"an automaton of at most {LARGE_DATABASE} bytes", f"slow: it has {size} bytes"
            )
        if not rule.must and any(_matches(matcher, value) for value in _ORDINARY) and not rule.keys:
            yield _remark(rule, "patterns", text, "the syntax that would run", "ordinary values match")


def _matches(matcher: Matcher, value: bytes) -> bool:
    seen: list[int] = []
    matcher.scan(value, lambda index, start, end, flags, context: seen.append(index))
    return bool(seen)


def _never_decisive(rules: list[Rule], judged: set[str]) -> Iterator[Remark]:
    """Yield rules that could make no finding even if all of their type counted together."""
    totals: dict[str, float] = {}
    for rule in rules:
        totals[rule.type] = totals.get(rule.type, 0) + rule.confidence
    for rule in rules:
        if rule.id in judged and totals[rule.type] < THRESHOLD - 1e-9:
            text = f"all rules of type {rule.type} together stay below {THRESHOLD}: no finding can come of it"
            yield _remark(rule, "confidence", rule.confidence, f"{THRESHOLD} and more, or other rules of the type", text)
