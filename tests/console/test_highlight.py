from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.console.highlight import locate

HEAD = b"POST /a?id=%s HTTP/1.1\r\nHost: h\r\nCookie: sid=%s; b=2\r\nX-A: %s\r\n\r\n%s"


def message(query: bytes = b"", cookie: bytes = b"", header: bytes = b"", body: bytes = b"") -> bytes:
    return HEAD % (query, cookie, header, body)


QUERY, COOKIE, HEADER, BODY = ("get", "id"), ("header", "COOKIE", "cookie", "sid"), ("header", "X-A"), ("post", "json_doc")
B64 = base64.b64encode(b"aa; cat /etc/passwd | nc")
FOUND = {
    "as it stands": (message(b"1'or"), QUERY, "1'or", b"1'or"),
    "percent": (message(b"1%27%20or%201"), QUERY, "1' or 1", b"1%27%20or%201"),
    "plus": (message(b"1%27+or"), QUERY, "' or", b"%27+or"),
    "half encoded": (message(b"..%2f../etc"), QUERY, "../../etc", b"..%2f../etc"),
    "percent twice": (message(b"%2527or"), QUERY, "'or", b"%2527or"),
    "%u": (message(b"%u003cscript%u003e"), QUERY, "<script>", b"%u003cscript%u003e"),
    "other case": (message(b"UnIoN SeLeCt".replace(b" ", b"+")), QUERY, "union select", b"UnIoN+SeLeCt"),
    "header": (message(query=b"evil", header=b"evil"), HEADER, "evil", b"evil"),
    "cookie": (message(cookie=b"%3Cx%3E"), COOKIE, "<x>", b"%3Cx%3E"),
    "JSON": (message(body=b'{"a":"\\u003cx\\u003e\\"\\n"}'), BODY, '<x>"\n', b'\\u003cx\\u003e\\"\\n'),
    "entities": (message(body=b"&lt;x&#62;&#x2f;"), BODY, "<x>/", b"&lt;x&#62;&#x2f;"),
    "JSON in percent": (message(body=b"d=%7B%22a%22%3A%22%5Cu003cx%22%7D"), BODY, "<x", b"%5Cu003cx"),
    "latin-1": (message(body=b"\xff\xfeevil"), BODY, "\xff\xfeevil", b"\xff\xfeevil"),
    "bare line ends": (b"POST / HTTP/1.1\nHost: h\n\nevil", BODY, "evil", b"evil"),
}


@pytest.mark.parametrize(("raw", "point", "payload", "marked"), FOUND.values(), ids=FOUND.keys())
def test_payload_is_found_under_its_encoding(raw: bytes, point: tuple[str, ...], payload: str, marked: bytes) -> None:
    found = locate(raw, point, payload)
    assert [raw[start:end] for start, end in found.spans] == [marked]
    assert not found.decoded


TOKENS = {
    "Base64": (message(header=B64), HEADER, B64),
    "Base64 without padding": (message(header=B64.rstrip(b"=")), HEADER, B64.rstrip(b"=")),
    "Base64 in percent": (message(B64.replace(b"=", b"%3D")), QUERY, B64.replace(b"=", b"%3D")),
}


@pytest.mark.parametrize(("raw", "point", "marked"), TOKENS.values(), ids=TOKENS.keys())
def test_encoded_token_is_marked_whole(raw: bytes, point: tuple[str, ...], marked: bytes) -> None:
    found = locate(raw, point, "cat /etc/passwd")
    assert [raw[start:end] for start, end in found.spans] == [marked]
    assert found.decoded


NOWHERE = {
    "other part of the message": (message(query=b"evil"), HEADER, "evil"),
    "not there": (message(), QUERY, "evil"),
    "no message": (b"", QUERY, "evil"),
    "header that is not there": (message(query=b"evil"), ("header", "X-B"), "evil"),
}


@pytest.mark.parametrize(("raw", "point", "payload"), NOWHERE.values(), ids=NOWHERE.keys())
def test_what_is_not_there_is_not_marked(raw: bytes, point: tuple[str, ...], payload: str) -> None:
    found = locate(raw, point, payload)
    assert found.spans == () and found.decoded


def test_empty_payload_marks_nothing() -> None:
    assert locate(message(b"x"), QUERY, "").spans == locate(message(b"x"), QUERY, " \n").spans == ()


def test_many_places_are_bounded() -> None:
    assert len(locate(message(body=b"x" * 10_000), BODY, "x").spans) == 20


@settings(max_examples=60)
@given(st.binary(max_size=200), st.lists(st.text(max_size=8), max_size=4), st.text(max_size=12))
def test_spans_lie_in_the_message_in_order_whatever_comes(raw: bytes, point: list[str], payload: str) -> None:
    for begin in ("get", "header", "post", "response_body", "other"):
        at = 0
        for start, end in locate(raw, (begin, *point), payload).spans:
            assert at <= start <= end <= len(raw)
            at = end


@given(st.binary(min_size=1, max_size=30).filter(lambda raw: raw.strip()))
def test_percent_encoded_bytes_are_always_found(payload: bytes) -> None:
    encoded = b"".join(b"%%%02X" % byte for byte in payload)
    found = locate(b"GET /?a=" + encoded + b" HTTP/1.1\r\n\r\n", ("get", "a"), payload.decode("latin-1"))
    assert found.spans and not found.decoded
