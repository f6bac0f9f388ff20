"""The operations that an OpenAPI document describes, found by path and method."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import jsonschema_rs

Validator = jsonschema_rs.Draft4Validator | jsonschema_rs.Draft202012Validator


@dataclass(frozen=True, slots=True)
class Parameter:
    place: str  # query, header, cookie, path
    name: str
    is_required: bool
    kind: str  # of its schema
    item: str  # of an array's elements
    validator: Validator | None


@dataclass(slots=True)
class Operation:
    parameters: tuple[Parameter, ...] = ()
    query_names: frozenset[str] = frozenset()
    takes_any_query: bool = False
    body_required: bool = False
    bodies: dict[str, Validator | None] = field(default_factory=dict)  # by media type
    security: tuple[tuple[tuple[str, str], ...], ...] = ()  # alternatives, each of (place, name)


@dataclass(slots=True)
class OperationTable:
    """``rule``: the id of what violates it. ``literal``: of paths without values, by method; ``templates``: of others."""

    rule: str
    literal: dict[tuple[str, ...], dict[str, Operation]]
    templates: list[tuple[re.Pattern[str], tuple[str, ...], dict[str, Operation]]]
    bases: tuple[tuple[str, ...], ...]

    def lookup(self, path: tuple[str, ...], method: str) -> tuple[Operation, dict[str, str]] | None:
        """Return the operation at *path* (segments) with the values in it, None where there is none."""
        for base in self.bases:
            if path[: len(base)] != base:
                continue
            rest = path[len(base) :]
            methods = self.literal.get(rest)
            if methods and (operation := _of_method(methods, method)):
                return operation, {}
            joined = "/".join(rest)
            for pattern, names, candidates in self.templates:
                match = pattern.fullmatch(joined)
                if match and (operation := _of_method(candidates, method)):
                    return operation, dict(zip(names, match.groups(), strict=True))
        return None


def _of_method(methods: dict[str, Operation], method: str) -> Operation | None:
    return methods.get(method) or (methods.get("get") if method == "head" else None)
