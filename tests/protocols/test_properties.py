"""Standing properties: no bytes raise, cuts do not matter, time is linear; h11 and httptools agree on clean traffic."""

from __future__ import annotations

import time

import h11
import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.settings.tree import Limits
from tests.protocols.transcript import FIN, IDLE, RESET, Flow, byte_by_byte, everything

PIECES = [
    b"GET /a HTTP/1.1\r\n", b"POST /p HTTP/1.1\r\n", b"HEAD / HTTP/1.0\r\n", b"CONNECT h:1 HTTP/1.1\r\n", b"GET /x\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n", b"HTTP/1.0 304 N\r\n", b"HTTP/1.1 101 S\r\n", b"PRI * HTTP/2.0\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n",
    b"Upgrade: h2c\r\n", b"Host: h\r\n", b" folded\r\n", b"\r\n", b"\n", b"5\r\nhello\r\n", b"0\r\n", b"hello",
    b"zz", b"\0", b": ", b"CONNECT h:1 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"Transfer-Encoding: xchunked\r\n",
    b"o",
]  # fmt: skip
STREAM = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=25).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(STREAM, STREAM, st.booleans(), st.integers(1, 4), st.booleans())
def test_no_bytes_raise_and_cuts_do_not_matter(client, server, known, how, parse_responses):
    options = {"is_client_known": known, "parse_responses": parse_responses, "hash_bodies": True}
    at_once = Flow(**options).client(client).server(server).end(how)
    in_bytes = Flow(cut=byte_by_byte, **options).client(client).server(server).end(how)
    assert [everything(e) for e in at_once.exchanges] == [everything(e) for e in in_bytes.exchanges]
    for counter in ("requests", "responses", "exchanges", "unanswered", "response_only", "http_errors", "not_http_bytes"):
        assert getattr(at_once.factory, counter) == getattr(in_bytes.factory, counter), counter
    assert at_once.sink.deadline_ns == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.one_of(STREAM, st.integers(1, 50))), max_size=20), st.booleans())
def test_no_order_of_calls_raises(calls, known):
    flow = Flow(is_client_known=known)
    for side, what in calls:
        if isinstance(what, int):
            flow.lose(side, what).wait(what / 10)
        else:
            flow.send(side, what)
    flow.end()
    assert flow.sink.held_bytes < 100_000


MS = 1_000_000
WHOLE = (b"GET /a HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["whole", "whole", "whole", "two", "begin", "rest", "lost", "lost", "quiet"]),
        st.sampled_from([0, 0, 1, 40, 260, 6000]),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(STEPS, st.booleans(), st.sampled_from([FIN, RESET, IDLE]), st.integers(1, 4))
def test_whatever_is_lost_and_overtaken_each_message_is_told_once(steps, is_known, how, limit):
    """Each direction is in order; against the other it may be 100 ms late, as one that waits for lost bytes is."""
    flow = Flow(Limits(pipelined_requests=limit), is_client_known=is_known)
    sent, times = [0, 0], [flow.time_ns, flow.time_ns]
    for side, what, later_ms in steps:
        times[side] = max(times[side] + later_ms * MS, max(times) - 100 * MS)
        flow.time_ns = times[side]
        data = {"whole": WHOLE[side], "two": WHOLE[side] * 2, "begin": WHOLE[side][:12], "rest": WHOLE[side][12:]}.get(what)
        if data is not None:
            flow.send(side, data)
            sent[side] += data.count(WHOLE[side])
        elif what == "lost":
            flow.lose(side, 500)
        else:
            flow.time_ns = max(times)
            flow.sink.expire(flow.time_ns)
    flow.time_ns = max(times)
    flow.end(how)
    told = [sum(e.request is not None for e in flow.exchanges), sum(e.response is not None for e in flow.exchanges)]
    assert told[0] >= sent[0] - sum(side == 0 and what == "lost" for side, what, _ in steps)
    assert told == [flow.factory.requests, flow.factory.responses]
    assert flow.sink.held_bytes == 0
    assert flow.sink.deadline_ns == 0


def test_both_sides_leaving_a_tunnel_in_the_middle_of_a_line_end_once():
    flow = Flow(is_client_known=False).client(b"CONNECT h:1 HTTP/1.1\r\n\r\no").server(b"HTTP/1.1 200 OK\r\n\r\nabc").end()
    assert [(e.request.target, e.response.status) for e in flow.exchanges] == [(b"h:1", 200)]
    assert flow.factory.not_http_bytes == 4


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(str.encode)
VALUE = st.text("abc =;,/\"'0189", max_size=20).map(lambda text: text.strip().encode())
HEADERS = st.lists(st.tuples(TOKEN.map(lambda name: b"x-" + name), VALUE), max_size=5)
BODY = st.one_of(st.none(), st.binary(max_size=200))


def framed(body: bytes | None, chunk: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the framing headers and the framed body; *chunk* 0 means Content-Length."""
    if body is None:
        return [(b"content-length", b"0")], b""
    if not chunk:
        return [(b"Content-Length", b"%d" % len(body))], body
    parts = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    return [(b"Transfer-Encoding", b"chunked")], b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


@st.composite
def message(draw, start):
    framing, body = framed(draw(BODY), draw(st.integers(0, 60)))
    headers = draw(HEADERS) + framing + [(b"Host", b"h")]
    return draw(start) + b"\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in headers) + b"\r\n" + body


REQUEST = message(
    st.tuples(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE"]), TOKEN).map(lambda t: b"%b /%b HTTP/1.1" % t)
)
RESPONSE = message(st.integers(200, 599).filter(lambda n: n not in (204, 304)).map(lambda n: b"HTTP/1.1 %d Reason" % n))


def read_by_h11(data: bytes, role: type[h11.Sentinel]) -> list[tuple[object, ...]]:
    messages: list[tuple[object, ...]] = []
    connection = h11.Connection(role)
    if role is h11.CLIENT:
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    body = b""
    while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        if isinstance(event, h11.Request):
            start = (event.method, event.target, [tuple(pair) for pair in event.headers])
        elif isinstance(event, h11.Response):
            start = (event.status_code, [tuple(pair) for pair in event.headers])
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            messages.append((*start, body))
            break
    return messages


def lowered(headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers]


@settings(max_examples=200, deadline=None)
@given(REQUEST, RESPONSE)
def test_h11_reads_the_same(request, response):
    (exchange,) = Flow().client(request).server(response).exchanges
    asked, answered = exchange.request, exchange.response
    assert read_by_h11(request, h11.SERVER) == [(asked.method, asked.target, lowered(asked.headers), asked.body)]
    assert read_by_h11(response, h11.CLIENT) == [(answered.status, lowered(answered.headers), answered.body)]
    assert exchange.anomalies == 0


class Collector:
    """Collects the messages that httptools reads off one stream."""

    def __init__(self) -> None:
        self.messages: list[tuple[object, ...]] = []
        self.targets: list[bytes] = []

    def on_message_begin(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.target = b""

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages.append((self.target, self.headers, self.body))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(REQUEST, RESPONSE), min_size=1, max_size=6), st.booleans())
def test_httptools_reads_the_same_from_pipelines(pairs, in_turn):
    flow = Flow()
    if in_turn:
        for request, response in pairs:
            flow.client(request).server(response)
    else:
        flow.client(*(request for request, _ in pairs)).server(b"".join(response for _, response in pairs))
    asked, answered = Collector(), Collector()
    httptools.HttpRequestParser(asked).feed_data(b"".join(request for request, _ in pairs))
    httptools.HttpResponseParser(answered).feed_data(b"".join(response for _, response in pairs))
    requests, responses = [e.request for e in flow.exchanges], [e.response for e in flow.exchanges]
    assert [(m.target, list(m.headers), m.body) for m in requests] == asked.messages
    assert [(b"", list(m.headers), m.body) for m in responses] == answered.messages


def cpu_seconds(flow: Flow, data: bytes) -> float:
    start = time.process_time()
    flow.client(data)
    return time.process_time() - start


def test_time_is_linear_in_single_bytes_of_anything():
    shapes = [
        b"GET /" + b"a" * 60_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 10_000,
        b"GET / HTTP/1.1\r\n\r\n" + b"GET / HTTP/" * 6_000,
        b"\r\n" * 30_000,
    ]
    for shape in shapes:
        once = min(cpu_seconds(Flow(cut=byte_by_byte), shape) for _ in range(2))
        longer = min(cpu_seconds(Flow(cut=byte_by_byte), shape * 4) for _ in range(2))
        assert longer < 12 * once + 0.05, shape[:40]
