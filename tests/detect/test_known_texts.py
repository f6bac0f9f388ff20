"""What is known as clean hides nothing: attacks are found after harmless requests that share all their texts with them."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.pack import load_pack
from tcpmirror.model.exchange import Exchange
from tests.detect.requests import PLACES, request

KINDS = ("query", "form", "cookie", "JSON", "header of its own")
# Pieces of attacks, harmless or not, as names and values of parameters.
TEXTS = (
    b"1",
    b"id",
    b"q",
    b"1/*",
    b"*/union",
    b"select",
    b"union select",
    b"' or",
    b"1=1",
    b"a'b",
    b"<b",
    b"onx=1>",
    b"..",
    b"/etc/passwd",
    b"%27",
    b";ls",
    b"ls -la",
    b"",
)


def before(attack: Exchange) -> Iterator[Exchange]:
    """Yield requests that hold each part of *attack* without the others: what a sender may have known as clean."""
    sent = attack.request
    assert sent is not None
    path, _, query = sent.target.partition(b"?")
    headers = sent.head.partition(b"\r\n")[2].removesuffix(b"\r\n")
    yield request(sent.method, path)
    for part in query.split(b"&"):
        yield request(sent.method, path + b"?" + part)
        yield request(sent.method, path + b"?none=1&" + part + b"&more=2")
        name, _, value = part.partition(b"=")
        for half in (value[: len(value) // 2], value[len(value) // 2 :]):
            yield request(sent.method, path + b"?none=1&" + name + b"=" + half)
    for line in headers.split(b"\r\n"):
        if line.startswith(b"Cookie: "):
            for cookie in line.removeprefix(b"Cookie: ").split(b";"):
                yield request(b"GET", b"/", b"Cookie: none=1;" + cookie + b"\r\n")
    for part in sent.body.split(b"&"):
        yield request(b"POST", path, b"", b"none=1&" + part)


def test_attacks_are_found_after_all_that_they_are_made_of(detector: Detector) -> None:
    values = [example for rule in load_pack().rules if not rule.is_for_responses for example in rule.matching]
    asked = 0
    for value in values:
        for place in KINDS:
            attack = PLACES[place](value)
            first = {found.type for found in detector.inspect(attack)}
            for harmless in before(attack):
                detector.inspect(harmless)
            assert {found.type for found in detector.inspect(attack)} == first, (place, value)
            asked += bool(first)
    assert asked > 1000


pairs = st.lists(
    st.tuples(st.sampled_from((b"id", b"q", b"%71", b"a")), st.lists(st.sampled_from(TEXTS), max_size=3).map(b" ".join)),
    max_size=4,
)


def written(fields: list[tuple[bytes, bytes]], between: bytes) -> bytes:
    return between.join(name + b"=" + value for name, value in fields)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(pairs, pairs, pairs), max_size=12))
def test_the_first_tier_is_never_too_strict_whatever_came_before(
    detector: Detector, requests: list[tuple[list[tuple[bytes, bytes]], ...]]
) -> None:
    for query, cookies, fields in requests:
        target = b"/find?" + written(query, b"&").replace(b" ", b"+")
        head = b"Content-Type: application/x-www-form-urlencoded\r\nCookie: " + written(cookies, b"; ") + b"\r\n"
        head += b"".join(b"X-" + name + b": " + value + b"\r\n" for name, value in query)
        sent = request(b"POST", target, head, written(fields, b"&").replace(b" ", b"+")).request
        assert sent is not None
        if not detector.is_suspect(sent):
            assert detector.judge_request(sent) == []
