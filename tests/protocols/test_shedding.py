"""Memory is short: bodies in progress are given up, heads and framing are not."""

from __future__ import annotations

import gzip
import hashlib
import zlib

import hpack
import pytest

from tests.protocols.http2_peers import frame as h2_frame
from tests.protocols.test_http2 import GET, OK
from tests.protocols.test_http2 import opened as http2
from tests.protocols.test_websocket import DEFLATED, frame
from tests.protocols.test_websocket import opened as websocket
from tests.protocols.transcript import CLIENT, SERVER, Flow, names

BODY = bytes(range(256)) * 200
CODED = gzip.compress(BODY, mtime=0)
PUT = b"PUT /a HTTP/1.1\r\nHost: h\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


def counted(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def chunked(body: bytes) -> bytes:
    parts = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    return (
        b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        + b"0\r\n\r\n"
    )


FRAMINGS = {"counted": counted, "chunked": chunked}


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
@pytest.mark.parametrize("side", [CLIENT, SERVER], ids=["request", "response"])
def test_the_body_goes_the_head_stays_and_the_next_message_is_found(framing, side):
    flow = Flow(chooses=True, hash_bodies=True)
    message = (ANSWER if side else PUT) + framing(BODY)
    if side:
        flow.client(NEXT)
    flow.send(side, message[:20_000])
    held = flow.sink.held_bytes
    flow.sink.lighten()
    assert held > 19_000 > flow.sink.held_bytes
    flow.send(side, message[20_000:])
    if not side:
        flow.server(EMPTY)
    flow.client(NEXT).server(EMPTY)
    first, second = flow.exchanges
    given_up = first.response if side else first.request
    assert (given_up.body, given_up.body_length) == (b"", len(BODY))
    assert given_up.body_sha256 == hashlib.sha256(BODY).digest()
    assert names(first) == {"body_shed"}
    assert (second.request.target, second.response.status, names(second)) == (b"/next", 204, set())


def test_a_coded_body_is_not_decoded_to_its_end():
    flow = Flow(chooses=True, hash_bodies=True)
    message = PUT + b"Content-Encoding: gzip\r\n" + counted(CODED)
    flow.client(message[:300])
    flow.sink.lighten()
    flow.client(message[300:]).server(EMPTY)
    (exchange,) = flow.exchanges
    assert (exchange.request.body, exchange.request.body_sha256, exchange.request.wire_length) == (b"", None, len(CODED))
    assert "body_shed" in names(exchange)


def test_the_next_body_is_collected_again():
    flow = Flow(chooses=True)
    message = PUT + counted(BODY)
    flow.client(message[:5000])
    flow.sink.lighten()
    flow.client(message[5000:]).server(EMPTY).client(message).server(EMPTY)
    assert [exchange.request.body for exchange in flow.exchanges] == [b"", BODY]


def test_a_whole_request_that_waits_for_its_answer_keeps_its_body():
    flow = Flow(chooses=True).client(PUT + counted(BODY))
    flow.sink.lighten()
    flow.server(EMPTY)
    assert flow.exchanges[0].request.body == BODY
    assert names(flow.exchanges[0]) == set()


def test_a_head_in_progress_is_kept():
    flow = Flow(chooses=True).client(PUT)
    flow.sink.lighten()
    flow.client(counted(b"abc")).server(EMPTY)
    assert (flow.exchanges[0].request.target, flow.exchanges[0].request.body) == (b"/a", b"abc")


def test_of_http_2_streams_the_bodies_in_progress_go():
    flow = http2().client(h2_frame(1, 0x5, 1, hpack.Encoder().encode(GET)))
    flow.server(h2_frame(1, 0x4, 1, hpack.Encoder().encode(OK)) + h2_frame(0, 0, 1, b"x" * 9000))
    held = flow.sink.held_bytes
    flow.sink.lighten()
    assert flow.sink.held_bytes < held - 8000
    flow.server(h2_frame(0, 1, 1, b"y" * 500))
    (exchange,) = flow.exchanges
    assert (exchange.response.status, exchange.response.body, exchange.response.body_length) == (200, b"", 9500)
    assert names(exchange) == {"body_shed"}


def test_of_a_websocket_the_message_in_progress_goes():
    flow = websocket()
    flow.server(frame(0x01, b"x" * 4000))
    flow.sink.lighten()
    flow.server(frame(0x80, b"y" * 100) + frame(0x81, b"after"))
    first, second = flow.exchanges[1:]
    assert (first.response.body, first.response.body_length, names(first)) == (b"", 4100, {"body_shed"})
    assert (second.response.body, names(second)) == (b"after", set())


def test_compressed_websocket_messages_after_one_given_up_cannot_be_read():
    flow = websocket(DEFLATED)
    packer = zlib.compressobj(wbits=-15)
    first = (packer.compress(BODY[:3000]) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    second = (packer.compress(b"more") + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    data = frame(0xC1, first)
    flow.server(data[:200])
    flow.sink.lighten()
    flow.server(data[200:] + frame(0xC1, second))
    given_up, unread = flow.exchanges[1:]
    assert (given_up.response.body, names(given_up)) == (b"", {"body_shed"})
    assert (unread.response.body, names(unread)) == (b"", {"truncated_coding"})
