"""API specification enforcement: requests compared with the OpenAPI documents that operators gave for their host.

Each document is compiled once: paths to a table, schemas to validators (`operation_reading`). A host without a document
costs one look into a table. A request whose body is larger than BODY_BYTES, or that takes longer than TIME_NS, is a
`processing_overlimit` and not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

import jsonschema_rs
import orjson

from tcpmirror.discovery.operation_reading import operation_table
from tcpmirror.discovery.operation_table import Operation, OperationTable, Parameter, Validator
from tcpmirror.discovery.specification import parsed_document
from tcpmirror.model.exchange import Request
from tcpmirror.model.finding import Finding

BODY_BYTES: Final = 1024 * 1024
TIME_NS: Final = 50_000_000
VIOLATIONS: Final = 16  # of one request
PAYLOAD: Final = 512
_DEPTH: Final = 64
_CONFIDENCE: Final = 0.9


class Enforcement:
    """Documents by host; *clock_ns* gives CPU time. One that cannot be compiled is left out: ``problems`` says why."""

    def __init__(self, documents: Iterable[tuple[str, str, str]], clock_ns: Callable[[], int]) -> None:
        self._hosts: dict[str, list[OperationTable]] = {}
        self._clock_ns = clock_ns
        self.problems: list[str] = []
        for host, name, text in documents:
            try:
                compiled = operation_table(name, parsed_document(text.encode()))
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
            place = document.lookup(tuple(path.split("/")[1:]), request.method.decode("latin-1").lower())
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


def _accepted(bodies: dict[str, Validator | None], media: str) -> str | None:
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
