"""Why a request was found to be an attack, or not: every point, every rule with a word to say, the first tier."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tcpmirror.detect import page_injection, path_injection, script_injection, template_injection
from tcpmirror.detect.compiled import Expression, Role
from tcpmirror.detect.detector import Detector, Tier
from tcpmirror.detect.gates import Gates
from tcpmirror.detect.ignoring import Ignored
from tcpmirror.detect.pack import Rule
from tcpmirror.detect.sql_injection import skeleton
from tcpmirror.detect.verdict import THRESHOLD, Sign, Verdict, applies, confirmed, counting, is_document, judge
from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.model.finding import Finding
from tcpmirror.model.point import Point


@dataclass(frozen=True, slots=True)
class RuleWord:
    """One rule at one point: whether it counts there, with which weight, what of the value matched, and why not."""

    rule: Rule
    weight: float
    matched: str
    reason: str


@dataclass(frozen=True, slots=True)
class PointWord:
    """One value: ``folded`` is what it is judged as besides, empty if that is the same.

    ``sql``, ``script``, ``file_path``, ``template``: its tokens; ``page``: what it does to a page; each empty unless
    a rule of its kind looked at it.
    """

    point: Point
    folded: bytes
    is_document: bool
    rules: tuple[RuleWord, ...]
    verdicts: tuple[Verdict, ...]
    sql: str = ""
    script: str = ""
    page: str = ""
    file_path: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say about one request; ``gates``: (pattern, rule id) that the first tier matched."""

    normal_form: tuple[bytes, ...] | None
    is_suspect: bool
    gates: tuple[tuple[str, str], ...]
    points: tuple[PointWord, ...]
    findings: tuple[Finding, ...]
    ignored: tuple[Ignored, ...] = ()
    threshold: float = THRESHOLD


def explain(detector: Detector, exchange: Exchange, request: Request) -> Explanation:
    """Return the explanation of what *detector* makes of *request*, that of *exchange*."""
    form = detector.views.normal_form(request)
    gates = _gates(detector.gates, form) if form is not None else ()
    points = tuple(_point(detector, point) for point in detector.decoded_points(request))
    sieve = None if detector.ignoring is None else detector.ignoring.of(exchange)
    findings = tuple(detector.judge_request(request, sieve=sieve))
    ignored = () if sieve is None else tuple(sieve.ignored)
    return Explanation(form, detector.is_suspect(request), gates, points, findings, ignored)


def _gates(gates: Gates, form: tuple[bytes, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((item.pattern.decode("latin-1"), gates.rules[item.rule].id) for item in gates.matched(form))


def _point(detector: Detector, point: Point) -> PointWord:
    tier = detector.values
    folded = detector.views.fold(point.value)
    signs = detector.signs(point.value)
    words = tuple(_words(tier, point, folded, signs))
    verdicts = tuple(judge(point, signs, tier.rules, tier.expressions, detector.views.fold))
    kinds = {word.rule.type for word in words}
    sql = skeleton(folded) if "sqli" in kinds else ""
    script = script_injection.skeleton(folded) if "xss" in kinds else ""
    page = page_injection.described(folded) if "xss" in kinds else ""
    file_path = path_injection.skeleton(folded) if "ptrav" in kinds else ""
    template = template_injection.skeleton(folded) if "ssti" in kinds else ""
    shown = b"" if folded == point.value else folded
    return PointWord(point, shown, is_document(point.value), words, verdicts, sql, script, page, file_path, template)


def _words(tier: Tier, point: Point, folded: bytes, signs: list[Sign]) -> Iterable[RuleWord]:
    """Yield a word for each rule of which an expression matched, those that count first."""
    weights = {item.rule.id: item.weight for item in counting(point, signs, tier.rules, tier.expressions, lambda _: folded)}
    matched: dict[int, list[Sign]] = {}
    for sign in signs:
        matched.setdefault(tier.expressions[sign.expression].rule, []).append(sign)
    for index in sorted(matched, key=lambda index: (-weights.get(tier.rules[index].id, 0.0), tier.rules[index].id)):
        rule = tier.rules[index]
        seen = [tier.expressions[sign.expression] for sign in matched[index]]
        if not any(item.role is Role.SIGN for item in seen):
            continue
        ends = [sign.end for sign in matched[index] if tier.expressions[sign.expression].role is Role.SIGN]
        text = _around(point.value if min(ends) <= len(point.value) else folded, min(ends))
        reason = "" if rule.id in weights else _why_not(rule, point, folded, seen)
        yield RuleWord(rule, weights.get(rule.id, 0.0), text, reason)


def _why_not(rule: Rule, point: Point, folded: bytes, seen: list[Expression]) -> str:
    refuting = [item.pattern for item in seen if item.role is Role.MUST_NOT]
    if refuting:
        return f"refuted by must_not {refuting[0].decode('latin-1')!r}"
    groups = {item.group for item in seen if item.role is Role.MUST}
    missing = [pattern for group, pattern in enumerate(rule.must) if group not in groups]
    if missing:
        return f"without must {missing[0].decode('latin-1')!r}"
    if not applies(rule, point.path):
        return "the rule does not apply at this point (its points, keys or files)"
    if rule.grammar and not confirmed(rule.grammar, point.value, lambda _: folded):
        return f"the grammar {rule.grammar} does not read it so"
    return "does not count"


def _around(value: bytes, end: int) -> str:
    return value[max(0, end - 60) : end].decode("latin-1")
