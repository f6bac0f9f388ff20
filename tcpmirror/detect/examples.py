"""The examples of rules as exchanges, and what became of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.pack import Rule
from tcpmirror.detect.verdict import THRESHOLD
from tcpmirror.model.exchange import Exchange, Request, Response

_REQUEST_LINE: Final = re.compile(rb"[A-Z]{3,16} /")
_HEAD: Final = b"Host: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one example showed; ``problem`` is empty where it showed what its rule says."""

    rule: Rule
    example: bytes
    must_match: bool
    problem: str


def exchange_of(example: bytes) -> Exchange:
    """Return the exchange an example stands for.

    It is a request (``METHOD /target``, header lines, an empty line, a body), or else a value for a query parameter.
    """
    if not _REQUEST_LINE.match(example):
        return _request(b"GET", b"/find?page=1&q=" + quote_from_bytes(example, safe="").encode(), b"", b"")
    head, _, body = example.partition(b"\n\n")
    first, *headers = head.split(b"\n")
    method, _, target = first.partition(b" ")
    return _request(method, target, b"".join(line + b"\r\n" for line in headers), body)


def response_of(example: bytes) -> Exchange:
    """Return a page that shows *example*."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    return Exchange(None, Response(head, b"<p>" + example + b"</p>"))


def run_examples(detector: Detector, rules: Iterable[Rule]) -> Iterator[Outcome]:
    """Yield the outcome of every example of *rules*."""
    for rule in rules:
        for example in rule.matching:
            yield Outcome(rule, example, True, _missed(detector, rule, example))
        for example in rule.harmless:
            yield Outcome(rule, example, False, _false_alarm(detector, rule, example))


def _missed(detector: Detector, rule: Rule, example: bytes) -> str:
    if rule.is_for_responses or rule.detector:
        return "" if rule.id in _found(detector, rule, example) else "the rule finds nothing"
    request = exchange_of(example).request
    if request is None or rule.id not in _counting(detector, request):
        return "the rule does not count anywhere"
    full = {finding.type for finding in detector.judge_request(request)}
    if rule.confidence >= THRESHOLD and rule.type not in full:
        return f"the rule counts, but no finding of type {rule.type} comes of it"
    if full and not detector.is_suspect(request):
        return "the first tier stops it; `gates` have to match whenever the patterns do"
    return ""


def _false_alarm(detector: Detector, rule: Rule, example: bytes) -> str:
    if rule.is_for_responses or rule.detector:
        return "the rule finds it" if rule.id in _found(detector, rule, example) else ""
    request = exchange_of(example).request
    return "the rule counts" if request is not None and rule.id in _counting(detector, request) else ""


def _found(detector: Detector, rule: Rule, example: bytes) -> set[str]:
    exchange = response_of(example) if rule.is_for_responses else exchange_of(example)
    return {finding.rule for finding in detector.inspect(exchange)}


def _counting(detector: Detector, request: Request) -> set[str]:
    return {rule for _, rules in detector.explain(request) for rule in rules}


def _request(method: bytes, target: bytes, headers: bytes, body: bytes) -> Exchange:
    head = method + b" " + target + b" HTTP/1.1\r\n" + _HEAD + headers
    if body:
        head += b"Content-Length: %d\r\n" % len(body)
    return Exchange(Request(head + b"\r\n", body, 0, method, target))
