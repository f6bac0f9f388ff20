"""Operations out of an OpenAPI document (2.0, 3.0, 3.1): its parameters, bodies, schemas and ways to authenticate, compiled.

Schemas are validators of jsonschema-rs: JSON Schema draft 4 for OpenAPI 3.0 and 2.0, whose dialect is nearest to that; draft
2020-12 for 3.1. References to elsewhere are never followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import jsonschema_rs

from tcpmirror.discovery.operation_table import Operation, OperationTable, Parameter, Validator
from tcpmirror.discovery.specification import bare_path, base_paths

_METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_DEPTH: Final = 64
_INTEGERS: Final = {"int32": 2**31, "int64": 2**63}


def operation_table(name: str, document: dict[str, Any]) -> OperationTable:
    """Return the table of *document*, called *name*; ValueError, TypeError, KeyError: it cannot be compiled."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:64] or "document"
    compiled = OperationTable(f"specification-{slug}", {}, [], base_paths(document))
    build = _Builder(document)
    for path, given in document.get("paths", {}).items():
        item = build.resolved(given)
        if not isinstance(path, str) or not isinstance(item, dict):
            continue
        methods = {
            method: build.operation(item, operation)
            for method, operation in item.items()
            if method in _METHODS and isinstance(operation, dict)
        }
        segments = path.partition("?")[0].lstrip("/")
        if "{" not in segments:
            compiled.literal[bare_path(path)] = methods
            continue
        names = tuple(re.findall(r"\{([^{}]*)\}", segments))
        pattern = "".join(
            "([^/]+)" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^{}]*\})", segments)
        )
        compiled.templates.append((re.compile(pattern), names, methods))
    compiled.templates.sort(key=lambda each: len(each[1]))  # the more is literal, the better it fits
    return compiled


class _Builder:
    """Makes operations of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._is_31 = str(document.get("openapi", "")).startswith("3.1")
        self._shared = {
            name: self._translated(document[name], 0)
            for name in ("components", "definitions", "parameters")
            if name in document
        }
        self._schemes = document.get("components", {}).get("securitySchemes", {}) or document.get("securityDefinitions", {})

    def resolved(self, node: Any, depth: int = 0) -> Any:
        """Return what *node* refers to within the document, or *node* itself; ValueError for a reference to elsewhere."""
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            return node
        reference: str = node["$ref"]
        if not reference.startswith("#/") or depth > _DEPTH:
            raise ValueError(f"$ref: {reference[:100]!r}: only references within the document are followed")
        found: Any = self._document
        for part in reference[2:].split("/"):
            found = found[unquote(part).replace("~1", "/").replace("~0", "~")]
        return self.resolved(found, depth + 1)

    def operation(self, item: dict[str, Any], operation: dict[str, Any]) -> Operation:
        listed = [*item.get("parameters", ()), *operation.get("parameters", ())]
        described: dict[tuple[str, str], dict[str, Any]] = {}
        for each in map(self.resolved, listed):
            described[each["in"], each["name"]] = each
        made = Operation()
        parameters = []
        for (place, name), each in described.items():
            if place in ("query", "header", "cookie", "path") and not (place == "header" and name.lower() in _IGNORED):
                parameters.append(self._parameter(place, name, each))
            elif place == "body":
                made.body_required = bool(each.get("required"))
                made.bodies = dict.fromkeys(
                    operation.get("consumes") or self._document.get("consumes") or ["application/json"],
                    self._validator(each.get("schema")),
                )
        made.parameters = tuple(parameters)
        made.query_names = frozenset(each.name for each in parameters if each.place == "query")
        made.takes_any_query = any(each.place == "query" and each.kind == "object" for each in parameters)
        body = self.resolved(operation.get("requestBody"))
        if isinstance(body, dict):
            made.body_required = bool(body.get("required"))
            made.bodies = {
                media.partition(";")[0].strip().lower(): self._validator(
                    content.get("schema") if isinstance(content, dict) else None
                )
                for media, content in body.get("content", {}).items()
            }
        security = operation.get("security", self._document.get("security")) or ()
        alternatives = [self._needs(each) for each in security]
        made.security = () if any(each is None or not each for each in alternatives) else tuple(filter(None, alternatives))
        schemes = {part for needs in made.security for part in needs if part[0] == "query"}
        made.query_names |= {name for _, name in schemes}
        return made

    def _parameter(self, place: str, name: str, given: dict[str, Any]) -> Parameter:
        schema = given.get("schema", {key: value for key, value in given.items() if key not in ("in", "name", "required")})
        if "content" in given:
            schema = {}
        plain = self.resolved(schema)
        kind = _type_of(plain)
        item = _type_of(self.resolved(plain.get("items", {}))) if isinstance(plain, dict) else ""
        return Parameter(
            place,
            name,
            bool(given.get("required")) or place == "path",
            kind,
            item,
            self._validator(schema) if schema else None,
        )

    def _needs(self, requirement: dict[str, Any]) -> tuple[tuple[str, str], ...] | None:
        """Return what *requirement* wants to be there; None: something that cannot be told from a request."""
        parts = []
        for name in requirement:
            scheme = self.resolved(self._schemes.get(name, {}))
            if scheme.get("type") == "apiKey" and scheme.get("in") in ("query", "header", "cookie"):
                parts.append((scheme["in"], scheme["name"]))
            elif scheme.get("type") in ("http", "basic", "oauth2", "openIdConnect"):
                parts.append(("header", "Authorization"))
            else:
                return None
        return tuple(parts)

    def _validator(self, schema: Any) -> Validator | None:
        if not isinstance(schema, dict) or not schema:
            return None
        whole = {**self._translated(schema, 0), **self._shared}
        kind = jsonschema_rs.Draft202012Validator if self._is_31 else jsonschema_rs.Draft4Validator
        try:
            return kind(
                whole, formats=_FORMATS, validate_formats=True, offline=True
            )  # nothing is fetched, whatever a document refers to
        except jsonschema_rs.ValidationError as problem:
            raise ValueError(f"schema: {problem.message[:200]}") from problem

    def _translated(self, node: Any, depth: int) -> Any:
        """Return *node* with what OpenAPI 3.0 says otherwise than JSON Schema: `nullable`, `readOnly` members required."""
        if depth > _DEPTH:
            raise ValueError("a schema is nested too deeply")
        if isinstance(node, list):
            return [self._translated(each, depth + 1) for each in node]
        if not isinstance(node, dict):
            return node
        made = {key: self._translated(value, depth + 1) for key, value in node.items() if key not in ("example", "examples")}
        if not self._is_31 and node.get("nullable") is True:
            if isinstance(made.get("type"), str):
                made["type"] = [made["type"], "null"]
            if isinstance(made.get("enum"), list):
                made["enum"] = [*made["enum"], None]
        limit = _INTEGERS.get(str(node.get("format"))) if _type_of(node) == "integer" else None
        if limit is not None:
            made = {"minimum": -limit, "maximum": limit - 1} | made
        if isinstance(node.get("required"), list) and isinstance(node.get("properties"), dict):
            properties = node["properties"]
            required = [name for name in node["required"] if not _is_read_only(properties.get(name))]
            made["required"] = required
            if not required:
                del made["required"]  # draft 4 wants at least one
        return made


# What draft 4 has no name for.
_FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "uuid": lambda text: re.fullmatch(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text) is not None,
    "date": lambda text: re.fullmatch(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", text) is not None,
}
_IGNORED: Final = ("accept", "content-type", "authorization")  # OpenAPI 3.0.3, section 4.7.12.1


def _type_of(schema: Any) -> str:
    kind = schema.get("type", "") if isinstance(schema, dict) else ""
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "")
    return kind if isinstance(kind, str) else ""


def _is_read_only(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("readOnly") is True
