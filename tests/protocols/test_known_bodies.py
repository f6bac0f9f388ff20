"""Bodies of responses that came again: found only where all bytes are the same, and then the message is what it was before."""

from __future__ import annotations

import gzip
import random

import brotli
import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.settings.tree import MIB, Limits
from tests.protocols.http2_peers import frame as h2_frame
from tests.protocols.test_http2 import GET, opened
from tests.protocols.transcript import SERVER, Flow, names

STORE_BYTES = 8 * MIB
ASKED = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LIMITS = Limits(body_bytes=20_000, decompressed_bytes=60_000)
TEXT = b"".join(b'{"id": %d, "name": "anvil"},\n' % (number * 7919) for number in range(400))
NOISE = random.Random(5).randbytes(70_000)
GZIP = b"Content-Encoding: gzip\r\n"
# (headers, body as sent)
ANSWERS = [
    (b"", b""), (b"", b"short"), (b"", TEXT[:16]), (b"", TEXT), (b"", TEXT[:-1] + b"!"), (b"", NOISE[:30_000]),
    (GZIP, b""), (GZIP, gzip.compress(TEXT, mtime=0)), (b"", gzip.compress(TEXT, mtime=0)),
    (GZIP, gzip.compress(TEXT, mtime=0)[:-5]), (GZIP, gzip.compress(TEXT, mtime=0) * 2), (GZIP, TEXT),
    (GZIP, gzip.compress(NOISE[:30_000], mtime=0)), (GZIP, gzip.compress(NOISE, mtime=0)), (GZIP, gzip.compress(bytes(100_000))),
    (b"Content-Encoding: br\r\n", brotli.compress(TEXT)), (b"Content-Encoding: br\r\n", gzip.compress(TEXT, mtime=0)),
    (b"Content-Encoding: frob\r\n", TEXT), (b"Content-Encoding: gzip, gzip\r\n", gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0)),
    (b"Content-Encoding: gzip\r\nContent-Encoding: identity\r\n", gzip.compress(TEXT, mtime=0)),
]  # fmt: skip


def counted(headers: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (headers, len(body), body)


def chunked(headers: bytes, body: bytes) -> bytes:
    parts = [body[at : at + 5000] for at in range(0, len(body), 5000)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (headers, chunks)


def told(flow: Flow) -> list[tuple[object, ...]]:
    return [
        (response.body, response.body_length, response.wire_length, response.body_sha256, response.anomalies)
        for exchange in flow.exchanges
        if (response := exchange.response) is not None
    ]


def answered(*bodies: bytes, headers: bytes = b"", **options: object) -> Flow:
    flow = Flow(**options)
    for body in bodies:
        flow.client(ASKED).server(counted(headers, body))
    return flow


STEP = st.tuples(
    st.sampled_from(ANSWERS),
    st.sampled_from([counted, chunked]),
    st.sampled_from([1, 7, 1400, 100_000]),  # bytes of a segment, or a thousandth of the message if that is more
    st.sampled_from(["", "", "", "a gap", "memory is short"]),
)


def sent(flow: Flow, step: tuple) -> None:
    (headers, body), framing, size, event = step
    message = framing(headers, body)
    size = max(size, len(message) // 1000)
    middle = len(message) - len(body) // 2
    lost = 9 if event == "a gap" and framing is counted and len(body) > 40 else 0
    flow.client(ASKED)
    for at in range(0, middle, size):
        flow.server(message[at : min(middle, at + size)])
    if event == "memory is short":
        flow.sink.lighten()
    if lost:
        flow.lose(SERVER, lost)
    for at in range(middle + lost, len(message), size):
        flow.server(message[at : at + size])


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, min_size=3, max_size=14), st.booleans())
def test_what_was_known_makes_no_difference(steps, hash_bodies):
    options = {"limits": LIMITS, "hash_bodies": hash_bodies}
    in_turn = Flow(**options)
    alone = []
    for step in steps:
        sent(in_turn, step)
        flow = Flow(**options)
        sent(flow, step)
        alone += told(flow)
    assert len(alone) == len(steps)
    assert told(in_turn) == alone


@pytest.mark.parametrize(("headers", "body"), [(b"", TEXT), (GZIP, gzip.compress(TEXT)), (b"", TEXT[:16])])
def test_the_third_time_it_is_the_same_body(headers, body):
    flow = answered(body, headers=headers)
    assert flow.factory.known_bodies.held_bytes == 0
    first, second, third = (each.response for each in answered(body, body, body, headers=headers).exchanges)
    assert first.known is None
    assert third.known is second.known is not None
    assert third.body is second.body is third.known.body
    assert first.body == third.body


def test_other_codings_make_another_body():
    packed = gzip.compress(TEXT)
    flow = answered(packed, packed, packed)
    for _ in range(3):
        flow.client(ASKED).server(counted(GZIP, packed))
    bodies = [exchange.response.body for exchange in flow.exchanges]
    assert bodies == [packed] * 3 + [TEXT] * 3
    assert flow.exchanges[2].response.known is not flow.exchanges[5].response.known is not None


def test_bodies_of_one_mark_do_not_pass_for_each_other():
    """A mark is of the size and of sixteen words, so these differ where it does not look."""
    body = random.Random(1).randbytes(4096)
    other = body[:100] + bytes([body[100] ^ 1]) + body[101:]
    flow = answered(body, other)
    assert flow.exchanges[1].response.known is not None, "their marks are not the same: this proves nothing"
    flow = answered(*[body, other] * 3, body, body, other, other, body)
    assert [each.response.body for each in flow.exchanges] == [*[body, other] * 3, body, body, other, other, body]


def test_what_is_not_sound_or_not_whole_is_not_kept():
    for headers, body in (
        (GZIP, gzip.compress(TEXT)[:-5]),
        (GZIP, TEXT),
        (b"Content-Encoding: frob\r\n", TEXT),
        (b"", NOISE),
    ):
        flow = answered(body, body, body, headers=headers, limits=LIMITS)
        assert flow.factory.known_bodies.held_bytes == 0
        assert names(flow.exchanges[2]) == names(flow.exchanges[0]) != set()


def test_requests_are_not_looked_for():
    flow = Flow()
    put = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(TEXT) + TEXT
    for _ in range(3):
        flow.client(put).server(counted(b"", b""))
    assert flow.exchanges[2].request.known is None
    assert flow.factory.known_bodies.held_bytes == 0


def test_the_store_is_bounded_and_keeps_what_is_found_again():
    often = random.Random(0).randbytes(50_000)
    flow = Flow()
    for number in range(40):
        body = random.Random(number + 1).randbytes(500_000)
        for each in (body, often, body):
            flow.client(ASKED).server(counted(b"", each))
        assert flow.factory.known_bodies.held_bytes <= STORE_BYTES
    assert flow.factory.known_bodies.held_bytes > STORE_BYTES // 2
    flow.client(ASKED).server(counted(b"", often))
    assert flow.exchanges[-1].response.known is not None
    flow.client(ASKED).server(counted(b"", random.Random(1).randbytes(500_000)))
    assert flow.exchanges[-1].response.known is not flow.exchanges[2].response.known is not None


def test_many_small_bodies_are_bounded_too():
    flow = Flow()
    for _ in range(2):
        for number in range(30_000):
            flow.client(ASKED).server(counted(b"", b'{"number": %20d}' % number))
    assert 0 <= flow.factory.known_bodies.held_bytes <= STORE_BYTES


def test_a_body_of_http_2_is_found_too():
    flow = opened()
    client, server = hpack.Encoder(), hpack.Encoder()
    for number in (1, 3, 5):
        flow.client(h2_frame(1, 0x5, number, client.encode(GET)))
        flow.server(h2_frame(1, 0x4, number, server.encode([(":status", "200"), ("content-encoding", "gzip")])))
        flow.server(h2_frame(0, 1, number, gzip.compress(TEXT, mtime=0)))
    assert [exchange.response.body for exchange in flow.exchanges] == [TEXT] * 3
    assert flow.exchanges[2].response.known is flow.exchanges[1].response.known is not None
