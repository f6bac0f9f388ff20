"""Values that made a database complain are probes; names, quoted words and searches for the error are none."""

from __future__ import annotations

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.error_probe import RULE, findings, is_probe
from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.model.finding import Finding

ERROR = b'sqlite3.OperationalError: unrecognized token: "\'x"'
PROBES = [b"1'", b"a'\"", b"1..,('\".(),", b"1'CeJRnB<'\">etYstC", b"x\\", b"7')", b'1"', b"1' --"]
NONE = [
    b"O'Brien",
    b"'quoted'",
    b'"ORA-00933"',
    b"it's",
    b"l'h\xc3\xb4tel",
    b"rock 'n' roll",
    b"plain",
    b"",
    b"'",
    b"f(x)",
    b"'a' or two words' ",
]


@pytest.mark.parametrize("value", PROBES)
def test_syntax_that_breaks_out_is_a_probe(value: bytes) -> None:
    assert is_probe(value)


@pytest.mark.parametrize("value", NONE)
def test_names_and_quoted_texts_are_none(value: bytes) -> None:
    assert not is_probe(value)


def exchange(target: bytes, body: bytes, form: bytes = b"") -> Exchange:
    kind = b"Content-Type: application/x-www-form-urlencoded\r\n" if form else b""
    method = b"POST" if form else b"GET"
    head = method + b" " + target + b" HTTP/1.1\r\nHost: a\r\n" + kind + b"\r\n"
    answer = Response(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", body, 2000, 200)
    return Exchange(Request(head, form, 1000, method, target), answer, b"\x0a\0\0\1", 1234, b"\x0a\0\0\2", 80)


def test_a_probe_is_an_injection_where_the_database_complained(detector: Detector) -> None:
    asked = exchange(b"/?a=1&id=1..%2C%28%27%22.%28%29%2C", ERROR)
    found = {finding.rule: finding for finding in detector.inspect(asked)}
    assert (found[RULE].type, found[RULE].point, found[RULE].severity) == ("sqli", ("get", "id"), "high")
    assert {finding.rule for finding in detector.inspect(exchange(b"/", ERROR, b"id=7%27%29"))} >= {RULE}


@pytest.mark.parametrize(
    "asked", [exchange(b"/?id=1%27", b"nothing"), exchange(b"/?id=7", ERROR), exchange(b"/?id=1'+union+select+1,2--", ERROR)]
)
def test_without_an_error_or_with_plain_sql_there_is_no_probe(detector: Detector, asked: Exchange) -> None:
    assert RULE not in {finding.rule for finding in detector.inspect(asked)}


def test_other_leaks_make_no_probe() -> None:
    request = exchange(b"/?id=1%27", b"").request
    assert request is not None
    assert findings(request, [Finding("infoleak", ("response_body",), "x", "infoleak-stack-trace", 0.9)]) == []
