"""Http1Connection on clean and odd traffic, each case whole, byte by byte and with bytes behind it."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from tcpmirror.settings.tree import Limits
from tests.protocols.transcript import CUTS, EVICTED, FIN, IDLE, INPUT, RESET, SERVER, Cut, Flow, everything, names

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LINE = ("GET", "/a", b"", 200, b"hi")

# id -> (client bytes, server bytes, expected lines, anomalies that some exchange shows)
CASES: dict[str, tuple[bytes, bytes, list[tuple[object, ...]], set[str]]] = {
    "one exchange": (GET, OK, [LINE], set()),
    "keep-alive of three": (GET * 3, OK * 3, [LINE] * 3, set()),
    "request with a body": (
        b"POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        OK,
        [("POST", "/p", b"abc", 200, b"hi")],
        set(),
    ),
    "chunked both ways with extension and trailer": (
        b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: v\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        [("POST", "/p", b"abcd", 200, b"hi")],
        {"chunk_extension"},
    ),
    "interim responses are not kept": (
        GET,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nX: y\r\n\r\nHTTP/1.1 103 E\r\nLink: </a>\r\n\r\n" + OK,
        [LINE],
        set(),
    ),
    "a body that was waited for": (
        b"POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + GET,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK * 2,
        [("POST", "/p", b"abc", 200, b"hi"), LINE],
        set(),
    ),
    "an expectation that is not met, its body sent all the same": (
        b"POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + GET,
        b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n" + OK,
        [("POST", "/p", b"abc", 417, b""), LINE],
        set(),
    ),
    "HEAD, 204 and 304 have no body": (
        b"HEAD /h HTTP/1.1\r\n\r\n" + GET + GET + GET,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 204 N\r\n\r\nHTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n"
        + OK,
        [("HEAD", "/h", b"", 200, b""), ("GET", "/a", b"", 204, b""), ("GET", "/a", b"", 304, b""), LINE],
        set(),
    ),
    "body until the close": (GET, b"HTTP/1.0 200 OK\r\n\r\nall the rest", [("GET", "/a", b"", 200, b"all the rest")], set()),
    "empty lines before start lines": (b"\r\n\r\n" + GET + b"\r\n" + GET, b"\n" + OK + b"\r\n" + OK, [LINE] * 2, set()),
    "bare LF": (b"GET /a HTTP/1.1\nHost: h\n\n", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", [LINE], {"bare_lf"}),
    "folded length": (
        GET,
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nhi" + OK[:0],
        [LINE],
        {"obs_fold", "hidden_framing"},
    ),
    "unknown method": (b"FROB*NICATE /a HTTP/1.1\r\n\r\n", OK, [("FROB*NICATE", "/a", b"", 200, b"hi")], set()),
    "odd status": (GET, b"HTTP/1.1 999\r\nContent-Length: 0\r\n\r\n", [("GET", "/a", b"", 999, b"")], set()),
    "spaces in the target": (
        b"GET /a b  c HTTP/1.1\r\n\r\n",
        OK,
        [("GET", "/a b  c", b"", 200, b"hi")],
        {"space_in_target"},
    ),
    "absolute target": (
        b"GET http://h/a HTTP/1.1\r\n\r\n",
        OK,
        [("GET", "http://h/a", b"", 200, b"hi")],
        {"absolute_target"},
    ),
    "HTTP/0.9": (b"GET /a\r\n", b"<html>hello</html>", [("GET", "/a", b"", None, None)], set()),
    "chunked beats a length": (
        b"POST /p HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" + GET,
        OK * 2,
        [("POST", "/p", b"x", 200, b"hi"), LINE],
        {"length_and_chunked", "framing_conflict"},
    ),
    "the first of two lengths": (
        b"POST /p HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc" + GET,
        OK * 2,
        [("POST", "/p", b"abc", 200, b"hi"), LINE],
        {"conflicting_length", "framing_conflict"},
    ),
    "the same length twice": (
        b"POST /p HTTP/1.1\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabc",
        OK,
        [("POST", "/p", b"abc", 200, b"hi")],
        {"repeated_length"},
    ),
    "negative length": (
        b"POST /p HTTP/1.1\r\nContent-Length: -3\r\n\r\n" + GET,
        OK * 2,
        [("POST", "/p", b"", 200, b"hi"), LINE],
        {"bad_length"},
    ),
    "length past 64 bits": (
        b"POST /p HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n" + GET,
        OK * 2,
        [("POST", "/p", b"", 200, b"hi"), LINE],
        {"bad_length"},
    ),
    "a chunk header that is none": (
        GET * 2,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n" + OK,
        [LINE, LINE],
        {"bad_chunk", "incomplete"},
    ),
    "unknown transfer coding": (
        GET,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: frob\r\nContent-Length: 2\r\n\r\nhi",
        [LINE],
        {"unknown_coding"},
    ),
    "blank before the colon": (
        GET,
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
        [LINE],
        {"bad_header", "hidden_framing"},
    ),
    "header without a colon": (b"GET /a HTTP/1.1\r\nfrob\r\n\r\n", OK, [LINE], {"bad_header"}),
    "NUL in the head": (b"GET /a HTTP/1.1\r\nX: \0\r\n\r\n", OK, [LINE], {"nul_in_head"}),
    "two hosts": (b"GET /a HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", OK, [LINE], {"multiple_host"}),
    "a response that no one asked for": (b"", OK, [(None, None, None, 200, b"hi")], {"response_only"}),
    "more responses than requests": (GET, OK * 2, [LINE, (None, None, None, 200, b"hi")], {"response_only"}),
    "a request without an answer": (GET * 2, OK, [LINE, ("GET", "/a", b"", None, None)], set()),
    "a line that is no start line": (GET + b"what is this\r\n" + GET, OK * 2, [LINE] * 2, {"bad_start_line"}),
    "gzip": (
        GET,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n"
        + gzip.compress(b"hi", mtime=0)
        + b"\r\n0\r\n\r\n",
        [LINE],
        set(),
    ),
    "upgrade": (
        b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n\x81\x05hello" + OK,
        [("GET", "/ws", b"", 101, b"")],
        {"upgraded"},
    ),
    "CONNECT": (
        b"CONNECT h:443 HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\x16\x03\x01" + OK,
        [("CONNECT", "h:443", b"", 200, b"")],
        {"upgraded"},
    ),
    "CONNECT to plain HTTP": (
        b"CONNECT h:80 HTTP/1.1\r\n\r\n" + GET,
        b"HTTP/1.1 200 OK\r\n\r\n" + OK,
        [("CONNECT", "h:80", b"", 200, b""), LINE],
        {"upgraded"},
    ),
    "said to be chunked and is not": (
        GET,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi",
        [LINE],
        {"bad_chunk", "length_and_chunked"},
    ),
    "disfigured chunked": (
        GET,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding\x0b: ;xchunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        [LINE],
        {"bad_header", "unknown_coding", "hidden_framing"},
    ),
    "HTTP/2 with prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", b"\0\0\0\4\0", [], set()),
    "TLS": (b"\x16\x03\x01\x02\0\x01\n" + b"x" * 300, b"\x16\x03\x03\0\x7a", [], set()),
}


def exchange_all(client: bytes, server: bytes, cut: Cut, **options: object) -> Flow:
    return Flow(cut=cut, hash_bodies=True, **options).client(client).server(server).end()  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_transcript_gives_its_exchanges(case, cut):
    client, server, lines, anomalies = case
    flow = exchange_all(client, server, cut)
    assert flow.lines == lines
    assert set().union(*map(names, flow.exchanges)) == anomalies
    assert [everything(e) for e in flow.exchanges] == [
        everything(e) for e in exchange_all(client, server, CUTS["whole"]).exchanges
    ]


UNFRAMED = {
    "body until the close",
    "HTTP/0.9",
    "a request without an answer",
    "a response that no one asked for",
    "more responses than requests",
    "upgrade",
    "CONNECT",
    "HTTP/2 with prior knowledge",
    "TLS",
}
FRAMED = sorted(CASES.keys() - UNFRAMED)


@pytest.mark.parametrize("id_", FRAMED)
def test_trailing_bytes_do_not_change_what_came_before(id_):
    client, server, lines, _ = CASES[id_]
    flow = exchange_all(client + b"GET /next HTTP/1.1\r\nFoo", server + b"HTTP/1.1 200 OK\r\nConten", CUTS["whole"])
    assert flow.lines == [*lines, ("GET", "/next", b"", 200, b"")]
    assert "incomplete" in names(flow.exchanges[-1])


def test_alternating_keep_alive_is_emitted_at_once():
    flow = Flow()
    for count in range(1, 20):
        flow.client(GET).server(OK)
        assert len(flow.exchanges) == count
    assert [exchange.index for exchange in flow.exchanges] == list(range(19))
    assert flow.sink.held_bytes == 0
    assert flow.factory.requests == flow.factory.responses == flow.factory.exchanges == 19


def test_fields_of_the_flow_are_copied():
    flow = Flow()
    flow.flow.vlan, flow.flow.vni, flow.flow.tunnel, flow.flow.source, flow.flow.flow_hash = 5, 42, 1, 3, 2**63 + 1
    flow.flow.anomalies = 1 << 4
    flow.client(GET).server(OK)
    exchange = flow.exchanges[0]
    assert (exchange.vlan, exchange.vni, exchange.tunnel, exchange.source, exchange.flow_hash) == (5, 42, 1, 3, 2**63 + 1)
    assert (exchange.client, exchange.server) == ("10.0.0.1:40000", "10.0.0.2:80")
    assert names(exchange) == {"tuple_reused"}


def test_times_are_those_of_the_first_and_last_byte():
    flow = (
        Flow()
        .client(GET[:5])
        .wait(1)
        .client(GET[5:])
        .wait(1)
        .server(OK[:9])
        .wait(1)
        .server(OK[9:-1])
        .wait(1)
        .server(OK[-1:])
    )
    (exchange,) = flow.exchanges
    at = 1000 * 10**9
    assert (exchange.request.time_ns - at, exchange.request.end_ns - at) == (0, 10**9)
    assert (exchange.response.time_ns - at, exchange.response.end_ns - at) == (2 * 10**9, 4 * 10**9)


def test_body_hash_covers_what_is_not_kept():
    limits = Limits(body_bytes=10)
    for cut in CUTS.values():
        flow = Flow(limits=limits, hash_bodies=True, cut=cut).client(GET)
        flow.server(b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz")
        (exchange,) = flow.exchanges
        assert exchange.response.body == b"abcdefghij"
        assert exchange.response.body_length == exchange.response.wire_length == 26
        assert exchange.response.body_sha256 == hashlib.sha256(b"abcdefghijklmnopqrstuvwxyz").digest()
        assert exchange.request.body_sha256 == hashlib.sha256(b"").digest()
        assert names(exchange) == {"body_limit"}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_head_past_its_limit_keeps_its_start_and_the_next_is_found(cut):
    long = b"GET /long HTTP/1.1\r\nX: " + b"y" * 300 + b"\r\nZ: z\r\n\r\n"
    flow = Flow(limits=Limits(head_bytes=100), cut=cut).client(long, GET).server(OK * 2).end()
    assert flow.lines == [("GET", "/long", b"", 200, b"hi"), LINE]
    assert flow.exchanges[0].request.head == long[:100]
    assert names(flow.exchanges[0]) == {"head_limit"}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_target_past_the_head_limit_is_kept_as_far_as_it_goes(cut):
    flow = Flow(limits=Limits(head_bytes=100), cut=cut).client(b"GET /" + b"y" * 300 + b" HTTP/1.1\r\n\r\n").server(OK).end()
    assert flow.exchanges[0].request.target == b"/" + b"y" * 95


def test_header_count_limit_does_not_hide_the_length():
    head = b"POST /p HTTP/1.1\r\n" + b"A: b\r\n" * 9 + b"Content-Length: 1\r\n\r\nx"
    flow = Flow(limits=Limits(header_count=5)).client(head).server(OK)
    assert flow.lines == [("POST", "/p", b"x", 200, b"hi")]
    assert names(flow.exchanges[0]) == {"header_count_limit"}


def test_early_response_waits_for_the_rest_of_its_request():
    flow = Flow().client(b"POST /p HTTP/1.1\r\nContent-Length: 4\r\n\r\nab").server(OK)
    assert flow.lines == []
    flow.client(b"cd" + GET).server(OK)
    assert flow.lines == [("POST", "/p", b"abcd", 200, b"hi"), LINE]
    assert names(flow.exchanges[0]) == {"early_response"}


def test_a_body_never_sent_after_a_refusal_leaves_its_request_without():
    """A client that is refused closes the connection, or sends the body (RFC 9110, section 10.1.1)."""
    flow = Flow().client(b"POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n")
    flow.server(b"HTTP/1.1 401 U\r\nContent-Length: 2\r\n\r\nno").end()
    assert flow.lines == [("POST", "/p", b"", 401, b"no")]
    assert names(flow.exchanges[0]) == {"early_response", "incomplete"}


def test_a_request_in_place_of_the_body_is_seen_in_it():
    """A server that has answered may take what comes next for a request; it stands in the body, where smuggling is looked for."""
    flow = Flow().client(b"POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(GET))
    flow.server(b"HTTP/1.1 417 E\r\nContent-Length: 0\r\n\r\n").client(GET).server(OK).end()
    assert flow.lines == [("POST", "/p", GET, 417, b""), (None, None, None, 200, b"hi")]
    assert names(flow.exchanges[1]) == {"response_only"}


def test_response_to_half_a_head_is_its_answer():
    flow = Flow().client(b"GET /a HTTP/1.1\r\nHost").server(OK).end()
    assert flow.lines == [LINE]
    assert names(flow.exchanges[0]) == {"early_response", "incomplete"}


def test_response_that_began_before_the_request_is_not_its_answer():
    flow = Flow().server(OK[:20]).client(GET).server(OK[20:] + OK)
    assert flow.lines == [(None, None, None, 200, b"hi"), LINE]


def test_responses_that_overtake_delayed_requests_are_theirs():
    """Bytes lost in a body hold requests up in reassembly, while their answers pass: packet times tell."""
    flow = Flow().client(b"POST /1 HTTP/1.1\r\nContent-Length: 4\r\n\r\n")
    start = flow.time_ns
    flow.time_ns = start + 20
    flow.server(OK).server(OK, OK[:30])
    flow.time_ns = start + 10
    flow.client(b"body" + GET.replace(b"/a", b"/2") + GET.replace(b"/a", b"/3"))
    flow.time_ns = start + 30
    flow.server(OK[30:]).end()
    assert [(line[1], line[3]) for line in flow.lines] == [("/1", 200), ("/2", 200), ("/3", 200)]


def test_a_response_that_nobody_asks_for_in_time_is_told_alone():
    flow = Flow().server(OK)
    assert flow.exchanges == []
    flow.wait(0.3)
    flow.sink.expire(flow.time_ns)
    assert flow.lines == [(None, None, None, 200, b"hi")]


def test_a_late_request_is_not_given_the_answer_to_the_next_one():
    flow = Flow().server(OK).wait(0.3).client(GET)
    late = flow.exchanges[0].response.time_ns - 1
    flow.time_ns, now = late, flow.time_ns
    flow.client(GET)
    flow.time_ns = now
    flow.server(OK).end()
    assert sum(line[0] is not None and line[3] is not None for line in flow.lines) <= 1


def test_a_request_line_cut_in_its_version_is_a_request():
    flow = Flow().client(b"GET /a?b=c HTT").lose(0, 50).end()
    assert flow.lines == [("GET", "/a?b=c", b"", None, None)]
    assert {"gap", "incomplete"} <= names(flow.exchanges[0])


@pytest.mark.parametrize("line", [b"GET /a", b"GET  HTTP/1.", b"FROB /a HTT", b"GET /a XTT", b"HTTP/1.1 20"])
def test_a_cut_line_that_may_be_anything_is_dropped(line):
    assert Flow().client(line).lose(0, 50).end().exchanges == []


def test_garbage_that_looks_like_a_start_line_is_no_message():
    garbage = b"ETA a_b/c/ IOST / HTTP/1.1\nConnect"
    assert Flow().client(garbage).server(b"HTTP/!.1 206 x\r\n\r\n").end().exchanges == []


def test_unanswered_request_times_out_and_its_late_response_stays_alone():
    flow = Flow().client(GET).wait(4.9)
    flow.sink.expire(flow.time_ns)
    assert flow.lines == []
    assert flow.sink.deadline_ns == 1005 * 10**9
    flow.wait(0.2)
    flow.sink.expire(flow.time_ns)
    assert flow.lines == [("GET", "/a", b"", None, None)]
    assert names(flow.exchanges[0]) == {"response_timeout"}
    assert flow.sink.deadline_ns == 0
    flow.client(b"GET /b HTTP/1.1\r\n\r\n").server(OK, b"HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n")
    assert flow.lines[1:] == [(None, None, None, 200, b"hi"), ("GET", "/b", b"", 404, b"")]


def test_time_out_happens_before_data_of_a_later_time_is_read():
    ticked = Flow().client(GET).wait(6)
    ticked.sink.expire(ticked.time_ns)
    ticked.server(OK).end()
    alone = Flow().client(GET).wait(6).server(OK).end()
    assert [everything(e) for e in ticked.exchanges] == [everything(e) for e in alone.exchanges]
    assert alone.lines == [("GET", "/a", b"", None, None), (None, None, None, 200, b"hi")]


def test_long_response_does_not_time_out_the_request_behind_it():
    flow = Flow().client(GET, GET).server(OK[:-1]).wait(20).server(OK[-1:]).wait(4).server(OK)
    assert flow.lines == [LINE, LINE]


def test_late_response_to_head_has_no_body():
    flow = Flow().client(b"HEAD /h HTTP/1.1\r\n\r\n").wait(6).client(GET)
    flow.server(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + OK)
    assert flow.lines == [("HEAD", "/h", b"", None, None), (None, None, None, 200, b""), LINE]


def test_pipeline_limit_gives_up_the_oldest():
    flow = Flow(limits=Limits(pipelined_requests=3)).client(*(b"GET /%d HTTP/1.1\r\n\r\n" % n for n in range(5)))
    assert [line[1] for line in flow.lines] == ["/0", "/1"]
    assert names(flow.exchanges[0]) == {"pipeline_limit"}
    flow.server(*(b"HTTP/1.1 20%d K\r\nContent-Length: 0\r\n\r\n" % n for n in range(5)))
    assert [(line[1], line[3]) for line in flow.lines[2:]] == [
        (None, 200),
        (None, 201),
        ("/2", 202),
        ("/3", 203),
        ("/4", 204),
    ]


# how the flow ended -> anomalies of: a body cut short, a body until the close, a request without response
ENDS: dict[str, tuple[int, set[str], set[str], set[str]]] = {
    "fin": (FIN, {"incomplete"}, set(), set()),
    "reset": (RESET, {"incomplete", "reset"}, {"incomplete", "reset"}, set()),
    "idle": (IDLE, {"incomplete"}, {"incomplete"}, {"response_timeout"}),
    "evicted": (EVICTED, {"incomplete"}, {"incomplete"}, {"response_timeout"}),
    "input": (INPUT, {"incomplete"}, {"incomplete"}, {"response_timeout"}),
}


@pytest.mark.parametrize("case", ENDS.values(), ids=ENDS)
def test_end_of_the_flow_ends_what_is_in_progress(case):
    how, counted, until_close, unanswered = case
    flow = Flow().client(GET).server(OK[:-1]).end(how)
    assert (flow.lines, names(flow.exchanges[0])) == ([("GET", "/a", b"", 200, b"h")], counted)
    flow = Flow().client(GET).server(b"HTTP/1.1 200 OK\r\n\r\nabc").end(how)
    assert (flow.lines, names(flow.exchanges[0])) == ([("GET", "/a", b"", 200, b"abc")], until_close)
    flow = Flow().client(GET).end(how)
    assert (flow.lines, names(flow.exchanges[0])) == ([("GET", "/a", b"", None, None)], unanswered)


def test_request_after_the_server_has_ended_is_emitted_when_whole():
    flow = Flow()
    flow.sink.finish(SERVER, FIN, flow.time_ns)
    flow.client(GET)
    assert flow.lines == [("GET", "/a", b"", None, None)]


def test_client_may_close_its_half_and_still_be_answered():
    flow = Flow().client(GET)
    flow.sink.finish(0, FIN, flow.time_ns)
    assert flow.server(OK).lines == [LINE]


def test_roles_are_told_by_content_when_no_syn_was_seen():
    flow = Flow(is_client_known=False).server(GET).client(OK).end()
    assert flow.lines == [LINE]
    assert (flow.exchanges[0].client, flow.exchanges[0].server) == ("10.0.0.2:80", "10.0.0.1:40000")


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_flow_joined_inside_a_body_goes_on_at_the_next_start_line(cut):
    flow = (
        Flow(is_client_known=False, cut=cut)
        .server(b'"rest": of a\n body}')
        .client(GET)
        .server(OK)
        .client(GET)
        .server(OK)
        .end()
    )
    assert flow.lines == [LINE] * 2
    assert flow.factory.not_http_bytes == len(b'"rest": of a\n body}')


def test_without_responses_requests_are_emitted_when_whole():
    flow = Flow(parse_responses=False).client(GET).server(OK).client(GET)
    assert flow.lines == [("GET", "/a", b"", None, None)] * 2
    assert (flow.factory.unanswered, flow.factory.responses, flow.sink.deadline_ns) == (0, 0, 0)
    assert flow.exchanges[0].anomalies == 0


def test_what_is_not_http_is_dropped_and_counted():
    flow = Flow()
    for _ in range(1000):
        flow.client(b"\x17\x03\x03" + b"q" * 1000 + b"\n").server(b"\x17\x03\x03" + b"z" * 1000)
    assert flow.lines == []
    assert flow.sink.held_bytes == 0
    assert flow.factory.not_http_bytes == 1000 * (1004 + 1003)


def test_held_bytes_follow_what_is_kept():
    flow = Flow().client(b"POST /p HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
    assert 50_000 <= flow.sink.held_bytes < 120_000
    flow.client(b"x" * 50_000)
    assert 100_000 <= flow.sink.held_bytes < 102_000
    flow.server(OK)
    assert flow.sink.held_bytes == 0
