"""gRPC bodies: framing, compression, the text form of the web, the status at the end."""

from __future__ import annotations

import base64
import gzip
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.decode.grpc import frames, is_protobuf, status_of, texts
from tcpmirror.decode.points import request_points
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import Request, Response
from tcpmirror.model.point import point_text
from tcpmirror.settings.tree import Limits
from tests.decode.test_protobuf import number, text

MESSAGE = text(1, b"ann") + number(2, 31)
FIELDS = {"[1]": b"ann", "[2]": b"31"}


def framed(payload: bytes, flags: int = 0) -> bytes:
    return bytes([flags]) + len(payload).to_bytes(4, "big") + payload


def request(body: bytes, kind: bytes = b"application/grpc", headers: bytes = b"") -> Request:
    head = b"POST /shop.Users/Find HTTP/2\r\ncontent-type: " + kind + b"\r\n" + headers + b"\r\n"
    return Request(head, body, 0, b"POST", b"/shop.Users/Find", b"HTTP/2")


def posted(made: Request) -> dict[str, bytes]:
    points = request_points(made, Limits()).points
    return {point_text(point.path[1:]): point.value for point in points if point.path[0] == "post"}


ONE = {f"[grpc][protobuf]{at}": value for at, value in FIELDS.items()}
WEB = base64.b64encode(framed(MESSAGE)[:7]) + base64.b64encode(framed(MESSAGE)[7:])
BODIES: dict[str, tuple[Request, dict[str, bytes]]] = {
    "one message": (request(framed(MESSAGE)), ONE),
    "with a subtype": (request(framed(MESSAGE), b"application/grpc+proto"), ONE),
    "two messages": (
        request(framed(MESSAGE) * 2),
        {f"[grpc][array][{n}][protobuf]{at}": value for n in (0, 1) for at, value in FIELDS.items()},
    ),
    "gzip": (request(framed(gzip.compress(MESSAGE), 1), headers=b"grpc-encoding: gzip\r\n"), ONE),
    "deflate": (request(framed(zlib.compress(MESSAGE), 1), headers=b"grpc-encoding: deflate\r\n"), ONE),
    "gzip that no header names": (request(framed(gzip.compress(MESSAGE), 1)), ONE),
    "gRPC-Web": (request(framed(MESSAGE), b"application/grpc-web+proto"), ONE),
    "gRPC-Web as text, in pieces": (request(WEB, b"application/grpc-web-text"), ONE),
    "JSON in gRPC": (request(framed(b'{"a": "b c"}'), b"application/grpc+json"), {"[grpc][json_doc][hash][a]": b"b c"}),
    "cut inside a field": (request(framed(MESSAGE)[:-3]), {"[grpc]": MESSAGE[:-3]}),
    "Protocol Buffers alone": (
        request(MESSAGE, b"application/x-protobuf"),
        {f"[protobuf]{at}": value for at, value in FIELDS.items()},
    ),
    "a form that says it is gRPC": (request(b"a=b+c"), {"[form_urlencoded][a]": b"b c"}),
    "a form that says it is Protocol Buffers": (
        request(b"a=12345678", b"application/protobuf"),
        {"[form_urlencoded][a]": b"12345678"},
    ),
}


@pytest.mark.parametrize("case", BODIES)
def test_messages_become_points(case: str) -> None:
    made, expected = BODIES[case]
    found = posted(made)
    assert {at: found.get(at) for at in expected} == expected


@pytest.mark.parametrize("case", BODIES)
def test_the_first_tier_is_given_what_the_points_hold(case: str) -> None:
    made, expected = BODIES[case]
    kind = made.header(b"content-type") or b""
    given_ = b"\x01".join((made.body, *texts(made, kind))) if is_protobuf(kind) else made.body
    for value in expected.values():
        assert value in given_ or b"+" in made.body or value.isdigit()


def test_an_unknown_compression_is_noted() -> None:
    found = request_points(request(framed(b"\x00\x01\x02", 1), headers=b"grpc-encoding: snappy\r\n"), Limits())
    assert found.anomalies >> Anomaly.BAD_CODING & 1


def test_bombs_are_bounded() -> None:
    bomb = framed(gzip.compress(bytes(4 << 20)), 1)
    before = time.process_time()
    found = list(frames(request(bomb * 500), b"application/grpc"))
    assert sum(len(frame.payload or b"") for frame in found) <= 8 << 20
    assert time.process_time() - before < 2


def answer(headers: bytes, body: bytes = b"") -> Response:
    return Response(b"HTTP/2 200\r\n" + headers + b"\r\n", body, 0, 200, b"HTTP/2")


GRPC = b"content-type: application/grpc\r\n"
STATUSES: dict[str, tuple[Response | None, int | None]] = {
    "from trailers": (answer(GRPC + b"grpc-status: 7\r\ngrpc-message: no\r\n"), 7),
    "no status": (answer(GRPC), None),
    "a status that is none": (answer(GRPC + b"grpc-status: x\r\n"), None),
    "not gRPC": (answer(b"content-type: text/plain\r\ngrpc-status: 7\r\n"), None),
    "no response": (None, None),
    "in a gRPC-Web body": (
        answer(
            b"content-type: application/grpc-web\r\n",
            framed(MESSAGE) + framed(b"grpc-status: 5\r\ngrpc-message:x\r\n", 0x80),
        ),
        5,
    ),
    "in a gRPC-Web body as text": (
        answer(b"content-type: application/grpc-web-text\r\n", base64.b64encode(framed(b"grpc-status:0\r\n", 0x80))),
        0,
    ),
}


@pytest.mark.parametrize("case", STATUSES)
def test_the_status_is_that_of_the_trailers(case: str) -> None:
    response, expected = STATUSES[case]
    assert status_of(response) == expected


@given(
    st.binary(max_size=200), st.sampled_from([b"application/grpc", b"application/grpc-web-text", b"application/x-protobuf"])
)
def test_no_bytes_raise(body: bytes, kind: bytes) -> None:
    request_points(request(body, kind), Limits())
    request_points(request(framed(body) + body, kind), Limits())
    list(texts(request(framed(body, 1), kind), kind))
