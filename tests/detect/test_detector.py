"""The detector: attacks found where they are put, clean requests left alone, cost bounded."""

from __future__ import annotations

import dataclasses
import time
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcpmirror.detect.detector import FINDINGS_LIMIT, Detector
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.exchange import Exchange, KnownBody, Request, Response
from tcpmirror.processes.detection import build_detector
from tcpmirror.settings.tree import Inspection, Limits, Settings
from tests.detect.conftest import CACHE
from tests.detect.requests import PLACES, request

ATTACKS = {
    "sqli": b"1' UNION SELECT null,password FROM users--",
    "xss": b'"><img src=x onerror=alert(1)>',
    "ptrav": b"../../../etc/passwd",
    "rce": b"127.0.0.1; cat /etc/hosts",
    "xxe": b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///x">]><r>&x;</r>',
    "ssrf": b"http://169.254.169.254/latest/meta-data/",
    "ssti": b"{{7*7}}",
    "ssi": b'<!--#exec cmd="id" -->',
    "nosqli": b"' || this.password.match(/.*/)//",
    "ldapi": b"*)(uid=*))(|(uid=*",
    "crlf": b"x\r\nSet-Cookie: a=b",
    "mail_injection": b"a@b.example\r\nBcc: c@d.example",
}
EVASIONS = {
    "comments in SQL": ("sqli", b"1'/**/UnIoN/*x*/SeLeCt/**/1,2"),
    "conditional comments": ("sqli", b"1 /*!50000union*/ /*!50000select*/ 1,2"),
    "blanks in SQL": ("sqli", b"1'\x0bunion\x0c\tselect\n1"),
    "NUL in a tag": ("xss", b"<scr\0ipt>alert(1)</scr\0ipt>"),
    "full-width markup": ("xss", "＜script＞alert(1)＜/script＞".encode()),
    "overlong dots": ("ptrav", b"\xc0\xae\xc0\xae\xc0\xaf\xc0\xae\xc0\xae\xc0\xafetc/x"),
    "backslashes": ("ptrav", rb"..\..\..\windows\win.ini"),
    "double dots doubled": ("ptrav", b"....//....//....//etc/x"),
    "shell quotes": ("rce", b";c''at /e\"\"tc/x"),
    "IFS": ("rce", b";cat$IFS/etc/x"),
    "log lookup in pieces": ("rce", b"${${::-j}${::-n}${::-d}${::-i}:ldap://192.0.2.1/a}"),
}
HARMLESS = {
    "prose with command words": b"Please find the time to sort out which cat sat on the mat; who knows, more or less.",
    "prose with SQL words": b"Select your union from the list and order by Friday, or drop us a line where possible.",
    "apostrophes": b"It's O'Neil's dog; isn't it Anne's 'n' Bob's?",
    "arithmetic": b"a < b, 5 > 3, so x = y + 2 * (z - 1) or less",
    "template": b"Dear {{first_name}} {{last_name}}, your code is ${code}.",
    "URL": b"https://shop.example/list?page=2&sort=price#top",
    "email": b"Ann Example <ann@shop.example>",
    "session token": b"e5640e412a4c331be141cfe49c587d51",
    "company names": b"AT&T, R&D; Johnson & Johnson | Barnes & Noble",
    "JSON": b'{"from": "a", "where": ["b", "c"], "select": null}',
    "path": b"/var/lib-name/of-a/product.html",
    "date": b"2024-01-02T03:04:05+01:00",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("kind", "value"), ATTACKS.items(), ids=ATTACKS)
def test_attacks_are_found_in_every_place(detector: Detector, kind: str, value: bytes, place: str) -> None:
    found = detector.inspect(PLACES[place](value))
    assert kind in {finding.type for finding in found}
    assert all(finding.type in ATTACK_TYPES and 0 < finding.confidence <= 1 for finding in found)
    assert all(len(finding.payload) <= 512 for finding in found)


@pytest.mark.parametrize(("kind", "value"), EVASIONS.values(), ids=EVASIONS)
def test_evasions_are_found(detector: Detector, kind: str, value: bytes) -> None:
    assert kind in {finding.type for finding in detector.inspect(PLACES["query"](value))}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", HARMLESS.values(), ids=HARMLESS)
def test_harmless_values_are_left_alone_in_every_wrapping(detector: Detector, value: bytes, place: str) -> None:
    assert detector.inspect(PLACES[place](value)) == []


def test_a_system_file_in_the_path(detector: Detector) -> None:
    (finding,) = detector.inspect(request(b"GET", b"/etc/passwd"))
    assert (finding.type, finding.point) == ("ptrav", ("uri",))


def test_clean_requests_do_not_reach_the_second_tier(detector: Detector) -> None:
    before = detector.tier2, detector.inspected
    for target in (b"/", b"/products?id=42&q=running+shoes&page=2", b"/static/app.4f3a2b.js", b"/api/v1/orders/17"):
        assert detector.inspect(request(b"GET", target)) == []
    assert (detector.tier2, detector.inspected) == (before[0], before[1] + 4)


def test_what_was_learned_as_clean_hides_nothing(detector: Detector) -> None:
    for _ in range(2):
        detector.inspect(request(b"GET", b"/", b"X-Plain: yes\r\n"))
        assert detector.inspect(request(b"GET", b"/", b"X-Plain: ${jndi:ldap://192.0.2.1/a}\r\n"))
        assert detector.inspect(request(b"GET", b"/", b"User-Agent: sqlmap/1.7\r\n"))


def test_a_flood_of_attacks_is_cut(detector: Detector) -> None:
    body = b"&".join(b"p%d=%%3Cscript%%3Ealert(1)%%3C/script%%3E" % index for index in range(200))
    assert len(detector.inspect(request(b"POST", b"/", b"", body))) == FINDINGS_LIMIT


def test_a_compressed_bomb_is_a_data_bomb(detector: Detector) -> None:
    exchange = request(b"POST", b"/", b"", b"a=1")
    exchange.anomalies = 1 << Anomaly.DECOMPRESSION_LIMIT
    assert [finding.type for finding in detector.inspect(exchange)] == ["data_bomb"]


def test_a_spent_budget_is_told() -> None:
    limits = dataclasses.replace(Limits(), process_time_ns=50_000)
    slow = build_detector(dataclasses.replace(Settings(), limits=limits), Path(__file__).parents[2] / "build" / "rules")
    body = b"&".join(b"p%d=%%27x" % index for index in range(500))
    found = slow.inspect(request(b"POST", b"/?a=<script>", b"", body))
    assert "overlimit_res" in {finding.type for finding in found}


def test_a_response_without_request_is_judged(detector: Detector) -> None:
    response = Response(b"HTTP/1.1 500 X\r\nContent-Type: text/plain\r\n\r\n", b"Traceback (most recent call last):\n")
    (finding,) = detector.inspect(Exchange(None, response))
    assert (finding.type, finding.point) == ("infoleak", ("response_body",))


def test_binary_responses_are_not_looked_at(detector: Detector) -> None:
    response = Response(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", b"root:x:0:0:root:/root:/bin/bash")
    assert detector.inspect(Exchange(None, response)) == []


OWN_LEAK = """
type: infoleak
why: What nobody outside is to read.
rules:
  - id: own-leak
    title: The name of a project
    severity: high
    confidence: 0.9
    points: [response_body]
    patterns: ['project zanzibar']
    examples: {match: ["our project zanzibar"], no_match: [zanzibar]}
"""


def test_what_is_remembered_of_a_known_body_holds_for_the_rules_that_searched_it(detector: Detector, tmp_path: Path) -> None:
    def known(body: bytes, kind: bytes = b"text/plain") -> Exchange:
        response = Response(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n\r\n" % kind, body)
        response.known = KnownBody()
        return Exchange(None, response)

    clean = known(b"our project zanzibar")
    assert [detector.inspect(clean), detector.inspect(clean)] == [[], []]
    (tmp_path / "own.yaml").write_text(OWN_LEAK)
    other = build_detector(Settings(inspection=Inspection(rules_dir=str(tmp_path))), CACHE)
    for _ in range(2):
        assert [finding.rule for finding in other.inspect(clean)] == ["own-leak"]
    assert detector.inspect(clean) == []
    leak = known(b"Traceback (most recent call last):\n", b"image/png")
    assert detector.inspect(leak) == []
    leak.response.head = b"HTTP/1.1 500 X\r\nContent-Type: text/plain\r\n\r\n"
    for _ in range(2):
        assert [finding.type for finding in detector.inspect(leak)] == ["infoleak"]


def test_a_known_clean_body_is_not_searched_again(detector: Detector) -> None:
    """Which shows where a body is given that is not what was searched: nobody else does that."""
    response = Response(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"nothing to see")
    response.known = KnownBody()
    assert detector.inspect(Exchange(None, response)) == []
    response.body = b"Traceback (most recent call last):\n"
    assert detector.inspect(Exchange(None, response)) == []


def test_each_content_type_is_judged_by_itself(detector: Detector) -> None:
    leak = b"Traceback (most recent call last):\n"
    kinds = {b"text/html": True, b"image/png": False, b"application/problem+json": True, b"": False, b"IMAGE/SVG+XML": True}
    for number in range(1500):  # more than are remembered
        kinds[b"application/x-%d" % number] = False
    for _ in range(2):
        for kind, is_text in kinds.items():
            response = Response(b"HTTP/1.1 500 X\r\nContent-Type: %b\r\n\r\n" % kind, leak)
            assert bool(detector.inspect(Exchange(None, response))) is is_text, kind
    assert detector.inspect(Exchange(None, Response(b"HTTP/1.1 500 X\r\n\r\n", leak)))


HOSTILE = {
    "billion laughs": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><l>&j;</l>",
    "quotes": b"a='" + b"' or '" * 20_000,
    "brackets": b"[" * 100_000,
    "angles": b"<" * 100_000,
    "spaces": b"a=" + b" " * 100_000 + b"'",
    "dots": b"a=" + b"../" * 30_000,
    "semicolons": b"a=" + b";cat" * 25_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies_are_judged_in_bounded_time(detector: Detector, body: bytes) -> None:
    started = time.process_time()
    detector.inspect(request(b"POST", b"/", b"", body))
    assert time.process_time() - started < 1.5


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.binary(max_size=200), body=st.binary(max_size=200))
def test_no_bytes_make_it_fail_and_the_first_tier_is_never_too_strict(detector: Detector, head: bytes, body: bytes) -> None:
    line = head.replace(b"\n", b"").replace(b"\r", b"")
    message = Request(b"GET /?" + line + b" HTTP/1.1\r\nX: " + line + b"\r\n\r\n", body, 0, b"GET", b"/?" + line)
    if detector.judge_request(message):
        assert detector.is_suspect(message)
    detector.inspect(Exchange(message, Response(b"HTTP/1.1 200 OK\r\n\r\n", body)))


NAMED = b"touch created-by-someone"  # an attack in a field called `shell` alone
PACKED = b"dG91Y2ggY3JlYXRlZC1ieS1zb21lb25l"
PARTS = b"Content-Type: multipart/form-data; boundary=b\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="shell"\r\n\r\n%b\r\n--b--\r\n'
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
FIELDS = {
    "parameter": (b"/x?a=1&shell=touch+created-by-someone", b"", b""),
    "parameter in base64": (b"/x?shell=" + PACKED, b"", b""),
    "parameter in hexadecimal": (b"/x?shell=" + NAMED.hex().encode(), b"", b""),
    "array of parameters": (b"/x?shell[]=touch+created-by-someone", b"", b""),
    "form": (b"/x", FORM, b"a=1&shell=touch+created-by-someone"),
    "document in a form": (b"/x", FORM, b'q={"shell":"touch created-by-someone"}'),
    "part": (b"/x", PARTS, PART % NAMED),
    "part in base64": (b"/x", PARTS, PART % PACKED),
    "element": (b"/x", b"Content-Type: text/xml\r\n", b"<a><shell>" + NAMED + b"</shell></a>"),
    "element in base64": (b"/x", b"Content-Type: text/xml\r\n", b"<a><shell>" + PACKED + b"</shell></a>"),
    "attribute": (b"/x", b"Content-Type: text/xml\r\n", b"<a shell='" + NAMED + b"'/>"),
    "header": (b"/x", b"shell: " + NAMED + b"\r\n", b""),
    "header in base64": (b"/x", b"shell: " + PACKED + b"\r\n", b""),
    "cookie": (b"/x", b"Cookie: a=b; shell=" + NAMED + b"\r\n", b""),
    "member": (b"/x", b"", b'{"a":1,"shell":"touch created-by-someone"}'),
    "member in base64": (b"/x", b"", b'{"shell":"' + PACKED + b'"}'),
    "member percent-encoded": (b"/x", b"", b'{"shell":"touch%20created-by-someone"}'),
    "element of an array": (b"/x", b"", b'{"shell":["x","touch created-by-someone"]}'),
    "document in a member": (b"/x", b"", b'{"q":"{\\"shell\\":\\"touch created-by-someone\\"}"}'),
}


@pytest.mark.parametrize(("target", "headers", "body"), FIELDS.values(), ids=FIELDS)
def test_the_first_tier_keeps_a_value_and_its_name_together(
    detector: Detector, target: bytes, headers: bytes, body: bytes
) -> None:
    clean = request(b"POST", b"/x", b"", b'{"shell":"a harmless sentence of more than sixteen bytes"}')
    assert detector.inspect(clean) == []  # and so the name alone is known as clean
    asked = request(b"POST", target, headers, body)
    assert [finding.rule for finding in detector.inspect(asked)] == ["rce-command-field"]


ELSEWHERE = b"https://elsewhere.example/"
IN_HEADS = ("header", "header in base64", "cookie")  # which the rules below leave to others


@pytest.mark.parametrize(
    ("rule", "name"), [("ptrav-remote-root", b"base_path"), ("redir-foreign-site", b"next")], ids=["include", "redirect"]
)
@pytest.mark.parametrize("place", [place for place in FIELDS if place not in IN_HEADS])
def test_the_first_tier_keeps_an_address_and_its_name_together(
    detector: Detector, place: str, rule: str, name: bytes
) -> None:
    instead = {PACKED: b64encode(ELSEWHERE), NAMED.hex().encode(): ELSEWHERE.hex().encode()}
    instead |= dict.fromkeys((NAMED.replace(b" ", b"+"), NAMED.replace(b" ", b"%20"), NAMED), ELSEWHERE) | {b"shell": name}
    asked = list(FIELDS[place])
    for text, other in instead.items():
        asked = [part.replace(text, other) for part in asked]
    assert rule in [finding.rule for finding in detector.inspect(request(b"POST", *asked))]
