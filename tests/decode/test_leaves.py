"""Leaves: the values of a message with their places, the same that points have."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.decode.leaves import Leaf, body_leaves, request_leaves, response_leaves
from tcpmirror.decode.points import request_points
from tcpmirror.model.exchange import Request
from tcpmirror.settings.tree import Limits

KINDS = (
    "application/json",
    "text/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=BB",
    "text/plain",
)
REQUESTS = {
    "JSON": ("/a/b?x=1&x=2&p[k]=3", KINDS[0], b'{"a": [1, "x\\u0041y", {"c": null}], "d": {"e": ""}, "f": true}'),
    "XML": ("/a", KINDS[1], b'<?xml version="1.0"?><a:E xmlns="q"><b c=\'d\'>te&amp;xt<![CDATA[raw]]></b><e/>tail</a:E>'),
    "form": ("/a", KINDS[2], b"user=a%40b.de&pass=x+y&n"),
    "multipart": (
        "/a", KINDS[3],
        b'--BB\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n'
        b'--BB\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\nfile\r\n--BB--\r\n',
    ),
    "text": ("/a", KINDS[4], b"just a text"),
}  # fmt: skip


def leaves_of(target: str, kind: str, body: bytes) -> tuple[list[Leaf], Request]:
    head = f"POST {target} HTTP/1.1\r\nHost: h\r\nCookie: a=1; b=2\r\nX: 1\r\nX: 2\r\nContent-Type: {kind}\r\n\r\n".encode()
    return list(request_leaves(head, body, kind.encode())), Request(head, body, 0, b"POST", target.encode())


@pytest.mark.parametrize(("target", "kind", "body"), REQUESTS.values(), ids=REQUESTS)
def test_leaves_are_points_and_stand_where_they_say(target: str, kind: str, body: bytes) -> None:
    leaves, request = leaves_of(target, kind, body)
    points = {(point.path, point.value) for point in request_points(request, Limits()).points}
    sent = request.head + request.body
    assert {(leaf.path, leaf.value) for leaf in leaves if leaf.path != ("action_name",)} <= points
    for leaf in leaves:
        raw = sent[leaf.start : leaf.end]
        assert raw == leaf.value or b"%" in raw or b"+" in raw or b"\\u" in raw or b"&amp;" in raw


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=12))  # fmt: skip
def test_every_string_and_number_of_a_document_is_a_leaf(document: object) -> None:
    body = json.dumps([document]).encode()
    found = {leaf.value for leaf in body_leaves(("post",), body, 0, b"")}

    def values(item: object) -> list[bytes]:
        if isinstance(item, dict):
            return [each for value in item.values() for each in values(value)]
        if isinstance(item, list):
            return [each for value in item for each in values(value)]
        text = item if isinstance(item, str) else json.dumps(item)
        return [text.encode("utf-8", "surrogatepass")] if text else []

    surrogate = any(b"\\ud" in part for part in [body])
    assert surrogate or set(values(document)) <= found


@given(st.binary(max_size=200), st.sampled_from(KINDS), st.booleans())
def test_no_bytes_make_it_raise_and_places_lie_within(body: bytes, kind: str, is_request: bool) -> None:
    head = b"POST /a?" + body[:50] + b" HTTP/1.1\r\nCookie: " + body[50:] + b"\r\n\r\n"
    read = request_leaves if is_request else response_leaves
    for leaf in read(head, body, kind.encode()):
        assert 0 <= leaf.start < leaf.end <= len(head) + len(body)
