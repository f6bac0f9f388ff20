"""The exported document is valid OpenAPI, whatever was seen, and says what was seen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from tcpmirror.discovery.inventory import fold
from tcpmirror.discovery.observer import Observer
from tcpmirror.discovery.openapi import openapi
from tcpmirror.discovery.specification import Rogue, compare, read_specification
from tcpmirror.model.exchange import Exchange
from tests.discovery.exchanges import exchange


def exported(*exchanges: Exchange) -> dict[str, Any]:
    observer = Observer()
    for each in exchanges:
        observer.observe(each, False)
    document = json.loads(json.dumps(openapi("api.example", fold(observer.take()).values())))
    OpenAPIV31SpecValidator(document).validate()
    return document


def test_a_document_says_what_was_seen() -> None:
    made = [
        exchange(
            f"/users/{1000 + n}?full=true", answer={"id": n, "tags": ["a"], "boss": {"id": 1} if n else None}, X_Tenant="t"
        )
        for n in range(4)
    ]
    made.append(exchange("/users", "POST", b'{"name": "x"}', {"id": 1}, status=201, Content_Type="application/json"))
    paths = exported(*made)["paths"]
    assert set(paths) == {"/users/{user_id}", "/users"}
    got = paths["/users/{user_id}"]["get"]
    assert {(each["in"], each["name"], each["required"]) for each in got["parameters"]} == {
        ("path", "user_id", True), ("query", "full", True), ("header", "x-tenant", True),
    }  # fmt: skip
    schema = got["responses"]["200"]["content"]["application/json"]["schema"]
    assert (schema["type"], schema["required"]) == ("object", ["boss", "id", "tags"])
    assert schema["properties"]["tags"]["items"]["type"] == "string"
    assert schema["properties"]["boss"]["type"] == ["object", "null"]
    assert paths["/users"]["post"]["requestBody"]["content"]["application/json"]["schema"]["required"] == ["name"]
    assert set(paths["/users"]["post"]["responses"]) == {"201"}


def test_methods_of_one_path_give_its_value_one_name() -> None:
    """By itself the one would be called an id and the other a name."""
    made = [exchange(f"/users/{1000 + n}", answer={"id": n}) for n in range(4)]
    made += [exchange(f"/users/ann_{n}x", "PUT", answer={"id": 1}) for n in range(9)]
    ((path, methods),) = exported(*made)["paths"].items()
    assert path == "/users/{user_id}" and methods.keys() == {"get", "put"}
    assert [each["name"] for method in methods.values() for each in method["parameters"]] == ["user_id", "user_id"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
TARGETS = st.lists(st.sampled_from(["a", "7", "1234", "x y", "{b}", "$c", "", "%41", "a.json"]), max_size=4).map("/".join)


@given(st.lists(st.tuples(TARGETS, st.sampled_from(["GET", "POST", "PURGE"]), JSON, st.text(max_size=6)), max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_document_is_valid_whatever_was_seen(calls: list[tuple[str, str, Any, str]]) -> None:
    made = []
    for target, method, value, name in calls:
        try:
            body = json.dumps({name: value}).encode()
            made.append(
                exchange(f"/{target}?{name}=1".replace(" ", "+"), method, body, value, Content_Type="application/json")
            )
        except (UnicodeEncodeError, TypeError):
            continue
    exported(*made)


OPENAPI_3 = b"""
openapi: 3.0.3
info: {title: Shop, version: "2"}
servers: [{url: "https://shop.example/api/v1"}]
paths:
  /users/{id}: {get: {responses: {}}, delete: {responses: {}}}
  /orders: {get: {responses: {}}}
"""
SWAGGER_2 = b'{"swagger": "2.0", "info": {"title": "Shop", "version": "1"}, "basePath": "/api/v1", "paths": {"/old/{id}": {"get": {}}}}'
NEWEST = b'{"openapi": "3.1.0", "info": {"title": "Shop", "version": "3"}, "paths": {"/users/{id}": {"get": {}}}}'


@pytest.mark.parametrize("raw", [OPENAPI_3, SWAGGER_2, NEWEST], ids=["3.0 as YAML", "2.0", "3.1"])
def test_documents_of_three_versions_are_read(raw: bytes) -> None:
    found = read_specification(raw)
    assert found.title == "Shop"
    assert all(path[-1] in ("{}", "orders") for _, path in found.operations)


def test_shadow_zombie_and_orphan_are_told_apart() -> None:
    traffic = {
        ("GET", ("api", "v1", "users", "{}")),
        ("GET", ("api", "v1", "users", "me")),
        ("GET", ("api", "v1", "old", "{}")),
        ("POST", ("api", "v1", "debug")),
    }
    assert compare(traffic, [read_specification(OPENAPI_3)], [read_specification(SWAGGER_2)]) == Rogue(
        shadow=(("POST", ("api", "v1", "debug")),),
        zombie=(("GET", ("api", "v1", "old", "{}")),),
        orphan=(("DELETE", ("users", "{}")), ("GET", ("orders",))),
    )


BAD = {
    "no document": b"hello",
    "not closed": b'{"openapi": "3.0.0"',
    "a version that is none": b'{"openapi": "4.0.0", "paths": {}}',
    "paths as a list": b'{"openapi": "3.0.0", "paths": []}',
    "a laugh a billion times": b"a: &a [x, x]\nb: &b [*a, *a]\nopenapi: 3.0.0\n",
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_what_is_no_specification_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        read_specification(raw)
