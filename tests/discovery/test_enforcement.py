"""API specification enforcement: the six violations, what conforms, and what is too large or slow to be judged."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.discovery.enforcement import BODY_BYTES, Enforcement
from tcpmirror.model.attack import SPECIFICATION_TYPES
from tcpmirror.model.exchange import Request

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://shop.example/v1"}],
    "security": [{"key": []}],
    "paths": {
        "/pets": {
            "get": {
                "security": [],
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                    {"name": "kinds", "in": "query", "schema": {"type": "array", "items": {"type": "string", "enum": ["cat", "dog"]}}},
                    {"name": "X-Trace", "in": "header", "required": True, "schema": {"type": "string", "format": "uuid"}},
                ],
                "responses": {},
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                },
                "responses": {},
            },
        },
        "/pets/{petId}": {
            "parameters": [{"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {"responses": {}},
        },
        "/pets/mine": {"get": {"responses": {}}},
    },
    "components": {
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["id", "name"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "integer", "readOnly": True},
                    "name": {"type": "string", "minLength": 1},
                    "age": {"type": "integer", "nullable": True, "minimum": 0, "exclusiveMinimum": True},
                    "friend": {"$ref": "#/components/schemas/Pet"},
                },
            }
        },
    },
}  # fmt: skip
TRACE = "X-Trace: 123e4567-e89b-12d3-a456-426614174000\r\n"
KEY = "X-Key: 1\r\n"
JSON = KEY + "Content-Type: application/json\r\n"


def request(line: str, headers: str = "", body: bytes = b"") -> Request:
    method, target = line.split(" ")
    head = f"{line} HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n".encode()
    return Request(head, body, 0, method.encode(), target.encode())


def enforcement(document: object = DOCUMENT, clock: Any = lambda: 0) -> Enforcement:
    made = Enforcement([("shop.example", "Shop 1", json.dumps(document))], clock)
    assert made.problems == []
    return made


SHOP = enforcement()
CONFORMING = {
    "a list": request("GET /v1/pets?limit=10", TRACE),
    "without its base": request("GET /pets?limit=10", TRACE),
    "an array with commas": request("GET /pets?kinds=cat,dog", TRACE),
    "an array by repetition": request("GET /pets?kinds=cat&kinds=dog", TRACE),
    "one of them": request("GET /pets/17", KEY),
    "a name before a template": request("GET /pets/mine", KEY),
    "HEAD where GET is": request("HEAD /pets/17", KEY),
    "a preflight": request("OPTIONS /odd"),
    "a new one": request("POST /pets", JSON, b'{"name": "Rex", "age": null}'),
    "one with a friend": request("POST /pets", JSON, b'{"name": "Rex", "friend": {"name": "Bo"}}'),
}
VIOLATIONS = {
    "path that is not there": (request("GET /v1/owners", KEY), "undefined_endpoint", ("uri",)),
    "method that is not there": (request("DELETE /pets/17", KEY), "undefined_endpoint", ("uri",)),
    "parameter that is not there": (request("GET /pets?debug=1", TRACE), "undefined_parameter", ("get", "debug")),
    "member that is not there": (request("POST /pets", JSON, b'{"name": "R", "x": 1}'), "undefined_parameter", ("post", "json_doc")),
    "header that is missing": (request("GET /pets"), "missing_parameter", ("header", "X-TRACE")),
    "body that is missing": (request("POST /pets", JSON), "missing_parameter", ("post",)),
    "member that is missing": (request("POST /pets", JSON, b"{}"), "missing_parameter", ("post", "json_doc", "hash", "name")),
    "number that is none": (request("GET /pets?limit=ten", TRACE), "invalid_parameter_value", ("get", "limit")),
    "number that is too large": (request("GET /pets?limit=101", TRACE), "invalid_parameter_value", ("get", "limit")),
    "choice that is none": (request("GET /pets?kinds=cat,cow", TRACE), "invalid_parameter_value", ("get", "kinds")),
    "header of another form": (request("GET /pets", "X-Trace: 1\r\n"), "invalid_parameter_value", ("header", "X-TRACE")),
    "path of another type": (request("GET /pets/rex", KEY), "invalid_parameter_value", ("uri",)),
    "member of another type": (
        request("POST /pets", JSON, b'{"name": 7}'), "invalid_parameter_value", ("post", "json_doc", "hash", "name")
    ),
    "member out of bounds": (
        request("POST /pets", JSON, b'{"name": "R", "age": 0}'), "invalid_parameter_value", ("post", "json_doc", "hash", "age")
    ),
    "nobody who says who it is": (request("GET /pets/17"), "missing_auth", ("header", "AUTHORIZATION")),
    "no JSON": (request("POST /pets", JSON, b'{"name": '), "invalid_request", ("post",)),
    "another notation": (
        request("POST /pets", KEY + "Content-Type: text/xml\r\n", b"<a/>"), "invalid_request", ("header", "CONTENT-TYPE")
    ),
}  # fmt: skip


@pytest.mark.parametrize("sent", CONFORMING.values(), ids=CONFORMING)
def test_what_conforms_is_nothing(sent: Request) -> None:
    assert SHOP.findings(sent, "shop.example:443") == []


@pytest.mark.parametrize(("sent", "kind", "point"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_is_told_by_its_code_and_place(sent: Request, kind: str, point: tuple[str, ...]) -> None:
    assert [(found.type, found.point) for found in SHOP.findings(sent, "shop.example")] == [(kind, point)]


def test_hosts_without_a_document_are_left_alone() -> None:
    assert SHOP.findings(request("GET /odd"), "other.example") == []


def test_an_endpoint_may_be_in_any_document_of_its_host() -> None:
    second = {"openapi": "3.1.0", "info": {}, "paths": {"/owners": {"get": {}}}}
    both = Enforcement([("shop.example", "a", json.dumps(DOCUMENT)), ("shop.example", "b", json.dumps(second))], lambda: 0)
    assert both.findings(request("GET /owners"), "shop.example") == []
    assert [found.type for found in both.findings(request("GET /odd"), "shop.example")] == ["undefined_endpoint"]


def test_large_and_slow_requests_are_told_to_be_that() -> None:
    sent = request("POST /pets", JSON, b'{"name": "R"}')
    sent_large = request("POST /pets", JSON, b" " * (BODY_BYTES + 1))
    ticks = count(step=60_000_000)
    assert [found.type for found in SHOP.findings(sent_large, "shop.example")] == ["processing_overlimit"]
    slow = enforcement(clock=lambda: next(ticks))
    assert [found.type for found in slow.findings(sent, "shop.example")] == ["processing_overlimit"]


BAD = {
    "reference to elsewhere": {"$ref": "http://127.0.0.1:9/x.json"},
    "reference to nothing": {"$ref": "#/components/schemas/None"},
    "no type of JSON": {"type": "odd"},
}


@pytest.mark.parametrize("schema", BAD.values(), ids=BAD)
def test_a_document_that_cannot_be_used_is_left_out_and_says_why(schema: dict[str, Any]) -> None:
    content = {"application/json": {"schema": schema}}
    document = {"openapi": "3.0.0", "info": {}, "paths": {"/a": {"post": {"requestBody": {"content": content}}}}}
    made = Enforcement([("a", "bad", json.dumps(document)), ("b", "good", json.dumps(DOCUMENT))], lambda: 0)
    assert len(made.problems) == 1 and made.problems[0].startswith("bad: ")
    assert made.findings(request("GET /odd"), "a") == []
    assert made.findings(request("GET /odd", KEY), "b") != []


def test_the_older_format_is_understood() -> None:
    document = {
        "swagger": "2.0", "info": {}, "basePath": "/api", "consumes": ["application/json"],
        "paths": {"/a": {"post": {"parameters": [
            {"in": "query", "name": "n", "type": "integer"},
            {"in": "body", "name": "it", "required": True, "schema": {"$ref": "#/definitions/It"}},
        ]}}},
        "definitions": {"It": {"type": "object", "required": ["x"], "properties": {"x": {"type": "boolean"}}}},
    }  # fmt: skip
    old = enforcement(document)
    assert old.findings(request("POST /api/a?n=1", JSON, b'{"x": true}'), "shop.example") == []
    found = old.findings(request("POST /api/a?n=x", JSON, b"{}"), "shop.example")
    assert [each.type for each in found] == ["invalid_parameter_value", "missing_parameter"]


@given(st.text(max_size=30), st.binary(max_size=60), st.sampled_from(["GET", "POST"]))
def test_no_bytes_make_it_raise(target: str, body: bytes, method: str) -> None:
    sent = Request(b"X /x HTTP/1.1\r\nContent-Type: application/json\r\nCookie: " + body + b"\r\n\r\n", body, 0,
                   method.encode(), b"/pets/" + target.encode())  # fmt: skip
    assert {found.type for found in SHOP.findings(sent, "shop.example")} <= SPECIFICATION_TYPES


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [("int32", 2**31 - 1, True), ("int32", 2**31, False), ("int64", 2**31, True), ("int64", 2**63, False)],
)
def test_a_format_of_whole_numbers_is_a_range(kind: str, value: int, fits: bool) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "format": kind, "nullable": True}}}
    operation = {"requestBody": {"content": {"application/json": {"schema": schema}}}, "responses": {}}
    document = {"openapi": "3.0.3", "info": {"title": "x", "version": "1"}, "paths": {"/a": {"put": operation}}}
    enforcement = Enforcement([("a.example", "numbers", json.dumps(document))], count().__next__)
    found = enforcement.findings(request("PUT /a", JSON, json.dumps({"n": value}).encode()), "a.example")
    assert [finding.type for finding in found] == ([] if fits else ["invalid_parameter_value"])
