"""What the inventory says of an endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from tcpmirror.discovery.inventory import Endpoint, described, fold, is_noise
from tcpmirror.discovery.observer import Observer
from tcpmirror.model.exchange import Exchange
from tests.discovery.exchanges import exchange


def endpoint(*exchanges: Exchange) -> Endpoint:
    observer = Observer()
    for each in exchanges:
        observer.observe(each, False)
    (digest,) = fold(observer.take()).values()
    return described(digest)


def schemas(found: Endpoint) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(each.side, each.location, each.name): each.schema for each in found.parameters}


def test_a_parameter_that_is_always_there_is_required() -> None:
    found = endpoint(
        *(exchange(f"/a?x=1{'&y=2' if n else ''}", answer={"b": 1} | ({"c": 2} if n else {})) for n in range(5))
    )
    required = {(each.location, each.name): each.required for each in found.parameters}
    assert required == {
        ("query", "x"): True, ("query", "y"): False, ("json", ""): True, ("json", "/b"): True, ("json", "/c"): False,
    }  # fmt: skip


def test_a_member_is_required_of_the_objects_that_could_hold_it() -> None:
    found = endpoint(*(exchange("/a", answer={"rows": [{"id": 1}, {"id": 2}] if n else []}) for n in range(3)))
    assert {each.name: each.required for each in found.parameters}["/rows/[]/id"]


VALUES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "small integers": ([1, 70000], {"type": "integer", "format": "int32", "minimum": 1, "maximum": 70000}),
    "large integers": ([1, 2**40], {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**40}),
    "huge integers": ([2**63], {"type": "integer", "minimum": 2**63, "maximum": 2**63}),
    "numbers of few digits": ([1.5, 2], {"type": "number", "format": "float", "minimum": 1.5, "maximum": 2}),
    "numbers of many digits": (
        [1.123456789],
        {"type": "number", "format": "double", "minimum": 1.123456789, "maximum": 1.123456789},
    ),
    "truth": ([True, False], {"type": "boolean"}),
    "a moment": (["2024-01-02T03:04:05Z"], {"type": "string", "format": "date-time"}),
    "a day": (["2024-01-02"], {"type": "string", "format": "date"}),
    "an id": (["5fb0c1de-8b7c-4d5e-8f3a-2b1c9f0c5a1b"], {"type": "string", "format": "uuid"}),
    "an address": (["ann@example.com"], {"type": "string", "format": "email"}),
    "an address of the net": (["10.0.0.1"], {"type": "string", "format": "ipv4"}),
    "a long address of the net": (["2001:db8::1"], {"type": "string", "format": "ipv6"}),
    "a link": (["https://example.com/a"], {"type": "string", "format": "uri"}),
    "packed bytes": (["iVBORw0KGgoAAAANSUhEUgAA"], {"type": "string", "contentEncoding": "base64"}),
    "texts": (["a b", "cde"], {"type": "string", "minLength": 3, "maxLength": 3}),
    "a text or nothing": (["ab c", None], {"type": ["string", "null"], "minLength": 4, "maxLength": 4}),
    "nothing": ([None], {"type": "null"}),
    "words of a few": (["on", "off"] * 15, {"type": "string", "enum": ["off", "on"]}),
    "a text and a number": (["a b", 1], {"type": "string"}),
}


@pytest.mark.parametrize("case", VALUES.values(), ids=VALUES)
def test_values_have_a_type(case: tuple[list[Any], dict[str, Any]]) -> None:
    values, expected = case
    found = schemas(endpoint(*(exchange("/a", answer={"v": value}) for value in values)))["response", "json", "/v"]
    assert {name: found.get(name) for name in expected} == expected


def test_a_value_in_a_path_has_a_name_of_what_stands_before_it() -> None:
    found = endpoint(*(exchange(f"/companies/{1000 + n}/files/{2000 + n}.json") for n in range(3)))
    assert found.path == "/companies/{company_id}/files/{file_id}.json"


def test_names_in_a_path_are_merged_with_what_was_seen_of_each() -> None:
    found = endpoint(*(exchange(f"/users/{name}{n}", answer={"id": n}) for n in range(4) for name in ("ann", "bob")))
    assert (found.path, found.requests) == ("/users/{user_name}", 8)
    (value,) = [each for each in found.parameters if each.location == "path"]
    assert (value.count, value.distinct, value.required) == (8, 8, True)


AUTH = {
    "each call": ([{"Authorization": "Bearer x"}] * 4, "consistent"),
    "some calls": ([{"Authorization": "Basic x"}, {}], "partial"),
    "no call": ([{}], "missing"),
    "a key": ([{"X_Api_Key": "0123456789"}], "consistent"),
    "a session": ([{"Cookie": "sessionid=0123456789"}], "consistent"),
}


@pytest.mark.parametrize("case", AUTH.values(), ids=AUTH)
def test_it_is_known_how_calls_authenticate(case: tuple[list[dict[str, str]], str]) -> None:
    calls, expected = case
    assert endpoint(*(exchange("/a", **headers) for headers in calls)).auth_state == expected


RISKS: dict[str, tuple[Exchange, int, tuple[str, ...]]] = {
    "nothing": (exchange("/a"), 1, ()),
    "a value in the path": (exchange("/a/1234"), 6, ("variable",)),
    "a body": (exchange("/a", "POST", b'{"a": 1}', Content_Type="application/json"), 6, ("body",)),
    "sensitive data": (exchange("/a", answer={"email": "ann@example.com"}), 8, ("sensitive",)),
    "many parameters": (exchange("/a?" + "&".join(f"p{n}=1" for n in range(12))), 6, ("parameters",)),
}


@pytest.mark.parametrize("case", RISKS.values(), ids=RISKS)
def test_the_highest_factor_is_the_risk(case: tuple[Exchange, int, tuple[str, ...]]) -> None:
    made, risk, factors = case
    found = endpoint(made)
    assert (found.risk, found.factors) == (risk, factors)


def test_a_parameter_of_one_call_in_a_thousand_is_an_accident() -> None:
    observer = Observer()
    for number in range(200):
        observer.observe(
            exchange(f"/a?x={number % 40}{'&oops=1' if number == 3 else ''}", answer={f"k{number % 30}x": number}), False
        )
    (digest,) = observer.take()
    digest.sampled = 1000
    assert "oops" not in {each.name for each in described(digest).parameters}


def test_what_was_hardly_answered_is_noise() -> None:
    observer = Observer()
    for number in range(5):
        observer.observe(exchange("/often"), False)
        observer.observe(exchange("/once", status=200 if number == 0 else 404), False)
    assert {digest.path: is_noise(digest) for digest in observer.take()} == {("often",): False, ("once",): True}
