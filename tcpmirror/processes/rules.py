"""`tcpmirror rules lint | test | list | show | explain`: rule packs looked at, tried and explained."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

from tcpmirror.detect.examples import run_examples
from tcpmirror.detect.explanation import Explanation, PointWord, explain
from tcpmirror.detect.lint import Remark, lint_packs
from tcpmirror.detect.pack import BUILT_IN, Rule, join_packs, load_pack, own_texts
from tcpmirror.detect.verdict import THRESHOLD
from tcpmirror.errors import EXIT_OK, EXIT_SETTINGS, EXIT_USAGE, EnvironmentFault, TcpmirrorError
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.model.finding import Finding
from tcpmirror.model.point import point_text
from tcpmirror.model.stream import FlowInfo
from tcpmirror.processes.detection import detector_of, rule_folders
from tcpmirror.protocols.http1 import Http1Factory
from tcpmirror.settings.tree import Settings

SHOWN_BYTES: Final = 200  # of a value in a text for people
_RAW: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} \S.*? HTTP/\d", re.DOTALL)
# Parts of a point's path that are decodings rather than names.
_STEPS: Final = frozenset(
    "percent htmljs base64 gzip json_doc form_urlencoded multipart xml cookie jwt url gql_query data_image".split()  # noqa: SIM905
)


def lint(paths: Sequence[Path], settings: Settings, as_json: bool) -> int:
    """Print every problem of the packs at *paths* (files or folders; without any: all in force); 3 if there is an error."""
    packs = _packs(paths, settings)
    if not packs:
        raise EnvironmentFault(
            f"{', '.join(map(str, paths)) or settings.inspection.rules_dir}: no rule packs (*.yaml) there"
        )
    taken = load_pack().rules if paths or rule_folders(settings) else ()
    own_files = {file for file, _ in packs}
    rules, remarks = lint_packs(packs, [rule for rule in taken if rule.file not in own_files])
    if as_json:
        print(json.dumps([asdict(remark) for remark in remarks], default=str))
    else:
        for remark in remarks:
            print(_remark_line(remark))
        errors = sum(remark.is_error for remark in remarks)
        print(f"{len(packs)} packs, {len(rules)} usable rules, {errors} errors, {len(remarks) - errors} warnings")
    return EXIT_SETTINGS if any(remark.is_error for remark in remarks) else EXIT_OK


def test(paths: Sequence[Path], settings: Settings, cache_dir: Path, as_json: bool) -> int:
    """Run the examples of the packs at *paths*, or of all rules in force; 3 if one did not show what its rule says."""
    packs = _packs(paths, settings) if paths else own_texts(rule_folders(settings))
    pack = join_packs(packs)
    judged = [rule for rule in pack.rules if not paths or rule.own]
    outcomes = list(run_examples(detector_of(pack, settings, cache_dir), judged))
    failed = [outcome for outcome in outcomes if outcome.problem]
    if as_json:
        shown = [
            {"rule": item.rule.id, "file": item.rule.file, "line": item.rule.line, "must_match": item.must_match}
            | {"example": item.example.decode("latin-1"), "problem": item.problem}
            for item in failed
        ]
        print(json.dumps({"rules": len(judged), "examples": len(outcomes), "failed": shown}))
    else:
        for item in failed:
            wish = "must match" if item.must_match else "must not match"
            print(f"{item.rule.file}:{item.rule.line}: {item.rule.id}: {wish}: {_shown(item.example)!r}: {item.problem}")
        print(f"{len(judged)} rules, {len(outcomes)} examples, {len(failed)} failed")
    return EXIT_SETTINGS if failed else EXIT_OK


def list_rules(settings: Settings, kind: str | None, severity: str | None, as_json: bool) -> int:
    """Print all rules in force, of one type and of one severity if asked."""
    rules = [
        rule
        for rule in load_pack(*rule_folders(settings)).rules
        if kind in (None, rule.type) and severity in (None, rule.severity)
    ]
    if as_json:
        print(json.dumps([_facts(rule) for rule in rules]))
        return EXIT_OK
    rows = [("id", "type", "severity", "confidence", "from", "title")]
    rows += [
        (rule.id, rule.type, rule.severity, f"{rule.confidence:.2f}", "own" if rule.own else "built in", rule.title)
        for rule in rules
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]))
    return EXIT_OK


def show(rule_id: str, settings: Settings, as_json: bool) -> int:
    """Print all about one rule."""
    rules = {rule.id: rule for rule in load_pack(*rule_folders(settings)).rules}
    rule = rules.get(rule_id)
    if rule is None:
        near = [name for name in rules if rule_id.partition("-")[0] in name or rule_id in name]
        print(
            f"tcpmirror: no rule {rule_id!r}; see `tcpmirror rules list`; near: {', '.join(near[:12]) or '-'}",
            file=sys.stderr,
        )
        return EXIT_USAGE
    print(json.dumps(_facts(rule), indent=2) if as_json else _page(rule))
    return EXIT_OK


def explain_text(given: str, settings: Settings, cache_dir: Path, as_json: bool) -> int:
    """Explain what is made of *given*: a raw HTTP request, a file with one, ``-`` for standard input, or a bare value."""
    raw = _given(given)
    detector = detector_of(load_pack(*rule_folders(settings)), settings, cache_dir)
    for exchange, request in _requests(raw, settings):
        told = explain(detector, exchange, request)
        print(json.dumps(_explanation_facts(told)) if as_json else _explanation_page(request, told))
    return EXIT_OK


def _packs(paths: Sequence[Path], settings: Settings) -> list[tuple[str, str]]:
    """Return (file, text) of what is at *paths*; without any, of the own rules, or else of the built-in ones."""
    if not paths:
        return own_texts(rule_folders(settings) or [BUILT_IN])
    found: list[tuple[str, str]] = []
    for path in paths:
        if path.is_dir():
            found += own_texts([path])
            continue
        try:
            found.append((str(path), path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise EnvironmentFault(f"{path}: cannot be read: {error}") from error
    return found


def _remark_line(remark: Remark) -> str:
    word = "error" if remark.is_error else "warning"
    value = "" if remark.value is None or str(remark.value) in remark.text else f" ({remark.value!r})"
    return f"{remark.file}:{remark.line}: {word}: {remark.key}: {remark.text}{value}; accepted: {remark.accepted}"


def _facts(rule: Rule) -> dict[str, object]:
    """Return *rule* as JSON values."""
    return {
        "id": rule.id,
        "type": rule.type,
        "severity": rule.severity,
        "confidence": rule.confidence,
        "title": rule.title,
        "why": rule.why,
        "cwe": rule.cwe,
        "capec": rule.capec,
        "references": rule.references,
        "detector": rule.detector,
        "patterns": _texts(rule.patterns),
        "must": _texts(rule.must),
        "must_not": _texts(rule.must_not),
        "gates": _texts(rule.gates),
        "points": [".".join(point) for point in rule.points],
        "keys": rule.keys.pattern if rule.keys else None,
        "files": rule.files,
        "documents": rule.documents,
        "examples": {"match": _texts(rule.matching), "no_match": _texts(rule.harmless)},
        "own": rule.own,
        "experimental": rule.experimental,
        "file": rule.file,
        "line": rule.line,
    }


def _texts(values: Iterable[bytes]) -> list[str]:
    return [value.decode("utf-8", "backslashreplace") for value in values]


def _page(rule: Rule) -> str:
    """Return what a person wants to know of *rule*, line by line."""
    decides = "decides alone" if rule.confidence >= THRESHOLD else f"needs others to reach {THRESHOLD}"
    lines = [
        f"{rule.id}: {rule.title}",
        f"  {ATTACK_TYPES[rule.type][1]} ({rule.type}), severity {rule.severity}, confidence {rule.confidence} ({decides})",
        f"  {rule.file}:{rule.line}",
    ]
    lines += [f"  {rule.why}"] if rule.why else []
    ids = [f"CWE-{number}" for number in rule.cwe] + [f"CAPEC-{number}" for number in rule.capec]
    lines += [f"  {', '.join(ids)}"] if ids else []
    lines += [f"  see {text}" for text in rule.references]
    lines += ["", "looks at: " + ", ".join(".".join(point) for point in rule.points)]
    lines += [f"only where the name is: {rule.keys.pattern}"] if rule.keys else []
    lines += [
        f"uploaded files: {'yes' if rule.files else 'no'}; full weight in long texts: {'yes' if rule.documents else 'no'}"
    ]
    lines += ["experimental: counted, and not reported"] if rule.experimental else []
    lines += [f"computed by: {rule.detector}"] if rule.detector else []
    for words, values in (
        ("looks for one of", rule.patterns),
        ("and all of", rule.must),
        ("and none of", rule.must_not),
        ("first tier looks for", rule.gates),
        ("must match", rule.matching),
        ("must not match", rule.harmless),
    ):
        lines += ["", f"{words}:", *(f"  {text}" for text in _texts(values))] if values else []
    return "\n".join(lines)


def _given(given: str) -> bytes:
    if given == "-":
        return sys.stdin.buffer.read()
    try:
        if len(given) < 4096 and "\n" not in given and Path(given).is_file():
            return Path(given).read_bytes()
    except (OSError, ValueError) as error:
        raise EnvironmentFault(f"{given}: cannot be read: {error}") from error
    return given.encode("utf-8", "surrogateescape")


def _requests(raw: bytes, settings: Settings) -> list[tuple[Exchange, Request]]:
    """Return the requests in *raw*, as the sensor's parser reads them; a bare value goes into a query parameter."""
    if not _RAW.match(raw):
        value = quote_from_bytes(raw.removesuffix(b"\n"), safe="").encode()
        raw = b"GET /?value=" + value + b" HTTP/1.1\r\nHost: shop.example\r\n\r\n"
    head, blank, body = raw.partition(b"\r\n\r\n")
    if not blank:
        head, _, body = raw.partition(b"\n\n")
        head = head.rstrip(b"\n").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if body and not re.search(rb"(?im)^(content-length|transfer-encoding):", head):
        head += b"\r\nContent-Length: %d" % len(body)
    found: list[Exchange] = []
    timeout_ns = settings.reassembly.response_timeout_ns
    factory = Http1Factory(found.append, settings.limits, response_timeout_ns=timeout_ns, parse_responses=False)
    flow = factory.open_flow(FlowInfo())
    flow.feed(0, head + b"\r\n\r\n" + body)
    flow.finish(0)
    requests = [(exchange, exchange.request) for exchange in found if exchange.request is not None]
    if not requests:
        raise BadRequest("no HTTP request that the parser could read")
    return requests


class BadRequest(TcpmirrorError):
    """What was given to be explained is no request."""

    exit_code = EXIT_USAGE


def _explanation_facts(told: Explanation) -> dict[str, object]:
    return {
        "first_tier": {
            "suspect": told.is_suspect,
            "normal_form": None if told.normal_form is None else [text.decode("latin-1") for text in told.normal_form],
            "gates": [{"pattern": pattern, "rule": rule} for pattern, rule in told.gates],
        },
        "threshold": told.threshold,
        "points": [_point_facts(word) for word in told.points],
        "findings": [asdict(finding) for finding in told.findings],
        "ignored": [{"by": item.by} | asdict(item.finding) for item in told.ignored],
    }


def _point_facts(word: PointWord) -> dict[str, object]:
    return {
        "point": point_text(word.point.path),
        "steps": [part for part in word.point.path if part in _STEPS],
        "value": word.point.value.decode("latin-1"),
        "folded": word.folded.decode("latin-1"),
        "is_document": word.is_document,
        "sql_tokens": word.sql,
        "script_tokens": word.script,
        "page": word.page,
        "path_tokens": word.file_path,
        "template_tokens": word.template,
        "rules": [
            {"id": item.rule.id, "type": item.rule.type, "counts": not item.reason, "weight": item.weight}
            | {"matched": item.matched, "reason": item.reason}
            for item in word.rules
        ],
        "verdicts": [{"type": item.type, "rule": item.rule.id, "confidence": item.confidence} for item in word.verdicts],
    }


def _explanation_page(request: Request, told: Explanation) -> str:
    lines = [f"{_shown(request.method)} {_shown(request.target)}", ""]
    if told.normal_form is None:
        lines.append("first tier: cannot unfold it, so the full path decides")
    else:
        lines.append(f"first tier: {'goes to the full path' if told.is_suspect else 'clean'}; it reads:")
        lines += [f"  {_shown(text, 600)}" for text in told.normal_form if text]
        counts = Counter(rule for _, rule in told.gates)
        lines += [f"  matches {count} of the patterns of {rule}" for rule, count in counts.items()]
    lines += ["", f"points (a finding from {told.threshold} on):"]
    for word in told.points:
        lines += _point_lines(word)
    lines += ["", "findings:" if told.findings else "findings: none"]
    for finding in told.findings:
        place = point_text(finding.point)
        lines.append(f"  {finding.type} at {place} by {finding.rule}, confidence {finding.confidence}{_graded(finding)}")
    for item in told.ignored:
        found = item.finding
        lines.append(f"  ignored by {item.by}: {found.type} at {point_text(found.point)} by {found.rule}")
    return "\n".join(lines)


def _graded(finding: Finding) -> str:
    """How bad *finding* is, in words behind a comma each; see `detect.grade`."""
    return "".join(f", {word}" for word in (finding.severity and f"severity {finding.severity}", finding.grade) if word)


def _point_lines(word: PointWord) -> list[str]:
    lines = [f"  {point_text(word.point.path)} = {_shown(word.point.value)!r}"]
    lines += [f"      folded: {_shown(word.folded)!r}"] if word.folded else []
    lines += [f"      SQL tokens: {word.sql}"] if word.sql else []
    lines += [f"      script tokens: {word.script}"] if word.script else []
    lines += [f"      in a page: {word.page}"] if word.page else []
    lines += [f"      template tokens: {word.template}"] if word.template else []
    lines += [f"      path tokens, resolved: {word.file_path}"] if word.file_path else []
    lines += ["      a longer text: signs weigh less, only the strongest counts"] if word.is_document and word.rules else []
    for item in word.rules:
        says = item.reason or f"counts {item.weight:.2f}"
        lines.append(f"      {item.rule.id} ({item.rule.type}): {says}; matched ...{item.matched!r}")
    for verdict in word.verdicts:
        lines.append(f"      => {verdict.type}, confidence {verdict.confidence}")
    return lines


def _shown(value: bytes, limit: int = SHOWN_BYTES) -> str:
    text = value.decode("utf-8", "backslashreplace")
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if len(text) <= limit else text[:limit] + f"... ({len(value)} bytes)"
