"""Specifications given by the operator (OpenAPI 2.0, 3.0, 3.1), and how traffic differs from them.

*Shadow*: in traffic, in no specification of the host. *Zombie*: in a former version of a specification, not in its
current one, still in traffic. *Orphan*: in a current specification, not in traffic. Where the paths of a document stand
below a base path (`servers`, `basePath`), traffic may be compared with or without it: gateways often take it off.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import yaml

from tcpmirror.discovery.templates import VALUE, Path

DOCUMENT_BYTES: Final = 16 << 20
OPERATIONS: Final = 20_000
_METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_PARAMETER: Final = re.compile(r"\{[^{}]*\}")

Operation = tuple[str, Path]  # method, template with `{}`


@dataclass(frozen=True, slots=True)
class Specification:
    """What a document says there is; ``bases``: what its paths may stand below, at least the empty one."""

    title: str
    version: str
    operations: frozenset[Operation]
    bases: tuple[Path, ...]

    def covers(self, method: str, path: Path) -> bool:
        """Tell whether *path*, a template of traffic, is a case of one of the operations."""
        return any(self._has(method, path[len(base) :]) for base in self.bases if path[: len(base)] == base)

    def _has(self, method: str, path: Path) -> bool:
        return (method, path) in self.operations or any(
            own == method and _fits(path, template) for own, template in self.operations if len(template) == len(path)
        )


@dataclass(frozen=True, slots=True)
class Rogue:
    """Where traffic and specifications differ: (method, path) in order."""

    shadow: tuple[Operation, ...]
    zombie: tuple[Operation, ...]
    orphan: tuple[Operation, ...]


def read_specification(raw: bytes) -> Specification:
    """Return what *raw* (JSON or YAML) specifies; ValueError says why it is no OpenAPI document."""
    if len(raw) > DOCUMENT_BYTES:
        raise ValueError(f"the document has {len(raw)} bytes; at most {DOCUMENT_BYTES} are accepted")
    document = parsed_document(raw)
    version = str(document.get("openapi") or document.get("swagger") or "")
    if not re.match(r"2\.0|3\.[01]", version):
        raise ValueError(f"openapi or swagger: {version[:20]!r} is not accepted; accepted: 2.0, 3.0.x, 3.1.x")
    paths, info = document.get("paths", {}), document.get("info", {})
    if not isinstance(paths, dict) or not isinstance(info, dict):
        raise ValueError("paths and info: maps are needed")
    operations = frozenset(
        (method.upper(), bare_path(path))
        for path, item in paths.items()
        if isinstance(path, str) and isinstance(item, dict)
        for method in item
        if method in _METHODS
    )
    if len(operations) > OPERATIONS:
        raise ValueError(f"{len(operations)} operations; at most {OPERATIONS} are accepted")
    return Specification(str(info.get("title", "")), str(info.get("version", "")), operations, base_paths(document))


def parsed_document(raw: bytes) -> dict[str, Any]:
    """Return the map that *raw* (JSON or YAML) holds; ValueError if it holds none."""
    try:
        document = orjson.loads(raw) if raw.lstrip()[:1] == b"{" else yaml.load(raw, _Loader)
    except (orjson.JSONDecodeError, yaml.YAMLError, ValueError, RecursionError) as problem:
        raise ValueError(f"neither JSON nor YAML: {str(problem)[:200]}") from problem
    if not isinstance(document, dict):
        raise ValueError("not a map of `openapi`, `info` and `paths`")
    return document


class _Loader(yaml.SafeLoader):
    """YAML without aliases: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        return super().compose_node(parent, index)


def bare_path(path: str) -> Path:
    """Return the segments of *path* with ``{}`` for every parameter."""
    return tuple(_PARAMETER.sub(VALUE, path.partition("?")[0].partition("#")[0]).split("/")[1:])


def base_paths(document: dict[str, Any]) -> tuple[Path, ...]:
    """Return what the paths of *document* may stand below, at least the empty path."""
    said = [document.get("basePath")]
    servers = document.get("servers")
    said += [server.get("url") for server in servers if isinstance(server, dict)] if isinstance(servers, list) else []
    found: dict[Path, None] = {(): None}
    for url in said:
        if isinstance(url, str):
            path = urlsplit(_PARAMETER.sub("x", url)).path.rstrip("/")
            found[bare_path(path) if path else ()] = None
    return tuple(found)


def _fits(path: Path, template: Path) -> bool:
    """Tell whether *path* is one of those that *template* stands for: a name is a case of a parameter, not the other way."""
    return all(
        kind == segment or (VALUE in kind and not kind.strip("{}")) for segment, kind in zip(path, template, strict=True)
    )


def compare(traffic: Collection[Operation], current: Iterable[Specification], former: Iterable[Specification] = ()) -> Rogue:
    """Return how *traffic* differs from the *current* specifications, given the *former* versions of them."""
    current, former = list(current), list(former)
    unknown = [each for each in traffic if not any(specification.covers(*each) for specification in current)]
    zombie = {each for each in unknown if any(specification.covers(*each) for specification in former)}
    covered: set[Operation] = set()
    for specification in current:
        covered |= {each for each in specification.operations if _is_seen(each, specification.bases, traffic)}
    specified = {each for specification in current for each in specification.operations}
    return Rogue(
        shadow=tuple(sorted(set(unknown) - zombie)), zombie=tuple(sorted(zombie)), orphan=tuple(sorted(specified - covered))
    )


def _is_seen(operation: Operation, bases: tuple[Path, ...], traffic: Collection[Operation]) -> bool:
    method, template = operation
    return any(
        own == method
        and len(path) == len(base) + len(template)
        and path[: len(base)] == base
        and _fits(path[len(base) :], template)
        for own, path in traffic
        for base in bases
    )
