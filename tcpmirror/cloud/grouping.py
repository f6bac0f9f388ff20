"""Which hits of a report belong to which attack: no I/O, no clock.

A report gives one hit for each attack type found in it. Hits of the same type, parameter and target are one attack as long
as none of them is further than an hour from the rest.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from tcpmirror.cloud.batch import FindingIn, SoundReport
from tcpmirror.cloud.traits import trait, traits_of
from tcpmirror.model.finding import SEVERITIES

EXTENDS_NS: Final = 3_600 * 1_000_000_000
# Where the value itself is (a part of) the path, the path cannot tell one target from another.
_IN_PATH: Final = frozenset({"uri", "path", "action_name", "action_ext"})
# Tags after which the sender's own key stands; all other parts of a point are tags, or indices of arrays.
_MAPS: Final = frozenset(
    ("get", "header", "cookie", "hash", "json_obj", "form_urlencoded", "multipart", "xml_tag", "xml_attr", "gql_arg")
)
_LISTS: Final = frozenset(("array", "json_array", "xml_tag_array"))
_SEVERITY: Final = {name: number for number, name in enumerate(("", *SEVERITIES))}
_KEY_SEPARATOR: Final = "\x1f\x00\x1f"  # keeps ("a", "b") and ("ab", "") apart


class Hit(NamedTuple):
    """One attack type in one report. ``point`` and ``rule`` are of the finding with the most confidence.

    ``evidence``: what in the response shows that it worked; empty: nothing. ``severity``: the highest of its findings as a
    place in SEVERITIES from 1; 0: nobody judged it; ``grade``: of that finding.
    """

    report: SoundReport
    key: bytes
    type: str
    point: tuple[str, ...]
    payloads: tuple[str, ...]
    rule: str
    confidence: float
    host: str
    path: str
    traits: tuple[str, ...] = ()
    evidence: str = ""
    grade: str = ""
    severity: int = 0


def hits_of(report: SoundReport) -> list[Hit]:
    """Return one hit for each attack type among the findings of *report*, in the order in which the types appear."""
    by_type: dict[str, list[FindingIn]] = {}
    for finding in report.fields.findings:
        by_type.setdefault(finding.type, []).append(finding)
    if not by_type:
        return []
    host, path, of_report = target_host(report), target_path(report.fields.uri), traits_of(report)
    return [_hit(report, kind, findings, host, path, of_report) for kind, findings in by_type.items()]


def _hit(report: SoundReport, kind: str, findings: list[FindingIn], host: str, path: str, of_report: tuple[str, ...]) -> Hit:
    best = worst = findings[0]
    if len(findings) > 1:
        best = max(findings, key=lambda finding: finding.confidence)
        worst = max(findings, key=lambda finding: (_SEVERITY[finding.severity], bool(finding.grade), finding.confidence))
    point = tuple(best.point)
    return Hit(
        report,
        key=attack_key(kind, point, host, path),
        type=kind,
        point=point,
        payloads=tuple(dict.fromkeys([best.payload, *[finding.payload for finding in findings]])),
        rule=best.rule,
        confidence=best.confidence,
        host=host,
        path=path,
        traits=(*of_report, *[trait("rule", each.rule) for each in findings], *_grades(worst.grade)),
        evidence=_evidence(findings),
        grade=worst.grade,
        severity=_SEVERITY[worst.severity],
    )


def _grades(grade: str) -> tuple[str, ...]:
    return (f"grade:{grade}",) if grade else ()


def _evidence(findings: list[FindingIn]) -> str:
    """Return what shows that an attack worked, of the finding that shows it with the most confidence."""
    proven = [finding for finding in findings if finding.evidence]
    return max(proven, key=lambda finding: finding.confidence).evidence if proven else ""


def attack_key(kind: str, point: tuple[str, ...], host: str, path: str) -> bytes:
    """Return 16 bytes that hits of one attack share: type, parameter and target address (host and path)."""
    place = "" if point and point[0] in _IN_PATH else path
    parameter = point[:1] if point and point[0] in _IN_PATH else _without_indices(point)
    parts = (kind, host, place, *parameter)
    return hashlib.blake2b(_KEY_SEPARATOR.join(parts).encode("utf-8", "replace"), digest_size=16).digest()


def target_host(report: SoundReport) -> str:
    """Return whom the request was for: its host in lower case, the server's address where it named none."""
    return (report.fields.host or "").strip().lower() or report.fields.server


def target_path(uri: str | None) -> str:
    """Return the path of a request target, without its query: `/a` of `/a?b=c` and of `http://host/a?b=c`."""
    if not uri:
        return ""
    path = uri.split("?", 1)[0].split("#", 1)[0]
    scheme, mark, rest = path.partition("://")
    if mark and "/" not in scheme:
        path = "/" + rest.partition("/")[2]
    return path


def parameter_name(point: tuple[str, ...]) -> str:
    """Return what people call the parameter: the innermost key that the sender chose, or else the point's first tag."""
    name = point[0] if point else ""
    parts = iter(point)
    for part in parts:
        if part in _MAPS:
            name = next(parts, name)
    return name


def _without_indices(point: tuple[str, ...]) -> tuple[str, ...]:
    """Return *point* less the indices of arrays: they say which copy of a value was hit, not which parameter."""
    if _LISTS.isdisjoint(point):
        return point
    kept: list[str] = []
    parts = iter(point)
    for part in parts:
        kept.append(part)
        if part in _MAPS:
            kept += [key for key in (next(parts, None),) if key is not None]
        elif part in _LISTS:
            next(parts, None)
    return tuple(kept)
