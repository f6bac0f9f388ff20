"""How large the GraphQL documents of a request are (GraphQL specification, section 2; GraphQL over HTTP, section 5)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

import orjson

from tcpmirror.model.exchange import Request

BODY_BYTES: Final = 1 << 20  # of a body that is read
DOCUMENTS: Final = 100  # of a batch that are measured; a larger one is counted all the same
# Strings and comments say nothing of the shape; braces within arguments are of input objects, so no deeper selection.
_TOKEN: Final = re.compile(
    rb'"""(?:[^"]|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*|([{}()])|[_A-Za-z]\w*[ \t]*(:)|[_A-Za-z]\w*', re.DOTALL
)

Measures = dict[str, int]  # type of attack -> how much of it


def measures(request: Request) -> Measures:
    """Return depth, aliases, documents and the size of the largest document of *request*; nothing where it holds none."""
    documents = documents_of(request)
    if not documents:
        return {}
    shapes = [shape(document) for document in documents[:DOCUMENTS]]
    return {
        "gql_depth": max(depth for depth, _ in shapes),
        "gql_aliases": max(aliases for _, aliases in shapes),
        "gql_docs_per_batch": len(documents),
        "gql_doc_size": max(map(len, documents)),
    }


def documents_of(request: Request) -> list[bytes]:
    """Return the documents that *request* sends: as JSON, one or a batch, as a document alone, or in its address."""
    body = request.body
    kind = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if kind == b"application/graphql":
        return [body] if body else []
    if 2 < len(body) <= BODY_BYTES and body.lstrip()[:1] in (b"{", b"["):
        try:
            sent = orjson.loads(body)
        except orjson.JSONDecodeError:
            return []
        rows = sent if isinstance(sent, list) else [sent]
        texts = [row["query"] for row in rows if isinstance(row, dict) and isinstance(row.get("query"), str)]
        return [text.encode("utf-8", "replace") for text in texts if "{" in text]
    for pair in request.target.partition(b"?")[2].split(b"&", 64):
        name, _, value = pair.partition(b"=")
        text = unquote_to_bytes(value.replace(b"+", b" ")) if name == b"query" else b""
        if b"{" in text:
            return [text]
    return []


def shape(document: bytes) -> tuple[int, int]:
    """Return (how deep selections nest, how many fields are renamed) in *document*."""
    depth = deepest = aliases = arguments = 0
    for match in _TOKEN.finditer(document):
        mark = match.group(1)
        if mark == b"(":
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
        elif match.group(2) and depth:
            aliases += 1
    return deepest, aliases
