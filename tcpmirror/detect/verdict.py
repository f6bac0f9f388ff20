"""What the signs in one value add up to.

A rule of enough confidence decides alone; weaker ones of the same attack type add up. Inside a long text (a ticket, a wiki
page, a mail) code is quoted rather than run: there a sign counts for less, unless its rule says that it does not, and only
the strongest one counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from tcpmirror.detect.compiled import Expression, Role
from tcpmirror.detect.grammars import GRAMMARS
from tcpmirror.detect.pack import Rule
from tcpmirror.model.point import Point

THRESHOLD: Final = 0.7
CERTAIN: Final = 0.99
DOCUMENT_WEIGHT: Final = 0.75
_DOCUMENT_BYTES: Final = 100
_WORDS: Final = re.compile(rb"[A-Za-z\x80-\xff]{2,}[,.:;!?)]*\s+(?=[A-Za-z\x80-\xff(])")
_IDEOGRAPHS: Final = re.compile(rb"[\xe3-\xed][\x80-\xbf]{2}")  # from kana to Hangul, in UTF-8
_SENTENCE_END: Final = re.compile(rb"[a-z\x80-\xff`)]{3}[.!?:](?:\s|$)|[a-z\x80-\xff.`]{3}\r?\n\r?\n")
_HIDING: Final = frozenset(("base64", "hex", "gzip"))
_STANDARD_HEADER: Final = re.compile(
    r"(?:accept|access-control|alt|cache|content|if|proxy|sec|upgrade|x-client-data|x-amz)(?:$|-)|"
    r"(?:authorization|connection|cookie|date|dnt|dpop|expect|forwarded|from|host|keep-alive|link|origin|pragma|priority|range|"
    r"referer|save-data|server-timing|signature|te|trailer|transfer-encoding|traceparent|tracestate|user-agent|via|warning)$",
    re.IGNORECASE,
)
# Path steps that are followed by a name that the client chose.
NAMED: Final = frozenset(
    ("get", "form_urlencoded", "multipart", "header", "response_header", "cookie", "hash", "xml_tag", "xml_attr", "url")
)


class Sign(NamedTuple):
    """One expression that matched, and where its match ended."""

    expression: int
    end: int


class Verdict(NamedTuple):
    """An attack type that a value shows: the strongest rule, its confidence with the others' added, the end of its match."""

    type: str
    rule: Rule
    confidence: float
    end: int


def key_of(path: Sequence[str]) -> str:
    """Return the parameter name a point belongs to, ``filename`` for file names, the tag itself for names (``get_name``)."""
    key, at = "", 0
    while at < len(path):
        if path[at] in NAMED and at + 1 < len(path):
            key = path[at + 1]
            at += 2
            continue
        if path[at] == "filename" or path[at].endswith("_name"):
            key = path[at]
        at += 1
    return key


def is_file(path: Sequence[str]) -> bool:
    """Tell whether a point is the content of an uploaded file, a picture in a ``data:`` URL, or a body that is no text."""
    if "data_image" in path:
        return True
    return tuple(path[:2]) == ("post", "file") or (path[1:2] == ("multipart",) and path[3:4] == ("file",))


def is_document(value: bytes) -> bool:
    """Tell whether *value* is a longer text of words and sentences rather than data with a payload.

    Scripts without blanks between words show by their share of the text.
    """
    ideographs = len(_IDEOGRAPHS.findall(value, 0, 4096))
    if ideographs >= 6 and ideographs * 10 >= min(len(value), 4096):
        return True
    if len(value) < _DOCUMENT_BYTES or _SENTENCE_END.search(value, 0, 4096) is None:
        return False
    words = len(_WORDS.findall(value, 0, 4096))
    return words >= 8 and words * 25 >= min(len(value), 4096)


def _as_it_is(value: bytes) -> bytes:
    return value


class Counted(NamedTuple):
    """A rule that counts at a point: its weight there and where its match ended."""

    weight: float
    end: int
    rule: Rule


def judge(
    point: Point,
    signs: Iterable[Sign],
    rules: Sequence[Rule],
    expressions: Sequence[Expression],
    fold: Callable[[bytes], bytes] = _as_it_is,
) -> list[Verdict]:
    """Return what *signs* amount to, at most one verdict a type; *fold* undoes the disguises of a value.

    Experimental rules have a verdict of their own: they add nothing to that of the others.
    """
    by_type: dict[tuple[str, bool], list[Counted]] = {}
    for counted in counting(point, signs, rules, expressions, fold):
        by_type.setdefault((counted.rule.type, counted.rule.experimental), []).append(counted)
    if not by_type:
        return []
    long_text = is_document(point.value)
    return [verdict for (kind, _), found in by_type.items() if (verdict := _weigh(kind, found, long_text)) is not None]


def counting(
    point: Point,
    signs: Iterable[Sign],
    rules: Sequence[Rule],
    expressions: Sequence[Expression],
    fold: Callable[[bytes], bytes] = _as_it_is,
) -> Iterator[Counted]:
    """Yield the rules that *signs* fulfil at *point*: their other conditions hold too, and they apply there."""
    matched: dict[int, Sign] = {}
    musts: set[tuple[int, int]] = set()
    refuted: set[int] = set()
    for sign in signs:
        item = expressions[sign.expression]
        if item.role is Role.SIGN:
            matched.setdefault(item.rule, sign)
        elif item.role is Role.MUST:
            musts.add((item.rule, item.group))
        else:
            refuted.add(item.rule)
    for index, sign in matched.items():
        rule = rules[index]
        if index not in refuted and applies(rule, point.path) and _all_must(rule, index, musts):
            if rule.grammar and not confirmed(rule.grammar, point.value, fold):
                continue
            weight = rule.confidence * (DOCUMENT_WEIGHT if not rule.documents and is_document(point.value) else 1)
            yield Counted(weight, sign.end, rule)


def confirmed(grammar: str, value: bytes, fold: Callable[[bytes], bytes]) -> bool:
    """Tell whether *grammar* confirms what patterns saw in *value*, as it stands or folded."""
    confirms = GRAMMARS[grammar]
    if confirms(value):
        return True
    folded = fold(value)
    return folded is not value and confirms(folded)


def applies(rule: Rule, path: tuple[str, ...]) -> bool:
    """Tell whether *rule* judges the point at *path*."""
    if not any(_reaches(prefix, path) for prefix in rule.points):
        return False
    if not rule.files and is_file(path):
        return False
    if path[-1] == "gql_query" and not rule.type.startswith("gql_"):
        return False  # its strings are points of their own; what is left is names and braces
    return rule.keys is None or rule.keys.fullmatch(key_of(path)) is not None


def _reaches(prefix: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Tell whether the points below *prefix* hold the one at *path*.

    Path segments are judged within ``uri``; by themselves only for what an encoding hid in them, and then like a parameter.
    ``header.OTHER`` are the headers that no standard gives a syntax of their own.
    """
    if path[0] in ("path", "action_name"):
        return not _HIDING.isdisjoint(path) and prefix[0] in ("path", "get")
    if prefix == ("header", "OTHER"):
        return path[0] == "header" and len(path) > 1 and _STANDARD_HEADER.match(path[1]) is None
    return path[: len(prefix)] == prefix


def _all_must(rule: Rule, index: int, musts: set[tuple[int, int]]) -> bool:
    return all((index, group) in musts for group in range(len(rule.must)))


def _weigh(kind: str, found: list[Counted], long_text: bool) -> Verdict | None:
    best = max(found, key=lambda item: item.weight)
    total = best.weight if long_text else min(CERTAIN, sum(item.weight for item in found))
    return Verdict(kind, best.rule, round(total, 2), best.end) if total >= THRESHOLD - 1e-9 else None
