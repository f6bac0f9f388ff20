"""OpenAPI 3.1.0 out of the inventory of one host: REST endpoints with their parameters, bodies and answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tcpmirror.discovery.digest import EndpointDigest, ParameterDigest
from tcpmirror.discovery.inventory import is_required, named_path, value_names
from tcpmirror.discovery.schema import schema_of

METHODS: Final = ("get", "put", "post", "delete", "patch")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_PLACES: Final = ("query", "header", "cookie")
_BODY_TYPES: Final = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data",
    "xml": "application/xml",
}
_SCHEMES: Final[dict[str, dict[str, str]]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "digest": {"type": "http", "scheme": "digest"},
}
_UNSAID: Final = frozenset({"accept", "content-type", "authorization"})  # OpenAPI ignores header parameters of these names


@dataclass(slots=True)
class _Place:
    """One value in a body and the values in it."""

    digest: ParameterDigest | None = None
    required: bool = False
    members: dict[str, _Place] = field(default_factory=dict)


def openapi(host: str, digests: Iterable[EndpointDigest], version: str = "1") -> dict[str, Any]:
    """Return the document of *host* for the REST endpoints among *digests*, which stand under their templates."""
    paths: dict[str, dict[str, Any]] = {}
    schemes: dict[str, dict[str, str]] = {}
    for digest in sorted(digests, key=lambda each: (each.path, each.method)):
        if digest.kind == "rest" and digest.method.lower() in METHODS:
            path = _shared_path(paths, digest)
            paths.setdefault(path, {})[digest.method.lower()] = _operation(digest, path)
            schemes |= {name: _SCHEMES[name] for name in digest.auth if name in _SCHEMES}
    return {
        "openapi": "3.1.0",
        "info": {"title": host, "version": version, "description": "Learned from mirrored traffic."},
        "servers": [{"url": f"http://{host}"}],
        "paths": paths,
        "components": {"securitySchemes": schemes},
    }


def _shared_path(paths: Mapping[str, Any], digest: EndpointDigest) -> str:
    """Return the named path; methods of one template share it even where they would name its values differently."""
    own = named_path(digest)
    bare = re.sub(r"\{[^}]*\}", "{}", own)
    return next((path for path in paths if re.sub(r"\{[^}]*\}", "{}", path) == bare), own)


def _operation(digest: EndpointDigest, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {"parameters": _parameters(digest, path), "responses": _responses(digest)}
    content = _content(digest, "request")
    if content:
        found["requestBody"] = {"content": content}
    named = [name for name in digest.auth if name in _SCHEMES]
    if named:
        found["security"] = [{name: []} for name in sorted(named)] + ([{}] if "none" in digest.auth else [])
    return found


def _parameters(digest: EndpointDigest, path: str) -> list[dict[str, Any]]:
    found, segments = [], path[1:].split("/")
    for place in value_names(digest):
        name = segments[place][1:].partition("}")[0]
        value = digest.parameters.get(("request", "path", str(place)))
        schema = schema_of(value) if value is not None else {"type": "string"}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    for key, value in sorted(digest.parameters.items()):
        side, location, name = key
        if side == "request" and location in _PLACES and name.lower() not in _UNSAID and _may_stand(location, name):
            schema = schema_of(value)
            found.append({"name": name, "in": location, "required": is_required(digest, key), "schema": schema})
    return found


def _may_stand(location: str, name: str) -> bool:
    return bool(name) and (location == "query" or _TOKEN.fullmatch(name) is not None)


def _responses(digest: EndpointDigest) -> dict[str, Any]:
    statuses = [status for status in sorted(digest.statuses) if 100 <= status <= 599] or [200]
    content = _content(digest, "response")
    found: dict[str, Any] = {}
    for status in statuses:
        answer: dict[str, Any] = {"description": f"Seen {digest.statuses.get(status, 0)} times."}
        if content and 200 <= status < 300 and status != 204:
            answer["content"] = content
        found[str(status)] = answer
    return found


def _content(digest: EndpointDigest, side: str) -> dict[str, Any]:
    """Return media types with their schemas; XML and forms by name only are described as objects."""
    found: dict[str, Any] = {}
    for location, usual in _BODY_TYPES.items():
        values = {name: value for (where, at, name), value in digest.parameters.items() if where == side and at == location}
        if not values:
            continue
        if location == "json":
            schema = _schema(_tree(digest, side, values))
        elif location == "xml":
            schema = {"type": "object"}
        else:
            schema = _flat(digest, side, location, values)
        for media in _media(digest, side, location, usual):
            found[media] = {"schema": schema}
    return found


def _media(digest: EndpointDigest, side: str, location: str, usual: str) -> list[str]:
    said = [name.partition(" ")[2] for name in digest.types if name.startswith(f"{side} ")]
    return sorted(media for media in said if media == usual or location in media.rpartition("/")[2]) or [usual]


def _flat(digest: EndpointDigest, side: str, location: str, values: Mapping[str, ParameterDigest]) -> dict[str, Any]:
    required = [name for name in sorted(values) if is_required(digest, (side, location, name))]
    schema: dict[str, Any] = {"type": "object", "properties": {name: schema_of(values[name]) for name in sorted(values)}}
    return schema | ({"required": required} if required else {})


def _tree(digest: EndpointDigest, side: str, values: Mapping[str, ParameterDigest]) -> _Place:
    root = _Place()
    for pointer in sorted(values):
        place = root
        for part in pointer.split("/")[1:]:
            place = place.members.setdefault(part, _Place())
        place.digest = values[pointer]
        place.required = is_required(digest, (side, "json", pointer))
    return root


def _schema(place: _Place) -> dict[str, Any]:
    """Return the schema of a value with all that is in it."""
    found = {} if place.digest is None else schema_of(place.digest)
    kinds = set() if place.digest is None else set(place.digest.kinds)
    if "[]" in place.members and "array" in kinds:
        found["items"] = _schema(place.members["[]"])
    named = {name: member for name, member in place.members.items() if name not in ("[]", "{}")}
    if named and "object" in kinds:
        found["properties"] = {_unescaped(name): _schema(member) for name, member in named.items()}
        required = [_unescaped(name) for name, member in named.items() if member.required]
        if required:
            found["required"] = required
    if "{}" in place.members and "object" in kinds:
        found["additionalProperties"] = _schema(place.members["{}"])
    return found


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")
