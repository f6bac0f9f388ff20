"""HTTP/2 in clear: the h2 library talks, the connection has to tell what was said."""

from __future__ import annotations

import gzip

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.settings.tree import Limits
from tests.protocols.http2_peers import Call, Peers, frame
from tests.protocols.test_websocket import frame as ws_frame
from tests.protocols.transcript import CLIENT, CUTS, FIN, IDLE, RESET, SERVER, Flow, byte_by_byte, everything, line_of, names

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = frame(4, 0, 0)
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/a")]
OK = [(":status", "200")]


def flow_of(peers: Peers, **options: object) -> Flow:
    flow = Flow(chooses=True, **options)
    for side, chunk in peers.said:
        flow.send(side, chunk)
    return flow


def opened(**options: object) -> Flow:
    return Flow(chooses=True, **options).client(PREFACE + SETTINGS).server(SETTINGS)


CALLS = [
    Call(path=b"/items?id=1%27", headers=((b"user-agent", b"curl"), (b"cookie", b"a=1"), (b"cookie", b"b=2"))),
    Call(
        b"POST",
        b"/p",
        headers=((b"content-type", b"text/plain"),),
        body=b"x" * 30_000,
        status=201,
        response_body=b"y" * 40_000,
    ),
    Call(b"DELETE", b"/d", status=204),
    Call(
        b"POST",
        b"/pkg.Service/Method",
        headers=((b"content-type", b"application/grpc"),),
        body=b"\0\0\0\0\2\x08\x01",
        response_headers=((b"content-type", b"application/grpc"),),
        response_body=b"\0\0\0\0\2\x08\x02",
        trailers=((b"grpc-status", b"5"), (b"grpc-message", b"no such thing")),
    ),
    Call(path=b"/z", response_headers=((b"content-encoding", b"gzip"),), response_body=gzip.compress(b"hello")),
]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("padding", [None, 0, 200], ids=["plain", "empty padding", "padding"])
def test_what_the_library_says_is_told(cut, padding):
    flow = flow_of(Peers().run(*CALLS, padding=padding), cut=cut)
    assert [line_of(e) for e in flow.exchanges] == [*(call.line for call in CALLS[:4]), ("GET", "/z", b"", 200, b"hello")]
    assert [names(e) for e in flow.exchanges] == [set()] * 5
    assert [e.index for e in flow.exchanges] == list(range(5))
    assert flow.factory.not_http_bytes == 0


def test_heads_are_written_as_http_1_writes_them():
    first, _, _, grpc, _ = flow_of(Peers().run(*CALLS)).exchanges
    assert first.request.head == (
        b"GET /items?id=1%27 HTTP/2\r\nhost: api.example\r\nuser-agent: curl\r\ncookie: a=1; b=2\r\n\r\n"
    )
    assert first.host == "api.example"
    assert first.protocol == "http/2"
    assert first.response.head == b"HTTP/2 200\r\n\r\n"
    assert grpc.response.header(b"grpc-status") == b"5"
    assert grpc.response.head.endswith(b"grpc-status: 5\r\ngrpc-message: no such thing\r\n\r\n")


def test_streams_are_told_in_the_order_of_their_ends():
    peers = Peers()
    calls = [Call(path=b"/%d" % n, response_body=b"%d" % n) for n in range(4)]
    streams = [peers.ask(call) for call in calls]
    for at in (2, 0, 3, 1):
        peers.answer(streams[at], calls[at])
    assert [e.request.target for e in flow_of(peers).exchanges] == [b"/2", b"/0", b"/3", b"/1"]


def test_interim_responses_are_not_kept():
    block = hpack.Encoder()
    flow = opened().client(frame(1, 5, 1, block.encode(GET)))
    answer = hpack.Encoder()
    flow.server(frame(1, 4, 1, answer.encode([(":status", "103")])), frame(1, 5, 1, answer.encode(OK)))
    assert flow.lines == [("GET", "/a", b"", 200, b"")]


def test_the_server_may_speak_first():
    greeting, settings_of_server, *rest = Peers().run(Call(path=b"/s")).said
    flow = Flow(chooses=True)
    for side, chunk in (settings_of_server, greeting, *rest):
        flow.send(side, chunk)
    assert flow.end().lines == [("GET", "/s", b"", 200, b"")]


UPGRADE = (
    b"POST /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    b"Content-Length: 2\r\n\r\nhi"
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("is_known", [True, False], ids=["from the start", "joined before"])
def test_an_upgrade_makes_the_request_stream_one(cut, is_known):
    peers = Peers(is_upgrade=True)
    first, second = Call(path=b"/up", response_body=b"one"), Call(path=b"/two", status=404, response_body=b"two")
    peers.answer(1, first)
    peers.run(second)
    flow = Flow(chooses=True, cut=cut, is_client_known=is_known).client(UPGRADE).server(SWITCH)
    for side, chunk in peers.said:
        flow.send(side, chunk)
    assert flow.lines == [
        ("POST", "/up", b"hi", 101, b""),
        ("POST", "/up", b"hi", 200, b"one"),
        ("GET", "/two", b"", 404, b"two"),
    ]
    assert [e.index for e in flow.exchanges] == [0, 1, 2]


def test_a_preface_after_http_1_is_followed():
    peers = Peers().run(Call(path=b"/later"))
    flow = Flow(chooses=True).client(b"GET /first HTTP/1.1\r\n\r\n").server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    for side, chunk in peers.said:
        flow.send(side, chunk)
    assert [e.request.target for e in flow.exchanges] == [b"/first", b"/later"]


def test_a_tunnel_may_carry_http_2():
    flow = Flow(chooses=True).client(b"CONNECT h:1 HTTP/1.1\r\n\r\n").server(b"HTTP/1.1 200 OK\r\n\r\n")
    for side, chunk in Peers().run(Call(path=b"/in")).said:
        flow.send(side, chunk)
    assert [(e.request.method, e.request.target) for e in flow.exchanges] == [(b"CONNECT", b"h:1"), (b"GET", b"/in")]


def test_joined_late_unknown_entries_are_empty_and_known_ones_are_right():
    peers = Peers()
    peers.run(Call(path=b"/first", headers=((b"x-token", b"abc"),)))
    past = len(peers.said)
    peers.run(Call(b"PUT", b"/second", headers=((b"x-token", b"abc"), (b"x-new", b"1"))))
    peers.run(Call(path=b"/third", headers=((b"x-new", b"1"),)))
    flow = Flow(chooses=True, is_client_known=False)
    for side, chunk in peers.said[past:]:
        flow.send(side, chunk)
    second, third = flow.exchanges
    assert (second.request.target, second.response.status) == (b"/second", 200)
    assert "hpack_unknown" in names(second)
    assert second.request.header(b"x-new") == third.request.header(b"x-new") == b"1"
    assert second.request.header(b"x-token") is None
    assert second.host is None


def test_joined_late_the_server_may_be_side_zero():
    peers = Peers().run(Call(path=b"/first"))
    past = len(peers.said)
    peers.run(Call(path=b"/second"))
    flow = Flow(chooses=True, is_client_known=False)
    for side, chunk in peers.said[past:]:
        flow.send(1 - side, chunk)
    (exchange,) = flow.exchanges
    assert exchange.client == "10.0.0.2:80"
    assert (exchange.request.target, exchange.response.status) == (b"/second", 200)


def test_lost_bytes_of_a_body_cost_only_those():
    peers = Peers()
    call = Call(path=b"/big", response_body=b"z" * 50_000)
    peers.run(call, chunk=5_000)
    flow, lost = Flow(chooses=True), 0
    for side, chunk in peers.said:
        if side == SERVER and b"z" * 4000 in chunk and not lost:
            lost = 3_000
            flow.send(side, chunk[:500]).lose(side, lost).send(side, chunk[500 + lost :])
        else:
            flow.send(side, chunk)
    (exchange,) = flow.exchanges
    assert names(exchange) == {"gap"}
    assert exchange.response.body == b"z" * 47_000


def test_after_lost_frames_the_next_one_is_found():
    peers = Peers().run(*(Call(b"PUT", b"/%d" % n, body=b"b" * 3000, response_body=b"r" * 3000) for n in range(12)))
    client = b"".join(chunk for side, chunk in peers.said if side == CLIENT)
    server = b"".join(chunk for side, chunk in peers.said if side == SERVER)
    flow = Flow(chooses=True).client(client[:7_000]).lose(CLIENT, 9_000).client(client[16_000:]).server(server).end()
    told = {e.request.target for e in flow.exchanges if e.request is not None and e.response is not None}
    assert {b"/0", b"/1"} <= told
    assert len([e for e in flow.exchanges if e.request is not None and e.request.body == b"b" * 3000]) >= 8
    assert sum(e.request is None for e in flow.exchanges) <= 4
    assert "gap" in names(flow.exchanges[2])


def test_a_stream_taken_back_is_told():
    flow = opened().client(frame(1, 5, 1, hpack.Encoder().encode(GET)), frame(3, 0, 1, b"\0\0\0\x08"))
    (exchange,) = flow.exchanges
    assert exchange.response is None
    assert "reset" in names(exchange)


def test_a_rapid_reset_is_told():
    block = hpack.Encoder()
    flow = opened()
    for stream in range(1, 401, 2):
        flow.client(frame(1, 5, stream, block.encode(GET)), frame(3, 0, stream, b"\0\0\0\x08"))
    assert len(flow.exchanges) == 200
    assert "rapid_reset" not in names(flow.exchanges[50])
    assert "rapid_reset" in names(flow.exchanges[150])


def test_streams_are_bounded():
    block = hpack.Encoder()
    flow = opened(limits=Limits(concurrent_streams=10))
    for stream in range(1, 101, 2):
        flow.client(frame(1, 4, stream, block.encode(GET)))
    assert len(flow.exchanges) == 40
    assert "stream_limit" in names(flow.exchanges[0])
    flow.end()
    assert len(flow.exchanges) == 50


def test_a_continuation_flood_is_cut():
    flow = opened(limits=Limits(head_bytes=8192))
    flow.client(frame(1, 1, 1, hpack.Encoder().encode(GET)))
    held = 0
    for _ in range(5_000):
        flow.client(frame(9, 0, 1, b"\x00\x01a\x64" + b"v" * 100))
        held = max(held, flow.sink.held_bytes)
    flow.client(frame(9, 4, 1, b"")).end()
    (exchange,) = flow.exchanges
    assert exchange.request.target == b"/a"
    assert names(exchange) >= {"continuation_flood", "head_limit"}
    assert len(exchange.request.head) <= 8192 + 100
    assert held < 40_000


def test_a_header_bomb_is_cut():
    block = hpack.Encoder().encode(GET) + b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 10_000
    flow = opened().client(frame(1, 5, 1, block[:16_000])).end()
    assert len(flow.exchanges[0].request.head) < 70_000
    assert "head_limit" in names(flow.exchanges[0])


def test_promises_move_the_table_on_and_are_not_told():
    answer = hpack.Encoder()
    promised = [*GET[:3], (":path", "/pushed")]
    flow = opened().client(frame(1, 5, 1, hpack.Encoder().encode(GET)))
    flow.server(frame(5, 4, 1, b"\0\0\0\2" + answer.encode([*promised, ("x-a", "b")])))
    flow.server(frame(1, 4, 2, answer.encode(OK)), frame(0, 1, 2, b"pushed"))
    flow.server(frame(1, 5, 1, answer.encode([*OK, ("x-a", "b")])))
    (exchange,) = flow.end().exchanges
    assert exchange.response.header(b"x-a") == b"b"


def test_line_ends_inside_a_value_do_not_make_headers():
    block = hpack.Encoder().encode([*GET, ("x-a", "b\r\nTransfer-Encoding: chunked")])
    (exchange,) = opened().client(frame(1, 5, 1, block)).end().exchanges
    assert exchange.request.header(b"x-a") == b"b\r\nTransfer-Encoding: chunked"
    assert exchange.request.header(b"transfer-encoding") is None
    assert exchange.request.head.count(b"\r\n") == 4
    assert "bad_header" in names(exchange)


AMBIGUOUS = {
    "a length that lies": ([("content-length", "5")], b"abc", "conflicting_length"),
    "a transfer coding": ([("transfer-encoding", "chunked")], b"", "bad_header"),
    "a connection header": ([("connection", "close")], b"", "bad_header"),
    "another host": ([("host", "other")], b"", "multiple_host"),
}


@pytest.mark.parametrize(("headers", "body", "anomaly"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_two_servers_may_read_differently_is_marked(headers, body, anomaly):
    flow = opened().client(frame(1, 4, 1, hpack.Encoder().encode([*GET, *headers])), frame(0, 1, 1, body))
    assert anomaly in names(flow.end().exchanges[0])


def test_a_request_nobody_answers_times_out_once():
    flow = opened().client(frame(1, 5, 1, hpack.Encoder().encode(GET)))
    assert flow.sink.deadline_ns == flow.time_ns + 5 * 10**9
    flow.sink.expire(flow.time_ns + 6 * 10**9)
    assert [names(e) for e in flow.exchanges] == [{"response_timeout"}]
    assert flow.sink.deadline_ns == 0
    flow.wait(7).server(frame(1, 5, 1, hpack.Encoder().encode(OK)))
    assert [names(e) for e in flow.exchanges[1:]] == [{"response_only"}]


@pytest.mark.parametrize(
    ("how", "anomalies"), {FIN: {"incomplete"}, RESET: {"incomplete", "reset"}, IDLE: {"incomplete"}}.items()
)
def test_the_end_of_the_flow_ends_its_streams(how, anomalies):
    flow = opened().client(frame(1, 5, 1, hpack.Encoder().encode(GET)))
    flow.server(frame(1, 4, 1, hpack.Encoder().encode(OK)), frame(0, 0, 1, b"part")).end(how)
    assert flow.lines == [("GET", "/a", b"", 200, b"part")]
    assert names(flow.exchanges[0]) == anomalies


def test_requests_alone_are_told_where_responses_are_not_read():
    flow = flow_of(Peers().run(*CALLS), parse_responses=False)
    assert [e.request.target for e in flow.exchanges] == [call.path for call in CALLS]
    assert all(e.response is None for e in flow.exchanges)
    assert flow.sink.held_bytes < 20_000


def test_long_values_of_many_bodies_are_kept_to_the_limit_and_hashed_whole():
    call = Call(b"POST", b"/p", body=b"x" * 30_000, response_body=b"y" * 30_000)
    (exchange,) = flow_of(Peers().run(call), limits=Limits(body_bytes=100), hash_bodies=True).exchanges
    assert exchange.response.body == b"y" * 100
    assert exchange.response.body_length == 30_000
    assert names(exchange) == {"body_limit"}


FRAMES = st.builds(
    frame, st.integers(0, 11), st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D]), st.integers(0, 6), st.binary(max_size=30)
)
BLOCKS = st.sampled_from([hpack.Encoder().encode(GET), hpack.Encoder().encode(OK), b"\x82\x84\x86\x41\x01h", b"\xbe\x88"])
HEADS = st.builds(frame, st.just(1), st.sampled_from([4, 5, 0, 1]), st.integers(0, 6), BLOCKS)
NOISE = st.lists(st.one_of(FRAMES, HEADS, HEADS, st.binary(max_size=12)), max_size=20).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(NOISE, NOISE, st.booleans(), st.booleans(), st.integers(1, 4))
def test_no_frames_raise_and_cuts_do_not_matter(client, server, is_known, has_preface, how):
    client = (PREFACE + SETTINGS if has_preface else b"") + client
    told = []
    for cut in (CUTS["whole"], byte_by_byte):
        flow = Flow(chooses=True, cut=cut, is_client_known=is_known).client(client).server(server).end(how)
        told.append(([everything(e) for e in flow.exchanges], flow.factory.exchanges, flow.factory.requests))
        assert flow.sink.deadline_ns == 0
    if "bad_frame" not in {name for row in flow.exchanges for name in names(row)} and not flow.factory.http_errors:
        assert told[0] == told[1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.one_of(NOISE, st.integers(1, 50))), max_size=12))
def test_no_order_of_losses_raises(calls):
    flow = opened()
    for side, what in calls:
        if isinstance(what, int):
            flow.lose(side, what).wait(what / 10)
        else:
            flow.send(side, what)
    flow.end()
    assert flow.sink.held_bytes < 200_000


TEXT = st.text("abcz-/019", min_size=1, max_size=20).map(str.encode)
HEADER = st.tuples(TEXT.map(lambda name: b"x-" + name.replace(b"/", b"")), TEXT)
CALL = st.builds(
    Call,
    method=st.sampled_from([b"GET", b"POST", b"PUT", b"FROB"]),
    path=TEXT.map(lambda path: b"/" + path),
    headers=st.lists(HEADER, max_size=4).map(tuple),
    body=st.binary(max_size=300),
    status=st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    response_headers=st.lists(HEADER, max_size=4).map(tuple),
    response_body=st.binary(max_size=300),
    trailers=st.lists(HEADER, max_size=2).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(CALL, min_size=1, max_size=6), st.integers(1, 200), st.sampled_from([None, 0, 7]))
def test_the_library_is_read_as_it_meant(calls, chunk, padding):
    peers = Peers().run(*calls, chunk=chunk, padding=padding)
    flow, in_bytes = flow_of(peers), flow_of(peers, cut=byte_by_byte)
    assert flow.lines == [call.line for call in calls]
    for exchange, call in zip(flow.exchanges, calls, strict=True):
        assert exchange.request.headers == ((b"host", call.authority), *call.headers)
        assert exchange.response.headers == (*call.response_headers, *call.trailers)
        assert exchange.anomalies == 0
    assert [everything(e) for e in flow.exchanges] == [everything(e) for e in in_bytes.exchanges]


WEBSOCKET = (
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"http"),
    (b":path", b"/chat"),
    (b":authority", b"api.example"),
    (b"sec-websocket-version", b"13"),
    (b"x-forwarded-for", b"192.0.2.7"),
)


def websocket(cut=CUTS["whole"]):
    """A flow whose stream 1 is a WebSocket, and whose stream 3 is a request."""
    flow = opened(cut=cut)
    client, server = hpack.Encoder(), hpack.Encoder()
    flow.client(frame(1, 4, 1, client.encode(WEBSOCKET)))
    flow.server(frame(1, 4, 1, server.encode([(b":status", b"200")])))
    hello = ws_frame(0x81, b"hello there", b"mask")
    flow.client(frame(0, 0, 1, hello[:5]), frame(1, 5, 3, client.encode([(b":method", b"GET"), (b":path", b"/a")])))
    flow.client(frame(0, 0, 1, hello[5:]))
    flow.server(frame(0, 0, 1, ws_frame(0x81, b"and hello back")), frame(1, 5, 3, server.encode([(b":status", b"204")])))
    return flow


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_websocket_inside_a_stream_is_read(cut):
    flow = websocket(cut)
    flow.client(frame(0, 1, 1, ws_frame(0x88, b"", b"mask"))).server(frame(0, 1, 1, ws_frame(0x88, b""))).end()
    connect, said, answered, get = flow.exchanges
    assert (connect.request.method, connect.request.target, connect.response.status) == (b"CONNECT", b"/chat", 200)
    assert names(connect) == {"upgraded"}
    assert (said.request.method, said.request.target, said.request.body) == (b"WEBSOCKET", b"/chat", b"hello there")
    assert said.request.header(b"x-forwarded-for") == b"192.0.2.7"
    assert answered.response.body == b"and hello back"
    assert (get.request.target, get.response.status) == (b"/a", 204)
    assert len({(exchange.time_ns, exchange.index) for exchange in flow.exchanges}) == 4


@pytest.mark.parametrize("how", ["reset", "end", "loss"])
def test_a_websocket_message_that_is_cut_is_told(how):
    flow = websocket()
    flow.client(frame(0, 0, 1, ws_frame(0x01, b"begun", b"mask")))
    if how == "reset":
        flow.client(frame(3, 0, 1, b"\0\0\0\x08"))
    elif how == "loss":
        flow.lose(0, 50)
    else:
        flow.end()
    assert flow.exchanges[-1].request.body == b"begun"
    assert "incomplete" in names(flow.exchanges[-1])
    assert flow.end().sink.held_bytes < 20_000
