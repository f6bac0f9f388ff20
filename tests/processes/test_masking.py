"""Masks: what they cover is gone from everything that leaves a worker, wherever in an exchange it stands."""

from __future__ import annotations

import base64
import json
import tempfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.behavior.counter import CounterKey
from tcpmirror.discovery.digest import EndpointDigest, ParameterDigest
from tcpmirror.discovery.record import wire_row
from tcpmirror.export.attack_log import hit_facts
from tcpmirror.export.wire import wire_report
from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report, encode_report
from tcpmirror.processes.access_log import AccessLog
from tcpmirror.processes.detection import build_detector
from tcpmirror.processes.judging import Judge
from tcpmirror.processes.masking import compiled_masks, concealing_counters, masked_counter, masked_digest
from tcpmirror.settings.tree import AccessLog as AccessSettings
from tcpmirror.settings.tree import Condition, Inspection, Limits, Log, Mask, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER

SECRET = "kanarie7Q-v0gel"
ODD = 'kan"ar&ie <v0gel>/\u00fc'
_DETECTOR = build_detector(Settings())
_NOTED: list[bytes] = []  # the access log of the last exchange


def request(line: str, headers: str = "", body: bytes = b"") -> Request:
    method, target, _ = line.split(" ")
    head = f"{line}\r\nHost: shop.example\r\n{headers}\r\n".encode()
    return Request(head, body, 1000, method.encode(), target.encode())


def response(headers: str = "", body: bytes = b"") -> Response:
    return Response(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode(), body, 2000, 200)


def reported(sent: Request | None, answer: Response | None, *masks: Mask, limits: Limits | None = None) -> Report:
    settings = Settings(inspection=Inspection(mask=masks), limits=limits or Limits())
    kept: list[Report] = []
    page = CounterPage.private(WORKER)
    judge = Judge(settings, _DETECTOR, lambda one, found: kept.append(judge.report(one, found)), page, keep_all=True)
    with tempfile.NamedTemporaryFile() as file:
        judge.access = AccessLog(Log(access=AccessSettings(True, True, file.name)), "stderr", "worker-0", 1, page)
        judge(Exchange(sent, answer, b"\x0a\0\0\1", 1234, b"\x0a\0\0\2", 80))
        judge.access.close()
        _NOTED[:] = file.read().splitlines()
    assert page.get("bugs") == 0
    assert len(_NOTED) == (sent is None or sent.version != b"WEBSOCKET")
    return kept[0]


def everything(report: Report) -> bytes:
    """Return all that any output makes of a report."""
    hits = [json.dumps(hit_facts(report, finding, 1)).encode() for finding in report.findings]
    return b"\n".join([encode_report(report), wire_report(report), *hits, *_NOTED])


def forms(secret: str) -> list[bytes]:
    raw = secret.encode()
    return [raw, base64.b64encode(raw).rstrip(b"="), json.dumps(secret)[1:-1].encode()]


JSON = "Content-Type: application/json\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
MULTIPART = "Content-Type: multipart/form-data; boundary=BB\r\n"
TOKEN = base64.urlsafe_b64encode(json.dumps({"sub": SECRET, "role": "user"}).encode()).rstrip(b"=").decode()
PLACES = {
    "path": (request(f"GET /reset/{SECRET}/x HTTP/1.1"), Mask("m", point="path.1")),
    "last part of a path": (request(f"GET /reset/{SECRET} HTTP/1.1"), Mask("m", point="action_name")),
    "extension": (request(f"GET /reset/a.{SECRET} HTTP/1.1"), Mask("m", point="action_ext")),
    "query": (request(f"GET /?a=1&key={SECRET} HTTP/1.1"), Mask("m", point="get.key")),
    "query, given twice": (request(f"GET /?key=1&key={SECRET} HTTP/1.1"), Mask("m", point="[get][key]")),
    "query, in Base64": (
        request(f"GET /?key={base64.b64encode(SECRET.encode()).decode()} HTTP/1.1"),
        Mask("m", point="get.key.base64"),
    ),
    "header": (request("GET / HTTP/1.1", f"X-Thing: {SECRET}\r\n"), Mask("m", point="header.X-Thing")),
    "header, given twice": (request("GET / HTTP/1.1", f"X-Thing: 1\r\nX-Thing: {SECRET}\r\n"), Mask("m", point="header.X-THING")),
    "header, folded": (request("GET / HTTP/1.1", f"X-Thing: 1\r\n {SECRET}\r\n"), Mask("m", point="header.X-THING")),
    "cookie": (request("GET / HTTP/1.1", f"Cookie: a=1; sid={SECRET}\r\n"), Mask("m", point="header.COOKIE.cookie.sid")),
    "form": (request("POST / HTTP/1.1", FORM, f"a=b&pin={SECRET}".encode()), Mask("m", parameter="pin")),
    "JSON": (
        request("POST / HTTP/1.1", JSON, json.dumps({"a": [{"pin": SECRET}]}).encode()),
        Mask("m", point="post.json_doc.hash.a.array.0.hash.pin"),
    ),
    "JSON, any element": (
        request("POST / HTTP/1.1", JSON, json.dumps({"a": [1, {"pin": SECRET}]}).encode()),
        Mask("m", point="post.json_doc.hash.a.array.*.hash.pin"),
    ),
    "JSON in JSON": (
        request("POST / HTTP/1.1", JSON, json.dumps({"doc": json.dumps({"pin": SECRET})}).encode()),
        Mask("m", parameter="pin"),
    ),
    "JSON, cut short": (request("POST / HTTP/1.1", JSON, b'{"pin": "' + SECRET.encode()), Mask("m", parameter="pin")),
    "XML": (
        request("POST / HTTP/1.1", "Content-Type: text/xml\r\n", f"<a><b>{SECRET}</b></a>".encode()),
        Mask("m", point="post.xml.xml_tag.a.xml_tag.b"),
    ),
    "XML attribute": (
        request("POST / HTTP/1.1", "Content-Type: text/xml\r\n", f'<?xml version="1.0"?><a pin="{SECRET}"/>'.encode()),
        Mask("m", parameter="pin"),
    ),
    "multipart field": (
        request(
            "POST / HTTP/1.1", MULTIPART,
            f'--BB\r\nContent-Disposition: form-data; name="pin"\r\n\r\n{SECRET}\r\n--BB--\r\n'.encode(),
        ),
        Mask("m", point="post.multipart.pin"),
    ),
    "multipart file": (
        request(
            "POST / HTTP/1.1", MULTIPART,
            f'--BB\r\nContent-Disposition: form-data; name="f"; filename="{SECRET}"\r\n\r\nx {SECRET}\r\n--BB--\r\n'.encode(),
        ),
        Mask("m", point="post.multipart.f"),
    ),
    "GraphQL argument": (
        request("POST /graphql HTTP/1.1", JSON, json.dumps({"query": f'{{ login(pin: "{SECRET}") {{ id }} }}'}).encode()),
        Mask("m", point="post.json_doc.hash.query.gql_query.gql_arg"),
    ),
    "JWT claim": (
        request("GET / HTTP/1.1", f"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.{TOKEN}.c2lnbmF0dXJl\r\n"),
        Mask("m", parameter="sub"),
    ),
    "plain body": (request("POST / HTTP/1.1", "", f"see {SECRET} here".encode()), Mask("m", pattern="kanarie[0-9]Q-\\w+")),
    "name of a parameter": (request(f"GET /?{SECRET}=1 HTTP/1.1"), Mask("m", pattern="kanarie[0-9]Q-\\w+")),
    "name of a member": (
        request("POST / HTTP/1.1", JSON, json.dumps({SECRET: "' or 1=1 --"}).encode()), Mask("m", pattern="kanarie[0-9]Q-\\w+")
    ),
    "message of a WebSocket": (
        Request(
            b"WEBSOCKET /chat HTTP/1.1\r\nHost: shop.example\r\n\r\n", json.dumps({"pin": SECRET}).encode(), 1000,
            b"WEBSOCKET", b"/chat", b"WEBSOCKET",
        ),
        Mask("m", parameter="pin"),
    ),
    "an attack itself": (request(f"GET /?q=1'+union+select+'{SECRET}','b'--+- HTTP/1.1"), Mask("m", point="get.q")),
    "an attack, by pattern": (
        request(f"GET /?q=1'+union+select+'{SECRET}','b'--+- HTTP/1.1"), Mask("m", pattern="kanarie[0-9]Q-\\w+")
    ),
    "the target of a proxy's request": (request(f"GET http://shop.example/a?key={SECRET} HTTP/1.1"), Mask("m", point="get.key")),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "mask"), PLACES.values(), ids=PLACES)
def test_a_masked_value_of_a_request_is_in_no_output(sent: Request, mask: Mask) -> None:
    plain = everything(reported(sent, response(body=b"ok")))
    echo = response(
        f"Set-Cookie: last={SECRET}\r\n", f"<p>{SECRET}</p> and {base64.b64encode(SECRET.encode()).decode()}".encode()
    )
    report = reported(sent, echo, mask)
    told = everything(report)
    assert any(form in plain for form in (*forms(SECRET), TOKEN.encode()))
    for form in forms(SECRET):
        assert form not in told
    assert len(report.request) == len(sent.head + sent.body)
    assert report.request.count(b"\r\n") == (sent.head + sent.body).count(b"\r\n") or b"\r\n " in sent.head


RESPONSES = {
    "header": (response(f"X-Thing: {SECRET}\r\n"), Mask("m", point="response_header.X-THING")),
    "cookie": (response(f"Set-Cookie: sid={SECRET}; Path=/\r\n"), Mask("m", point="response_header.SET-COOKIE.cookie.sid")),
    "JSON": (response(JSON, json.dumps({"list": [{"pin": SECRET}]}).encode()), Mask("m", parameter="pin")),
    "XML": (response("", f"<a><b>{SECRET}</b></a>".encode()), Mask("m", point="response_body.xml.xml_tag.a")),
    "page": (
        response("Content-Type: text/html\r\n", f"<p>a {SECRET}</p>".encode()),
        Mask("m", pattern="kanarie[0-9]Q-\\w+"),
    ),
    "all of it": (response("", f"some {SECRET} text".encode()), Mask("m", point="response_body")),
    "a status page": (response("Content-Type: text/plain\r\n", f"token={SECRET}\n".encode()), Mask("m", classes=("token",))),
}


@pytest.mark.parametrize(("answer", "mask"), RESPONSES.values(), ids=RESPONSES)
def test_a_masked_value_of_a_response_is_in_no_output(answer: Response, mask: Mask) -> None:
    sent = request(f"GET /?again={SECRET} HTTP/1.1")
    assert SECRET.encode() in everything(reported(sent, answer))
    assert SECRET.encode() not in everything(reported(sent, answer, mask))
    assert SECRET.encode() not in everything(reported(None, answer, mask))


CLASSES = {
    "card in JSON": ("card", JSON, b'{"pay": {"n": 4111111111111111}}', b"4111111111111111"),
    "card with blanks in text": ("financial", "", b"my card is 4111 1111 1111 1111.", b"4111 1111 1111 1111"),
    "mail address in a form": ("pii", FORM, b"to=jo%40sea.example&x=1", b"jo%40sea.example"),
    "mail address in text": ("email", "", b"write to jo@sea.example!", b"jo@sea.example"),
    "password by its name": ("credentials", FORM, b"user=jo&password=tr0ub4dor", b"tr0ub4dor"),
    "password in text": ("password", "", b"use password: tr0ub4dor please", b"tr0ub4dor"),
    "authorization": ("token", "Authorization: Basic am86dHIwdWI0ZG9y\r\n", b"", b"am86dHIwdWI0ZG9y"),
    "token of a JWT": ("jwt", "", b"t eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2ln t", b"eyJzdWIiOiJqbyJ9"),
    "IBAN": ("iban", "", b"to DE89 3704 0044 0532 0130 00 now", b"3704 0044"),
    "private key": ("private_key", "", b"-----BEGIN PRIVATE KEY-----\nMIIBVg\n-----END PRIVATE KEY-----\n", b"MIIBVg"),
}


@pytest.mark.parametrize(("kind", "headers", "body", "secret"), CLASSES.values(), ids=CLASSES)
def test_detected_classes_are_masked(kind: str, headers: str, body: bytes, secret: bytes) -> None:
    mask = Mask("m", classes=(kind,))
    report = reported(request("POST / HTTP/1.1", headers, body), response(body=body), mask)
    assert secret not in everything(report)
    assert b"*" in report.request
    other = "medical"
    assert secret in reported(request("POST / HTTP/1.1", headers, body), None, Mask("m", classes=(other,))).request


def test_what_no_mask_covers_stays() -> None:
    sent = request("POST /pay?id=7 HTTP/1.1", JSON, b'{"pin": "kanarie77", "name": "jo", "n": 4111111111111112}')
    report = reported(sent, response(body=b"fine"), Mask("m", parameter="pin"), Mask("c", classes=("card",)))
    assert report.request == sent.head + b'{"pin": "*********", "name": "jo", "n": 4111111111111112}'
    assert (report.uri, report.host, report.response[-4:]) == ("/pay?id=7", "shop.example", b"fine")


CONDITIONS = {
    "host": (replace(Mask("m", pattern="kanarie.*"), host="shop.*"), True),
    "other host": (replace(Mask("m", pattern="kanarie.*"), host="*.bank"), False),
    "path": (replace(Mask("m", pattern="kanarie.*"), path="/a/*"), True),
    "other path": (replace(Mask("m", pattern="kanarie.*"), path="~^/b"), False),
    "header": (Mask("m", pattern="kanarie.*", where=(Condition("header.HOST", "iequal", "SHOP.EXAMPLE"),)), True),
    "header, other case": (
        Mask("m", pattern="kanarie.*", where=(Condition("header.HOST", "equal", "SHOP.EXAMPLE"),)),
        False,
    ),
    "method": (Mask("m", pattern="kanarie.*", where=(Condition("method", "regex", "^(GET|PUT)$"),)), True),
    "absent": (Mask("m", pattern="kanarie.*", where=(Condition("get.debug", "absent"),)), True),
    "not absent": (Mask("m", pattern="kanarie.*", where=(Condition("get.q", "absent"),)), False),
    "part of the path": (Mask("m", pattern="kanarie.*", where=(Condition("path.0", "equal", "a"),)), True),
    "action": (
        Mask("m", pattern="kanarie.*", where=(Condition("action_name"), Condition("action_ext", "equal", "b"))),
        False,
    ),
    "action name and extension": (
        Mask(
            "m", pattern="kanarie.*", where=(Condition("action_name", "equal", "x"), Condition("action_ext", "equal", "php"))
        ),
        True,
    ),
    "application": (Mask("m", pattern="kanarie.*", where=(Condition("application", "equal", "3"),)), False),
    "scheme": (Mask("m", pattern="kanarie.*", where=(Condition("scheme", "equal", "http"),)), True),
    "protocol": (Mask("m", pattern="kanarie.*", where=(Condition("proto", "equal", "HTTP/1.1"),)), True),
    "uri": (Mask("m", pattern="kanarie.*", where=(Condition("uri", "regex", "q=k"),)), True),
}


@pytest.mark.parametrize(("mask", "applies"), CONDITIONS.values(), ids=CONDITIONS)
def test_conditions_of_masks(mask: Mask, applies: bool) -> None:
    report = reported(request(f"GET /a/x.php?q={SECRET} HTTP/1.1"), None, mask)
    assert (SECRET.encode() not in everything(report)) is applies


@given(body=st.binary(max_size=300), kind=st.sampled_from(["", JSON, FORM, MULTIPART, "Content-Type: text/xml\r\n"]))
def test_any_body_is_masked_to_its_length_and_nothing_is_said_twice(body: bytes, kind: str) -> None:
    sent = request("POST /x HTTP/1.1", kind, body)
    for mask in (Mask("m", classes=("pii", "credentials")), Mask("m", point="post"), Mask("m", pattern="[0-9a-f]{4}")):
        report = reported(sent, response(kind, body), mask)
        assert len(report.request) == len(sent.head + body)


def test_all_of_a_masked_body_goes_whatever_it_holds() -> None:
    body = b'{"a": "x'
    report = reported(request("POST /x HTTP/1.1", JSON, body), None, Mask("m", point="post"))
    assert b"x" not in report.request.partition(b"\r\n\r\n")[2]


def test_a_value_that_the_export_limit_cuts_is_masked_too() -> None:
    sent = request("POST / HTTP/1.1", JSON, json.dumps({"pin": SECRET * 40}).encode())
    limit = len(sent.head) + 30
    report = reported(sent, None, Mask("m", pattern=f"{SECRET * 40}"), limits=Limits(export_request_bytes=limit))
    assert b"kanarie" not in report.request
    assert len(report.request) == limit


def test_a_value_of_odd_characters_is_masked_in_every_notation() -> None:
    body = json.dumps({"pin": ODD}).encode()
    echo = response(
        "Content-Type: text/html\r\n",
        (
            "<p>" + ODD.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") + "</p>"
        ).encode(),
    )
    told = everything(reported(request("POST / HTTP/1.1", JSON, body), echo, Mask("m", parameter="pin")))
    assert b"v0gel" not in told


def test_findings_tell_nothing_of_what_is_masked_and_stay_findings() -> None:
    sent = request(f"GET /?q=1'+union+select+'{SECRET}','b'--+- HTTP/1.1")
    report = reported(sent, response("Content-Type: text/html\r\n", b"x"), Mask("m", point="get.q"))
    assert [finding.type for finding in report.findings] == ["sqli"]
    assert set(report.findings[0].payload) == {"*"}
    partly = reported(sent, response(), Mask("m", pattern="kanarie[0-9]Q-\\w+"))
    assert partly.findings[0].payload.startswith("1' union select '***")


def test_the_inventory_tells_no_choices_of_masked_parameters() -> None:
    digest = EndpointDigest("shop.example", "GET", ("a", SECRET))
    digest.parameters["request", "query", "pin"] = ParameterDigest(count=3, hashes={1, 2}, low=1, high=9999)
    digest.parameters["request", "json", "/list/[]/kind"] = ParameterDigest(count=3)
    digest.parameters["request", "json", "/list/[]/kind"].words.update({SECRET: 3})
    masks = compiled_masks((Mask("p", parameter="pin"), Mask("k", pattern="kanarie.*")))
    told = masked_digest(digest, masks)
    assert SECRET.encode() not in wire_row(told)
    assert told.path == ("a", "{}")
    assert told.parameters["request", "query", "pin"] == ParameterDigest(count=3)
    assert digest.parameters["request", "query", "pin"].high == 9999


def test_counters_of_behaviour_name_no_place_that_is_masked() -> None:
    key = CounterKey(
        "enumeration", "enum", "values", 60, 10, "192.0.2.1", "shop.example", f"/reset/{SECRET}/go", ("get", SECRET)
    )
    masked = masked_counter(key, compiled_masks((Mask("p", point="path.1"), Mask("k", pattern="kanarie.*"))))
    assert SECRET not in repr(masked)
    assert (masked.path.startswith("/reset/***"), masked.host, masked.subject) == (True, "shop.example", "192.0.2.1")
    assert concealing_counters(compiled_masks(())) is None


def test_a_fault_while_masking_costs_the_texts_and_never_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    page = CounterPage.private(WORKER)
    judge = Judge(Settings(inspection=Inspection(mask=(Mask("m", pattern="x"),))), _DETECTOR, lambda *_: None, page)
    sent = request(f"GET /?q={SECRET} HTTP/1.1")
    finding = Finding("sqli", ("get", SECRET), SECRET, "rule", 0.9, SECRET)

    def fail(*_: object) -> Report:
        raise KeyError(SECRET)

    monkeypatch.setattr("tcpmirror.processes.judging.masked_report", fail)
    report = judge.report(Exchange(sent, None), [finding])
    assert SECRET.encode() not in everything(report)
    assert report.findings[0].type == "sqli"
    assert page.get("bugs") == 1
