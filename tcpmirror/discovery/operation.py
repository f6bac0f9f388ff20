"""Which operation a request calls, where many go through one path: GraphQL, SOAP, JSON-RPC, MCP; and gRPC, by its path.

GraphQL: October 2021 edition, section 2.3 and the GraphQL-over-HTTP draft. SOAP 1.1 section 6.1.1 and SOAP 1.2 part 2,
section 6.5. JSON-RPC 2.0, section 4. MCP is JSON-RPC whose methods are those of its specification (2025-06-18); what its
clients only keep the line with (`ping` and the like) is no operation.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.model.needle import holds

REST: Final = ("rest", "")
_BODY_BYTES: Final = 65_536
_NAME: Final = re.compile(r"[A-Za-z_][\w.:/ -]{0,99}")
_OPERATION: Final = re.compile(
    r"^[\s,]*(?:#[^\n]*\n[\s,]*)*(query|mutation|subscription)?\s*([A-Za-z_]\w*)?"
    r"[^{]*\{\s*(?:[A-Za-z_]\w*\s*:\s*)?([A-Za-z_]\w*)"
)
_SOAP_BODY: Final = re.compile(
    rb"<(?:[\w.-]+:)?Body(?:\s[^>]*)?>\s*(?:<!--.*?-->\s*)*<(?:[\w.-]+:)?([A-Za-z_][\w.-]{0,99})", re.DOTALL
)
_MCP: Final = frozenset(
    {
        "initialize",
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "prompts/list",
        "prompts/get",
    }
)
_MCP_IGNORED: Final = frozenset(
    {"ping", "resources/subscribe", "resources/unsubscribe", "completion/complete", "logging/setLevel"}
)


def operation_of(exchange: Exchange) -> tuple[str, str]:
    """Return (kind, operation); the operation is empty for `rest`, `grpc`, and for a call that names none."""
    request = exchange.request
    if request is None:
        return REST
    media = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if media.startswith(b"application/grpc"):
        return "grpc", ""
    body = request.body[:_BODY_BYTES]
    if media.endswith(b"xml") or request.header(b"soapaction") is not None:
        return _soap(body)
    if media == b"application/graphql":
        return _graphql(body.decode("utf-8", "replace"), None)
    if body and body.lstrip()[:1] in (b"{", b"["):
        return _json(body, request.names_or_body())
    if b"query=" in request.target:
        return _graphql_in_query(request)
    return REST


def _json(body: bytes, names: bytes) -> tuple[str, str]:
    if not holds(names, b'"jsonrpc"') and not holds(names, b'"query"'):
        return REST
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return REST
    call = document[0] if isinstance(document, list) and document else document
    if not isinstance(call, dict):
        return REST
    method, query = call.get("method"), call.get("query")
    if "jsonrpc" in call and isinstance(method, str):
        return _rpc(method, call.get("params"))
    if isinstance(query, str) and "{" in query:
        name = call.get("operationName")
        return _graphql(query, name if isinstance(name, str) else None)
    return REST


def _rpc(method: str, parameters: Any) -> tuple[str, str]:
    if method in _MCP_IGNORED or method.startswith("notifications/"):
        return "mcp", ""
    if method not in _MCP:
        return "jsonrpc", method if _NAME.fullmatch(method) else ""
    name = parameters.get("name") if isinstance(parameters, dict) and method in ("tools/call", "prompts/get") else None
    return "mcp", f"{method} {name}" if isinstance(name, str) and _NAME.fullmatch(name) else method


def _graphql(query: str, name: str | None) -> tuple[str, str]:
    found = _OPERATION.match(query)
    if found is None:
        return REST
    kind, own_name, first_field = found[1] or "query", found[2], found[3]
    chosen = name or own_name or first_field
    return ("graphql", f"{kind} {chosen}") if _NAME.fullmatch(chosen) else REST


def _graphql_in_query(request: Request) -> tuple[str, str]:
    asked = parse_qs(request.target.partition(b"?")[2][:_BODY_BYTES].decode("latin-1"), max_num_fields=None)
    query = asked.get("query", [""])[0]
    return _graphql(query, asked.get("operationName", [None])[0]) if "{" in query else REST


def _soap(body: bytes) -> tuple[str, str]:
    found = _SOAP_BODY.search(body) if b"Envelope" in body else None
    return REST if found is None else ("soap", found[1].decode("latin-1"))
