"""Server-Sent Events: a response without end is told when it has gone on for the response time-out."""

from __future__ import annotations

import zlib

import brotli
import hpack
import pytest

from tests.protocols.http2_peers import frame
from tests.protocols.transcript import CUTS, FIN, IDLE, RESET, SECOND, Flow, names

GET = b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type:text/event-stream\r\n\r\n"


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_an_event_stream_is_told_while_it_goes_on(cut):
    flow = Flow(cut=cut).client(GET).server(PLAIN + b"data: 1\n\n")
    assert flow.sink.deadline_ns == flow.time_ns + 5 * SECOND
    flow.wait(6).server(b"data: 2\n\n")
    assert flow.lines == [("GET", "/events", b"", 200, b"data: 1\n\n")]
    assert names(flow.exchanges[0]) == {"endless"}
    flow.wait(60).server(b"x" * 5_000_000).end()
    assert len(flow.exchanges) == 1
    assert flow.factory.not_http_bytes == 0
    assert flow.sink.held_bytes < 50_000


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_what_follows_an_event_stream_is_read(cut):
    flow = Flow(cut=cut).client(GET).server(CHUNKED + b"3\r\none\r\n")
    flow.sink.expire(flow.time_ns + 6 * SECOND)
    assert flow.lines == [("GET", "/events", b"", 200, b"one")]
    flow.wait(7).server(b"3\r\ntwo\r\n0\r\n\r\n")
    flow.client(b"GET /b HTTP/1.1\r\n\r\n").server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").end()
    assert flow.lines[1:] == [("GET", "/b", b"", 200, b"hi")]
    assert names(flow.exchanges[1]) == set()


def test_a_short_event_stream_is_a_response_like_any_other():
    flow = Flow().client(GET).server(CHUNKED + b"3\r\none\r\n0\r\n\r\n")
    assert flow.lines == [("GET", "/events", b"", 200, b"one")]
    assert names(flow.exchanges[0]) == set()
    assert flow.sink.deadline_ns == 0


def test_a_long_download_is_not_cut_short():
    flow = Flow().client(GET).server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").wait(60).server(b"world")
    assert flow.lines == [("GET", "/events", b"", 200, b"helloworld")]


def test_lost_bytes_after_it_was_told():
    flow = Flow().client(GET).server(CHUNKED + b"3\r\none\r\n").wait(6).server(b"3\r\ntwo\r\n").lose(1, 100).end()
    assert [names(e) for e in flow.exchanges] == [{"endless"}]


EVENTS = b"".join(b'id: %d\ndata: {"n": %d}\n\n' % (n, n) for n in range(50))


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_of_a_coded_event_stream_what_was_sent_is_told(coding, cut):
    """Servers flush after each event, so all that came can be decoded."""
    if coding == "gzip":
        packer = zlib.compressobj(wbits=31)
        packed = packer.compress(EVENTS) + packer.flush(zlib.Z_SYNC_FLUSH)
    else:
        brotli_packer = brotli.Compressor()
        packed = brotli_packer.process(EVENTS) + brotli_packer.flush()
    head = CHUNKED[:-2] + b"Content-Encoding: " + coding.encode() + b"\r\n\r\n"
    flow = (
        Flow(cut=cut).client(GET).server(head + b"%x\r\n" % len(packed) + packed + b"\r\n").wait(6).server(b"3\r\nmor\r\n")
    )
    assert flow.lines == [("GET", "/events", b"", 200, EVENTS)]
    assert names(flow.exchanges[0]) == {"endless", "truncated_coding"}


def test_several_event_streams_in_a_row_are_each_told():
    flow = Flow()
    for number in range(3):
        flow.client(GET).server(CHUNKED + b"1\r\n%d\r\n" % number)
        flow.wait(6).server(b"5\r\nlater\r\n0\r\n\r\n")
    assert flow.lines == [("GET", "/events", b"", 200, b"%d" % number) for number in range(3)]
    assert [names(exchange) for exchange in flow.exchanges] == [{"endless"}] * 3


@pytest.mark.parametrize("how", [FIN, RESET, IDLE], ids=["fin", "reset", "idle"])
def test_an_event_stream_that_ends_with_its_connection_is_told_once(how):
    flow = Flow().client(GET).server(PLAIN + b"data: 1\n\n").wait(2).end(how)
    assert flow.lines == [("GET", "/events", b"", 200, b"data: 1\n\n")]
    assert flow.sink.deadline_ns == 0


def test_over_http_2_too():
    answer = hpack.Encoder()
    flow = Flow(chooses=True).client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
    flow.client(frame(1, 5, 1, hpack.Encoder().encode([(":method", "GET"), (":path", "/events")])))
    flow.server(frame(1, 4, 1, answer.encode([(":status", "200"), ("content-type", "text/event-stream")])))
    flow.server(frame(0, 0, 1, b"data: 1\n\n")).wait(6).server(frame(0, 0, 1, b"data: 2\n\n")).end()
    assert flow.lines == [("GET", "/events", b"", 200, b"data: 1\n\n")]
    assert names(flow.exchanges[0]) == {"endless"}
