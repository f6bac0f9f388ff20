from __future__ import annotations

import re
from typing import Any

from jsonschema import Draft202012Validator

from tcpmirror.cloud.api.examples import lacking
from tests.cloud.running import RunningCloud


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(one) for one in value.values()))
    return set().union(*(references(one) for one in value)) if isinstance(value, list) else set()


def test_page_and_all_it_loads_come_from_here(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        page = client.get("/api/docs")
        assert page.status_code == 200
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(loaded) == 4
        for address in loaded:
            assert address.startswith(("/api/docs/", "data:"))
            if address.startswith("/"):
                assert client.get(address).status_code == 200


def test_document_is_complete(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        document = client.get("/api/openapi.json").json()
    schemas = document["components"]["schemas"]
    missing = {name for name in references(document) if name.removeprefix("#/components/schemas/") not in schemas}
    assert missing == set()
    operations = [(path, verb, one) for path, verbs in document["paths"].items() for verb, one in verbs.items()]
    assert len(operations) > 20
    for path, verb, operation in operations:
        assert operation["description"], path
        status, success = next((code, one) for code, one in operation["responses"].items() if code.startswith("2"))
        shape = success.get("content", {}).get("application/json", {}).get("schema")
        assert status == "204" or shape is None or "$ref" in str(shape), (path, verb)
    assert "examples" in str(schemas["ReportIn"])


def test_every_field_and_parameter_has_an_example_that_is_right(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        document = client.get("/api/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert {f"{model}.{name}" for model, schema in schemas.items() for name, _ in lacking(schema)} == set()
    parameters = [
        parameter["schema"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    ]
    assert [each for each in parameters if "examples" not in each and "enum" not in each] == []
    fields = [field for schema in schemas.values() for field in schema.get("properties", {}).values()]
    for each in (*schemas.values(), *fields, *parameters):
        whole = each | {"components": document["components"]}
        for example in each.get("examples", ()):
            problems = [error.message for error in Draft202012Validator(whole).iter_errors(example)]
            assert problems == [], (each, example)
