"""The detector: tier 1 tells plainly clean exchanges from the rest, tier 2 judges the rest value by value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from tcpmirror.detect import entities, error_probe, graphql, tokens
from tcpmirror.detect.compiled import Expression, value_expressions
from tcpmirror.detect.detector_road import DetectorRoad
from tcpmirror.detect.gates import Gates
from tcpmirror.detect.grade import grade, severity
from tcpmirror.detect.ignoring import Sieve
from tcpmirror.detect.pack import Pack, Rule
from tcpmirror.detect.page_injection import shows_text
from tcpmirror.detect.search import Conditions, Searches, by_role
from tcpmirror.detect.site import is_foreign
from tcpmirror.detect.text_search import FormSearch
from tcpmirror.detect.verdict import Sign, Verdict, counting, is_document, is_file, judge, key_of
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import Request
from tcpmirror.model.finding import Finding
from tcpmirror.model.point import Point
from tcpmirror.settings.tree import Limits

FINDINGS_LIMIT: Final = 32  # of one exchange: more tell nothing new and could flood the reports
PAYLOAD_BYTES: Final = 512
# What tier 2 costs at most, measured: reading and matching a byte in every form, and a point's own overhead.
_NS_PER_BYTE: Final = 20
_NS_PER_POINT: Final = 4000
# Clients repeat header values, names and keys with every request: their signs are not looked for again.
_REMEMBERED: Final = 8192
_REMEMBERED_BYTES: Final = 96


class DecodedMessage(Protocol):
    @property
    def points(self) -> list[Point]: ...

    @property
    def anomalies(self) -> int: ...


class Views(Protocol):
    """How a request is seen; the stage `decode` gives them, and processes bring the two together."""

    @property
    def normal_form(self) -> Callable[[Request], tuple[bytes, ...] | None]:
        """Its texts, by the alphabet that they are written in, and behind them what files hold."""

    @property
    def learn_clean(self) -> Callable[[], None]:
        """To be called when the last normal form comes to no finding: its repeated texts need no second look."""

    def request_points(self, request: Request, limits: Limits) -> DecodedMessage: ...

    def fold(self, value: bytes) -> bytes: ...


class Detector(DetectorRoad):
    """Finds attacks in exchanges, one at a time; not to be shared between threads."""

    def __init__(self, pack: Pack, limits: Limits, views: Views, cache_dir: Path | None = None) -> None:
        self.masks = pack.masks
        matched = [rule for rule in pack.rules if rule.patterns]
        request_rules = [rule for rule in matched if not rule.is_for_responses]
        response_rules = [rule for rule in matched if rule.is_for_responses]
        expressions = value_expressions(request_rules)
        self.values = Tier(request_rules, expressions, cache_dir)
        self._files = Tier(request_rules, [item for item in expressions if request_rules[item.rule].files], cache_dir)
        self.gates = Gates(request_rules, cache_dir)
        self._foreign = frozenset(index for index, rule in enumerate(self.values.rules) if rule.foreign)
        self._responses = Tier(response_rules, value_expressions(response_rules), cache_dir)
        self._severities = {rule.id: rule.severity for rule in pack.rules if rule.detector}
        self.rule_count = len(pack.rules)
        self.own_rule_count = sum(rule.own for rule in pack.rules)
        self._limits = limits
        self.views = views
        self._tokens = tokens.TokenCheck()
        self._signs: dict[bytes, list[Sign]] = {}
        super().__init__(views, self.gates.search, self._responses.search)

    @property
    def cache_names(self) -> frozenset[str]:
        """The file names under which this detector's databases are kept."""
        return frozenset[str]().union(
            *(part.cache_names for part in (self.values, self._files, self.gates, self._responses))
        )

    @property
    def opened_by(self) -> frozenset[str]:
        """The ids of the rules whose signs made the last suspect suspect; empty: something else did."""
        return frozenset(self.gates.rules[item.rule].id for item in self.opened)

    def told(self, findings: list[Finding]) -> list[Finding]:
        """Return as many of *findings* as one exchange may tell, with the severity that their rules state."""
        return [self._with_severity(finding) for finding in findings[:FINDINGS_LIMIT]]

    def sifted(self, findings: list[Finding], sieve: Sieve) -> list[Finding]:
        """Return what *sieve* lets pass; the rest of what it held back goes to ``ignored``."""
        passed = list(filter(sieve.passes, findings)) if findings else findings
        self.ignored = sieve.ignored
        return passed

    def _with_severity(self, finding: Finding) -> Finding:
        """Return *finding* with the severity that its rule states, where what computed it states none."""
        known = "" if finding.severity else self._severities.get(finding.rule, "")
        return replace(finding, severity=known) if known else finding

    def adds_up(self, form: tuple[bytes, ...], found: int) -> bool:
        """Tell whether the gates that were seen in *form* open it, and note which they are."""
        seen = self.gates.completed(form, found)
        if not self.gates.adds_up(seen):
            return False
        self.opened = seen
        return True

    def has_weak_token(self, form: tuple[bytes, ...]) -> bool:
        return any(map(self._tokens.is_suspect, form))

    def explain(self, request: Request) -> list[tuple[Point, list[str]]]:
        """Return every point of *request* with the ids of all rules that count there, decisive or not."""
        values = self.values
        return [
            (
                point,
                [
                    item.rule.id
                    for item in counting(
                        point,
                        self._counting_at(point, self.signs(point.value), values, request),
                        values.rules,
                        values.expressions,
                        self.views.fold,
                    )
                ],
            )
            for point in self.decoded_points(request)
        ]

    def decoded_points(self, request: Request) -> list[Point]:
        """Return the points of *request* that are judged."""
        return self.views.request_points(request, self._limits).points

    def judge_request(self, request: Request, anomalies: int = 0, sieve: Sieve | None = None) -> list[Finding]:
        """Return what the full path finds in *request*, whatever the first tier would say of it; *sieve* holds some back."""
        decoded = self.views.request_points(request, self._limits)
        collected = _Findings()
        texts: set[tuple[str, ...]] | None = None
        budget_ns = self._limits.process_time_ns
        for point in decoded.points:
            budget_ns -= _NS_PER_POINT + _NS_PER_BYTE * len(point.value)
            if budget_ns < 0:
                anomalies |= 1 << Anomaly.TIME_LIMIT
                break
            for finding in self._at_point(point, request, sieve):
                if texts is None:
                    texts = _texts_of_markup(decoded.points)
                if finding.type != "xss" or not _is_within(point.path, texts):
                    collected.add(finding)
        for finding in (
            *self._tokens.findings(decoded.points),
            *entities.findings(request, decoded.points),
            *graphql.findings(decoded.points),
            *_limit_findings(anomalies | decoded.anomalies),
        ):
            if sieve is None or sieve.passes(finding):
                collected.add(finding)
        return collected.found

    def _at_point(self, point: Point, request: Request, sieve: Sieve | None) -> Iterable[Finding]:
        """Return what rules find at *point*: of nearly all points there are no signs."""
        value = point.value
        if len(value) > _REMEMBERED_BYTES and is_file(point.path):
            signs = self._files.signs(*self._forms(value))
            return self._by_signs(point, signs, self._files, request, sieve) if signs else ()
        signs = self.signs(value)
        return self._by_signs(point, signs, self.values, request, sieve) if signs else ()

    def _by_signs(
        self, point: Point, signs: list[Sign], tier: Tier, request: Request, sieve: Sieve | None
    ) -> Iterator[Finding]:
        """Yield what rules find by *signs* of *tier* at *point*. Without one that is ignored, the others are asked again."""
        rules, expressions = tier.rules, tier.expressions
        signs = self._counting_at(point, signs, tier, request)
        while True:
            ignored = set()
            for verdict in judge(point, signs, rules, expressions, self.views.fold):
                finding = _finding(point, verdict, self.views.fold)
                if sieve is None or sieve.passes(finding):
                    yield finding
                else:
                    ignored.add(finding.rule)
            if not ignored:
                return
            signs = [sign for sign in signs if rules[expressions[sign.expression].rule].id not in ignored]

    def _counting_at(self, point: Point, signs: list[Sign], tier: Tier, request: Request) -> list[Sign]:
        """Return *signs* at *point*, but not those of rules that ask for another site where it is the own one."""
        rules, expressions = tier.rules, tier.expressions
        found = {index for sign in signs if (index := expressions[sign.expression].rule) in self._foreign}
        own = {index for index in found if not is_foreign(request, rules[index].foreign, point.value)}
        return [sign for sign in signs if expressions[sign.expression].rule not in own] if own else signs

    def shows(self, kind: str, value: bytes) -> bool:
        """Tell whether *value*, as that of some parameter, is an attack of type *kind*."""
        point = Point(("get", "value"), value)
        verdicts = judge(point, self.signs(value), self.values.rules, self.values.expressions, self.views.fold)
        return any(verdict.type == kind for verdict in verdicts)

    def signs(self, value: bytes) -> list[Sign]:
        """Return the signs in *value* as it stands and, where that differs, folded."""
        known = self._signs.get(value)
        if known is not None:
            return known
        signs = self.values.signs(*self._forms(value))
        if len(value) <= _REMEMBERED_BYTES:
            if len(self._signs) >= _REMEMBERED:
                self._signs.clear()
            self._signs[value] = signs
        return signs

    def _forms(self, value: bytes) -> tuple[bytes, ...]:
        """Return *value* as it stands and, where that differs, folded."""
        folded = self.views.fold(value)
        return (value,) if folded is value else (value, folded)

    def judge_response(self, body: bytes, request: Request | None, findings: list[Finding]) -> list[Finding]:
        """Return what a response's *body*, which was just searched, tells, and what in *request* that answers.

        *findings*: those so far.
        """
        point = Point(("response_body",), body)
        verdicts = judge(point, self._responses.completed((body,)), self._responses.rules, self._responses.expressions)
        told = [_finding(point, verdict, lambda value: value) for verdict in verdicts]
        return [*told, *error_probe.findings(request, [*findings, *told])] if told and request is not None else told


class Tier:
    """Rules and the matcher over their expressions."""

    def __init__(self, rules: Sequence[Rule], expressions: Sequence[Expression], cache_dir: Path | None) -> None:
        self.rules = rules
        signs, conditions = by_role(expressions)
        own = [item for item in signs if rules[item.rule].own]
        built_in = [item for item in signs if not rules[item.rule].own]
        search = Searches(built_in, own, cache_dir)
        asked = Conditions(conditions, len(signs), cache_dir)
        self.cache_names = search.cache_names | asked.cache_names
        self.expressions = (*search.expressions, *conditions)
        self.search = FormSearch([search.scanners(self._note)])
        self._conditions = asked.scanners(self._note)

    def signs(self, *forms: bytes) -> list[Sign]:
        """Return what matches in any of *forms*, the ways in which one value is read; nothing where no rule has a sign."""
        self.search.each_of(forms)
        return self.completed(forms)

    def completed(self, forms: tuple[bytes, ...]) -> list[Sign]:
        """Return what ``search`` saw in *forms*, and conditions of the rules."""
        seen: list[Sign] = self.search.seen
        if seen:
            for rule in {self.expressions[sign.expression].rule for sign in seen} & self._conditions.keys():
                for form in forms:
                    self._conditions[rule](form)
        return seen

    def _note(self, index: int, start: int, end: int, flags: int, context: object) -> None:
        self.search.seen.append(Sign(index, end))


class _Findings:
    """Findings without repetition: what a decoding of a value shows again is not told again."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self._roots: set[tuple[str, tuple[str, ...]]] = set()

    def add(self, finding: Finding) -> None:
        path = finding.point
        root = ("uri",) if path[0] in ("uri", "path", "action_name", "action_ext") else path
        if any((finding.type, root[:size]) in self._roots for size in range(1, len(root) + 1)):
            return
        self._roots.add((finding.type, root))
        self.found.append(finding)


def _texts_of_markup(points: Sequence[Point]) -> set[tuple[str, ...]]:
    """Return the paths below which a page's elements and entities stand: what is there is a text that it shows."""
    shown = [point.path for point in points if b"</" in point.value and shows_text(point.value)]
    return {(*path, step) for path in shown for step in ("htmljs", "xml")}


def _is_within(path: tuple[str, ...], paths: set[tuple[str, ...]]) -> bool:
    """Tell whether *path* is one of *paths* or below one."""
    return any(path[:size] in paths for size in range(len(path), 0, -1)) if paths else False


def _finding(point: Point, verdict: Verdict, fold: Callable[[bytes], bytes]) -> Finding:
    start = max(0, min(verdict.end - PAYLOAD_BYTES // 2, len(point.value) - PAYLOAD_BYTES))
    payload = point.value[start : start + PAYLOAD_BYTES].decode("latin-1")
    found = grade(verdict.type, fold(point.value))
    badness = severity(verdict.rule.severity, found, verdict.confidence, key_of(point.path), is_document(point.value))
    return Finding(verdict.type, point.path, payload, verdict.rule.id, verdict.confidence, grade=found, severity=badness)


def _limit_findings(anomalies: int) -> list[Finding]:
    """What the limits met on the way mean: a bomb, or a request made to exhaust its reader."""
    found = []
    if anomalies >> Anomaly.DECOMPRESSION_LIMIT & 1:
        found.append(Finding("data_bomb", ("post",), "", "data-bomb-compressed", 0.9))
    if anomalies >> Anomaly.DECODE_DEPTH_LIMIT & 1 or anomalies >> Anomaly.TIME_LIMIT & 1:
        found.append(Finding("overlimit_res", ("uri",), "", "overlimit-decoding", 0.7))
    return found
