"""Requests for tests, from one line or from a value put into a place."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from urllib.parse import quote_from_bytes
from xml.sax.saxutils import escape

from tcpmirror.model.exchange import Exchange, Request

HEAD = b"Host: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"


def request(method: bytes, target: bytes, headers: bytes = b"", body: bytes = b"") -> Exchange:
    head = method + b" " + target + b" HTTP/1.1\r\n" + HEAD + headers
    if body:
        head += b"Content-Length: %d\r\n" % len(body)
    return Exchange(Request(head + b"\r\n", body, 0, method, target))


def _json(value: bytes) -> bytes:
    return json.dumps({"a": 1, "q": value.decode("utf-8", "replace")}).encode()


def _multipart(value: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="q"\r\n\r\n' + value + b"\r\n--b--\r\n"


def _xml(value: bytes) -> bytes:
    return b'<?xml version="1.0"?><r><q>' + escape(value.decode("latin-1")).encode("latin-1") + b"</q></r>"


PLACES: dict[str, Callable[[bytes], Exchange]] = {
    "query": lambda value: request(b"GET", b"/find?page=1&q=" + quote_from_bytes(value, safe="").encode()),
    "query percent-encoded twice": lambda value: request(
        b"GET", b"/find?q=" + quote_from_bytes(quote_from_bytes(value, safe="").encode(), safe="").encode()
    ),
    "query in base64": lambda value: request(b"GET", b"/find?q=" + quote_from_bytes(base64.b64encode(value)).encode()),
    "path segment in base64 without padding": lambda value: request(
        b"GET", b"/find/" + quote_from_bytes(base64.b64encode(value).rstrip(b"="), safe="").encode()
    ),
    "query in hexadecimal": lambda value: request(b"GET", b"/find?q=" + (b"        " + value).hex().encode()),
    "query packed in base64": lambda value: request(
        b"GET", b"/find?q=" + quote_from_bytes(base64.b64encode(gzip.compress(value, mtime=0)), safe="").encode()
    ),
    "header of its own": lambda value: request(
        b"GET", b"/", b"X-Note: " + quote_from_bytes(value, safe="").encode() + b"\r\n"
    ),
    "body in UTF-16 without a mark": lambda value: request(
        b"POST", b"/save", b"", ("q is the: " + value.decode("utf-8", "replace")).encode("utf-16-be")
    ),
    "form": lambda value: request(b"POST", b"/save", b"", b"a=1&q=" + quote_from_bytes(value, safe="").encode()),
    "JSON": lambda value: request(b"POST", b"/save", b"Content-Type: application/json\r\n", _json(value)),
    "JSON with escapes": lambda value: request(
        b"POST", b"/save", b"", b'{"q":"' + b"".join(b"\\u%04x" % byte for byte in value) + b'"}'
    ),
    "multipart": lambda value: request(
        b"POST", b"/save", b"Content-Type: multipart/form-data; boundary=b\r\n", _multipart(value)
    ),
    "XML": lambda value: request(b"POST", b"/save", b"Content-Type: text/xml\r\n", _xml(value)),
    "cookie": lambda value: request(b"GET", b"/", b"Cookie: s=1; q=" + quote_from_bytes(value, safe="").encode() + b"\r\n"),
}
