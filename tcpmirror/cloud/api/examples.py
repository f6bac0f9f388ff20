"""Examples in the API's document (OpenAPI 3.1): of every field and every parameter that has none of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import yaml


def add_examples(document: dict[str, Any]) -> None:
    """Give each field and parameter of *document* without an example the one that `examples.yaml` has for its name."""
    known = yaml.safe_load(resources.files(__package__).joinpath("examples.yaml").read_text(encoding="utf-8"))
    for model, schema in document["components"]["schemas"].items():
        for name, field in lacking(schema):
            example = known["fields"].get(f"{model}.{name}", known["fields"].get(name))
            if example is not None:
                field["examples"] = [example]
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if not _has_example(parameter["schema"]) and parameter["name"] in known["parameters"]:
                    parameter["schema"]["examples"] = [known["parameters"][parameter["name"]]]


def lacking(schema: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the fields of an object's *schema* that neither it nor they themselves nor a model of their own exemplify."""
    if "examples" in schema:
        return
    for name, field in schema.get("properties", {}).items():
        if not _has_example(field):
            yield name, field


def _has_example(field: Mapping[str, Any]) -> bool:
    if field.keys() & {"examples", "enum", "const", "$ref"}:
        return True
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    return "$ref" in field.get("items", {}) or (bool(kinds) and all("$ref" in kind for kind in kinds))
