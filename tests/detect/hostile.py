"""What readers of code fear: pieces of it, to be repeated without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tcpmirror.decode import text
from tcpmirror.detect import entities, graphql, tokens
from tcpmirror.detect.grade import grade
from tcpmirror.detect.grammars import GRAMMARS
from tcpmirror.detect.verdict import is_document
from tcpmirror.model.exchange import Request

Reader = Callable[[bytes], object]
PIECES = (
    *(
        b"'",
        b'"',
        b"(",
        b"()",
        b"' or ",
        b"/*",
        b"${",
        b"{{",
        b"<",
        b"<a b='",
        b"<!--",
        b"&#",
        b"&a;",
        b"%25",
        b'"\\',
        b"\\u0027",
    ),
    *(
        b"../",
        b"`",
        b"; a ",
        b"\n",
        b"a ",
        b"[{",
        b"<![CDATA[",
        b"</",
        b"ey",
        b"eyJh.ey",
        b"QUFB",
        b"\xc0\xa7",
        b"''",
        b"ab. ",
    ),
)


def readers() -> Iterator[tuple[str, Reader]]:
    """Yield the name of each grammar, decoding and computed check, and itself."""
    for name, confirms in GRAMMARS.items():
        yield f"grammar {name}", confirms
    for decode in (text.percent, text.markup, text.fold, text.base64_text, text.hex_text, text.is_text):
        yield f"decoding {decode.__name__}", decode
    for kind in ("sqli", "rce", "xss", "ssti"):
        yield f"grade of {kind}", lambda value, kind=kind: grade(kind, value)  # type: ignore[misc]
    yield "document", is_document
    yield "GraphQL", graphql.shape
    yield "entities", lambda value: (entities.is_suspect(value), entities.expanded_bytes(value, value))
    yield "tokens", lambda value: tokens.TokenCheck().is_suspect(value)


def _request(target: bytes, headers: bytes, body: bytes = b"") -> Request:
    head = b"POST " + target + b" HTTP/1.1\r\nHost: shop.example\r\n" + headers + b"\r\n"
    return Request(head, body, 0, b"POST", target)


def _on_a_line(value: bytes) -> bytes:
    return value.replace(b" ", b"+").replace(b"\n", b"%0a")


PLACES: dict[str, Callable[[bytes], Request]] = {
    "query": lambda value: _request(b"/find?q=" + _on_a_line(value), b""),
    "path": lambda value: _request(b"/" + _on_a_line(value), b""),
    "cookie": lambda value: _request(b"/", b"Cookie: a=" + value.replace(b"\n", b"") + b"\r\n"),
    "body": lambda value: _request(b"/", b"", value),
    "JSON": lambda value: _request(
        b"/", b"", b'{"query":"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"}'
    ),
    "XML": lambda value: _request(b"/", b"Content-Type: text/xml\r\n", b'<?xml version="1.0"?><a>' + value + b"</a>"),
    "field": lambda value: _request(
        b"/",
        b"Content-Type: multipart/form-data; boundary=b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + value + b"\r\n--b--\r\n",
    ),
}
