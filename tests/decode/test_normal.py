"""The normal form holds what the full decoding finds."""

from __future__ import annotations

import base64
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.decode.normal import Normalizer
from tcpmirror.model.exchange import Request

PAYLOAD = b"<script>alert('x')</script>"


def form_of(target: bytes = b"/", headers: bytes = b"", body: bytes = b"") -> bytes | None:
    return Normalizer().normal_form(Request(b"POST " + target + b" HTTP/1.1\r\n" + headers + b"\r\n", body))


def quoted(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="").encode()


HIDDEN = {
    "percent": (b"/?a=" + quoted(PAYLOAD), b"", b""),
    "percent twice": (b"/?a=" + quoted(quoted(PAYLOAD)), b"", b""),
    "percent three times": (b"/?a=" + quoted(quoted(quoted(PAYLOAD))), b"", b""),
    "base64": (b"/?a=" + base64.b64encode(PAYLOAD), b"", b""),
    "base64 in the path": (b"/x/" + base64.urlsafe_b64encode(PAYLOAD) + b"/y", b"", b""),
    "percent in base64": (b"/?a=" + base64.b64encode(quoted(PAYLOAD)), b"", b""),
    "base64 in base64": (b"/?a=" + base64.b64encode(base64.b64encode(PAYLOAD)), b"", b""),
    "entities": (b"/", b"", b"a=" + quoted(b"".join(b"&#%d;" % byte for byte in PAYLOAD))),
    "JSON escapes": (b"/", b"", b'{"a":"' + b"".join(b"\\u%04x" % byte for byte in PAYLOAD) + b'"}'),
    "cookie": (b"/", b"Cookie: a=" + quoted(PAYLOAD) + b"\r\n", b""),
    "NUL bytes": (b"/", b"", PAYLOAD.replace(b"r", b"r\0")),
    "UTF-16": (b"/", b"", PAYLOAD.decode().encode("utf-16")),
    "header": (b"/", b"X-Any: " + PAYLOAD + b"\r\n", b""),
}


@pytest.mark.parametrize(("target", "headers", "body"), HIDDEN.values(), ids=HIDDEN)
def test_a_payload_stands_in_the_form(target: bytes, headers: bytes, body: bytes) -> None:
    form = form_of(target, headers, body)
    assert form is not None
    assert PAYLOAD in form


def test_separators_of_parameters_and_cookies_are_no_shell_separators() -> None:
    form = form_of(b"/?a=1&id=2", b"Cookie: a=1; id=2\r\n", b"a=1&ls=2")
    assert form is not None
    assert b"&" not in form
    assert b";" not in form


def test_ampersands_of_a_text_stay() -> None:
    form = form_of(b"/", b"", b'{"a":"x && y"}')
    assert form is not None
    assert b"x && y" in form


def test_what_nests_too_deep_is_for_the_full_path() -> None:
    value = PAYLOAD
    for _ in range(7):
        value = quoted(value)
    assert form_of(b"/?a=" + value) is None


def test_learned_lines_are_left_out_and_only_those() -> None:
    normalizer = Normalizer()
    request = Request(b"GET /a HTTP/1.1\r\nUser-Agent: one\r\nCookie: s=1\r\n\r\n")
    assert b"User-Agent" in (normalizer.normal_form(request) or b"")
    normalizer.learn()
    again = normalizer.normal_form(request) or b""
    assert b"User-Agent" not in again
    assert b"GET /a" in again
    assert b"Cookie" in again
    assert b"two" in (normalizer.normal_form(Request(b"GET /a HTTP/1.1\r\nUser-Agent: two\r\n\r\n")) or b"")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_bytes_make_it_fail(head: bytes, body: bytes) -> None:
    Normalizer().normal_form(Request(head, body))
