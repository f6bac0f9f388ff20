"""API specification enforcement: requests compared with the OpenAPI documents that operators gave for their host.

Each document is compiled once: paths to a table, schemas to validators of jsonschema-rs (JSON Schema draft 4 for OpenAPI 3.0
and 2.0, whose dialect is nearest to that; draft 2020-12 for 3.1). A host without a document costs one look into a table. A
request whose body is larger than BODY_BYTES, or that takes longer than TIME_NS, is a `processing_overlimit` and not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

import jsonschema_rs
import orjson

from tcpmirror.discovery.specification import bare_path, base_paths, parsed_document
from tcpmirror.model.exchange import Request
from tcpmirror.model.finding import Finding

BODY_BYTES: Final = 1024 * 1024
TIME_NS: Final = 50_000_000
VIOLATIONS: Final = 16  # of one request
PAYLOAD: Final = 512
_METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_DEPTH: Final = 64
_CONFIDENCE: Final = 0.9
_Validator = jsonschema_rs.Draft4Validator | jsonschema_rs.Draft202012Validator


@dataclass(frozen=True, slots=True)
class Parameter:
    place: str  # query, header, cookie, path
    name: str
    is_required: bool
    kind: str  # of its schema
    item: str  # of an array's elements
    validator: _Validator | None


@dataclass(slots=True)
class Operation:
    parameters: tuple[Parameter, ...] = ()
    query_names: frozenset[str] = frozenset()
    takes_any_query: bool = False
    body_required: bool = False
    bodies: dict[str, _Validator | None] = field(default_factory=dict)  # by media type
    security: tuple[tuple[tuple[str, str], ...], ...] = ()  # alternatives, each of (place, name)


@dataclass(slots=True)
class _Compiled:
    rule: str
    literal: dict[tuple[str, ...], dict[str, Operation]]
    templates: list[tuple[re.Pattern[str], tuple[str, ...], dict[str, Operation]]]
    bases: tuple[tuple[str, ...], ...]


class Enforcement:
    """Documents by host; *clock_ns* gives CPU time. One that cannot be compiled is left out: ``problems`` says why."""

    def __init__(self, documents: Iterable[tuple[str, str, str]], clock_ns: Callable[[], int]) -> None:
        self._hosts: dict[str, list[_Compiled]] = {}
        self._clock_ns = clock_ns
        self.problems: list[str] = []
        for host, name, text in documents:
            try:
                compiled = _compile(name, parsed_document(text.encode()))
            except (
                ValueError,
                TypeError,
                KeyError,
                AttributeError,
                RecursionError,
                jsonschema_rs.ReferencingError,
            ) as problem:
                self.problems.append(f"{name}: {str(problem)[:200]}")
                continue
            self._hosts.setdefault(host.lower(), []).append(compiled)

    def __bool__(self) -> bool:
        return bool(self._hosts)

    def findings(self, request: Request, host: str) -> list[Finding]:
        """Return how *request* to *host* differs from every document of that host; an endpoint has to be in one of them."""
        documents = self._hosts.get(host.lower()) or self._hosts.get(re.sub(r":\d*\Z", "", host.lower()))
        if not documents or request.method in (b"OPTIONS", b"CONNECT", b"WEBSOCKET"):
            return []
        rule = documents[0].rule
        if request.body_length > BODY_BYTES:
            return [_finding("processing_overlimit", ("post",), "", rule)]
        started = self._clock_ns()
        path, _, query = request.target.decode("latin-1").partition("?")
        if not path.startswith("/"):
            path = "/" + path.partition("://")[2].partition("/")[2]
        found: list[Finding] = []
        is_known = False
        for document in documents:
            place = _lookup(document, tuple(path.split("/")[1:]), request.method.decode("latin-1").lower())
            if place is None:
                continue
            is_known = True
            for finding in _violations(request, query, *place, document.rule):
                found.append(finding)
                if self._clock_ns() - started > TIME_NS:
                    return [_finding("processing_overlimit", ("uri",), "", document.rule)]
                if len(found) >= VIOLATIONS:
                    return found
        if self._clock_ns() - started > TIME_NS:
            return [_finding("processing_overlimit", ("uri",), "", rule)]
        return found if is_known else [_finding("undefined_endpoint", ("uri",), path, rule)]


def _finding(kind: str, point: tuple[str, ...], value: str, rule: str) -> Finding:
    return Finding(kind, point, value[:PAYLOAD].encode("latin-1", "replace").decode("latin-1"), rule, _CONFIDENCE)


def _lookup(document: _Compiled, path: tuple[str, ...], method: str) -> tuple[Operation, dict[str, str]] | None:
    for base in document.bases:
        if path[: len(base)] != base:
            continue
        rest = path[len(base) :]
        methods = document.literal.get(rest)
        if methods and (operation := _of_method(methods, method)):
            return operation, {}
        joined = "/".join(rest)
        for pattern, names, candidates in document.templates:
            match = pattern.fullmatch(joined)
            if match and (operation := _of_method(candidates, method)):
                return operation, dict(zip(names, match.groups(), strict=True))
    return None


def _of_method(methods: dict[str, Operation], method: str) -> Operation | None:
    return methods.get(method) or (methods.get("get") if method == "head" else None)


def _violations(request: Request, query: str, operation: Operation, of_path: dict[str, str], rule: str) -> Iterator[Finding]:
    given = _given(request, query, of_path)
    if operation.security and not any(all(_is_there(given, *part) for part in needs) for needs in operation.security):
        yield _finding("missing_auth", ("header", "AUTHORIZATION"), "", rule)
    for parameter in operation.parameters:
        values = given[parameter.place].get(_key(parameter.place, parameter.name))
        point = _point(parameter.place, parameter.name)
        if values is None:
            if parameter.is_required:
                yield _finding("missing_parameter", point, "", rule)
        elif parameter.validator is not None and not _fits(parameter, values):
            yield _finding("invalid_parameter_value", point, ",".join(values), rule)
    if not operation.takes_any_query:
        for name in given["query"]:
            if name not in operation.query_names:
                yield _finding("undefined_parameter", ("get", name[:128]), ",".join(given["query"][name]), rule)
    yield from _of_body(request, operation, rule)


def _given(request: Request, query: str, of_path: dict[str, str]) -> dict[str, dict[str, list[str]]]:
    """Return the values of the request by place and name."""
    given: dict[str, dict[str, list[str]]] = {"query": {}, "header": {}, "cookie": {}, "path": {}}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if pair:
            given["query"].setdefault(_utf8(unquote_plus(name, "latin-1")), []).append(_utf8(unquote_plus(value, "latin-1")))
    for key, header in request.headers:
        given["header"].setdefault(key.decode("latin-1").lower(), []).append(_utf8(header.decode("latin-1")))
        if key.lower() == b"cookie":
            for part in header.decode("latin-1").split(";"):
                name, _, value = part.strip().partition("=")
                given["cookie"].setdefault(name, []).append(value)
    for name, value in of_path.items():
        given["path"][name] = [_utf8(unquote(value, "latin-1"))]
    return given


def _utf8(text: str) -> str:
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _key(place: str, name: str) -> str:
    return name.lower() if place == "header" else name


def _is_there(given: dict[str, dict[str, list[str]]], place: str, name: str) -> bool:
    return any(given[place].get(_key(place, name), ()))


def _point(place: str, name: str) -> tuple[str, ...]:
    tags = {"query": ("get",), "header": ("header",), "cookie": ("header", "COOKIE", "cookie"), "path": ("uri",)}[place]
    return tags if place == "path" else (*tags, name.upper() if place == "header" else name)


def _fits(parameter: Parameter, values: list[str]) -> bool:
    """Tell whether *values* are what the schema of *parameter* says, read as its type (style `form`, and commas)."""
    validator = parameter.validator
    assert validator is not None, "asked only where there is one"
    if parameter.kind == "object":
        return True  # its styles spread it over names
    if parameter.kind == "array":
        items = values if len(values) > 1 else re.split(r"[,|]", values[0])
        return any(validator.is_valid([_read(parameter.item, item) for item in choice]) for choice in (items, values))
    return all(validator.is_valid(_read(parameter.kind, value)) for value in values)


def _read(kind: str, value: str) -> Any:
    """Return *value* as JSON's type where it can be read as *kind*, else as it stands."""
    if kind == "integer" and re.fullmatch(r"[+-]?\d{1,18}", value):
        return int(value)
    if kind == "number" and re.fullmatch(r"[+-]?(?:\d{1,18}\.?\d{0,18}|\.\d{1,18})(?:[eE][+-]?\d{1,3})?", value):
        return float(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


def _of_body(request: Request, operation: Operation, rule: str) -> Iterator[Finding]:
    if not request.body_length:
        if operation.body_required:
            yield _finding("missing_parameter", ("post",), "", rule)
        return
    if not operation.bodies:
        return
    media = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower().decode("latin-1")
    accepted = _accepted(operation.bodies, media)
    if accepted is None:
        yield _finding("invalid_request", ("header", "CONTENT-TYPE"), media, rule)
        return
    validator = operation.bodies[accepted]
    if not media.endswith("json") or request.body_length > len(request.body):
        return  # only JSON is looked into
    try:
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        yield _finding("invalid_request", ("post",), request.body[:PAYLOAD].decode("latin-1"), rule)
        return
    if validator is None or validator.is_valid(document):
        return
    for error in validator.iter_errors(document):
        yield _of_error(error, rule)


def _accepted(bodies: dict[str, _Validator | None], media: str) -> str | None:
    for name in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if name in bodies:
            return name
    return next((name for name in bodies if media.endswith("+json") and name.endswith("json")), None)


def _of_error(error: jsonschema_rs.ValidationError, rule: str) -> Finding:
    point: tuple[str, ...] = ("post", "json_doc")
    for part in list(error.instance_path)[:_DEPTH]:
        point = (*point, "array", str(part)) if isinstance(part, int) else (*point, "hash", part[:128])
    name = error.kind.name
    if name == "required":
        return _finding(
            "missing_parameter", (*point, "hash", str(error.kind.as_dict().get("property", "")).strip('"')[:128]), "", rule
        )
    if name in ("additionalProperties", "unevaluatedProperties"):
        return _finding("undefined_parameter", point, error.message, rule)
    return _finding("invalid_parameter_value", point, error.message, rule)


# -- compiling ------------------------------------------------------------------------------------------------------------


def _compile(name: str, document: dict[str, Any]) -> _Compiled:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:64] or "document"
    compiled = _Compiled(f"specification-{slug}", {}, [], base_paths(document))
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

    def _validator(self, schema: Any) -> _Validator | None:
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
