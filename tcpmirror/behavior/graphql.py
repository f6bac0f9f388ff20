"""How large the GraphQL documents of a request are, and what they ask for that a route may not allow.

GraphQL specification, section 2; GraphQL over HTTP, section 5; GraphQL multipart request specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson

from tcpmirror.model.exchange import Request

BODY_BYTES: Final = 1 << 20  # of a body that is read
DOCUMENTS: Final = 100  # of a batch that are measured; a larger one is counted all the same
DEPTH: Final = 20  # of variables
# Strings and comments say nothing of the shape; braces within arguments are of input objects, so no deeper selection.
_TOKEN: Final = re.compile(
    rb'("""(?:[^"]|"(?!""))*"""|"(?:[^"\\\n]|\\.)*")|#[^\n]*|([{}()])|[_A-Za-z]\w*[ \t]*(:)|([_A-Za-z]\w*)', re.DOTALL
)
_DEBUG: Final = re.compile(rb"(?i)[?&]debug=(?:1|true|on|yes)(?:&|#|\Z)")
_OPERATIONS: Final = re.compile(rb'name="(?:operations|query)"[^\r\n]*(?:\r\n[^\r\n]+)*\r\n\r\n(.*?)\r\n--', re.DOTALL)

Measures = dict[str, int]  # type of attack -> how much of it


@dataclass(frozen=True, slots=True)
class Sent:
    """A document with the largest text among its variables, in bytes."""

    document: bytes
    variable: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """``value``: bytes of the largest text in the document; ``introspection``: fields that tell of the schema."""

    depth: int
    aliases: int
    value: int
    introspection: int


def measures(request: Request) -> Measures:
    """Return how much *request* has of what controls limit; nothing where it holds no document."""
    documents = documents_of(request)
    if not documents:
        return {}
    shapes = [shape(each.document) for each in documents[:DOCUMENTS]]
    return {
        "gql_depth": max(each.depth for each in shapes),
        "gql_aliases": max(each.aliases for each in shapes),
        "gql_docs_per_batch": len(documents),
        "gql_doc_size": max(len(each.document) for each in documents),
        "gql_value_size": max(*(each.value for each in shapes), *(each.variable for each in documents)),
        "gql_introspection": sum(each.introspection for each in shapes),
        "gql_debug": int(_DEBUG.search(request.target) is not None),
    }


def documents_of(request: Request) -> list[Sent]:
    """Return the documents that *request* sends: as JSON, one or a batch, alone, in a form, or in its address."""
    body = request.body
    kind = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if kind == b"multipart/form-data":
        found = _OPERATIONS.search(body[:BODY_BYTES])
        body = found.group(1) if found else b""
    if kind == b"application/graphql" or (kind in (b"text/plain", b"multipart/form-data") and _is_document(body)):
        return [Sent(body)] if body else []
    if 2 < len(body) <= BODY_BYTES and body.lstrip()[:1] in (b"{", b"["):
        return list(_of_json(body))
    pairs = request.target.partition(b"?")[2]
    return _of_pairs(body if kind == b"application/x-www-form-urlencoded" and b"query=" in body else pairs)


def _is_document(body: bytes) -> bool:
    """Tell whether *body* is a document by itself, no JSON that holds one."""
    start = body.lstrip()[:20]
    return start.startswith((b"query", b"mutation", b"subscription", b"fragment")) or (
        start[:1] == b"{" and not start[1:].lstrip().startswith((b'"', b"}"))
    )


def _of_json(body: bytes) -> Iterator[Sent]:
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    for row in sent if isinstance(sent, list) else [sent]:
        if isinstance(row, dict) and isinstance(row.get("query"), str) and "{" in row["query"]:
            yield Sent(row["query"].encode("utf-8", "replace"), _largest(row.get("variables"), 0))


def _of_pairs(pairs: bytes) -> list[Sent]:
    for pair in pairs.split(b"&", 64):
        name, _, value = pair.partition(b"=")
        text = unquote_to_bytes(value.replace(b"+", b" ")) if name == b"query" else b""
        if b"{" in text:
            return [Sent(text)]
    return []


def _largest(value: Any, depth: int) -> int:
    """Return the bytes of the largest text within *value*."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((_largest(each, depth + 1) for each in inner), default=0) if depth < DEPTH else 0


def shape(document: bytes) -> Shape:
    """Return how deep selections nest in *document*, how many fields are renamed, and so on."""
    depth = deepest = aliases = arguments = value = introspection = 0
    for match in _TOKEN.finditer(document):
        text, mark, colon, name = match.groups()
        if text:
            value = max(value, len(text) - 2)
        elif mark == b"(":
            arguments += 1
        elif mark == b")":
            arguments = max(0, arguments - 1)
        elif arguments:
            continue
        elif mark == b"{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark == b"}":
            depth = max(0, depth - 1)
        elif colon and depth:
            aliases += 1
        elif name in (b"__schema", b"__type"):
            introspection += 1
    return Shape(deepest, aliases, value, introspection)
