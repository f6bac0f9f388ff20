"""HTTP/2 beyond requests and responses: what SETTINGS change, connections that end by GOAWAY, padding and priorities."""

from __future__ import annotations

import gzip

import hpack
import pytest
from h2.settings import SettingCodes

from tests.protocols.http2_peers import Call, Peers, frame
from tests.protocols.test_http2 import GET, OK, SWITCH, flow_of, opened
from tests.protocols.transcript import CUTS, Flow, names

PADDED, PRIORITY, END_HEADERS, END_STREAM = 0x8, 0x20, 0x4, 0x1
TOKENS = tuple((b"x-%d" % n, bytes([97 + n]) * 100) for n in range(12))
CALLS = [
    Call(
        b"POST", b"/%d" % n, headers=TOKENS[n % 3 : 8], body=b"b%d" % n, response_headers=TOKENS[n % 4 :], response_body=b"r"
    )
    for n in range(8)
]


def settled(peers: Peers, settings: dict[SettingCodes | int, int]) -> Peers:
    """Have both ends announce *settings* and acknowledge the other's."""
    peers.client.update_settings(settings)  # type: ignore[arg-type]
    peers.server.update_settings(settings)  # type: ignore[arg-type]
    peers.exchange()
    return peers


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("sizes", [(0,), (300,), (4096,), (16_384,), (65_536,), (65_536, 0, 4096), (100, 65_536)], ids=str)
def test_header_tables_of_any_size_are_followed(sizes, cut):
    peers = Peers().run(*CALLS[:2])
    for size, calls in zip(sizes, (CALLS[2:4], CALLS[4:6], CALLS[6:]), strict=False):
        settled(peers, {SettingCodes.HEADER_TABLE_SIZE: size}).run(*calls)
    flow = flow_of(peers, cut=cut)
    told = CALLS[: 2 + 2 * len(sizes)]
    assert flow.lines == [call.line for call in told]
    assert [exchange.request.headers[1:] for exchange in flow.exchanges] == [call.headers for call in told]
    assert [exchange.response.headers for exchange in flow.exchanges] == [call.response_headers for call in told]
    assert [names(exchange) for exchange in flow.exchanges] == [set()] * len(told)


def test_of_a_table_larger_than_is_kept_the_newest_entries_are_known():
    """Whoever allows a table of 1 MiB may be sent fields by entries of long ago; those read as empty, and say so."""
    peers = settled(Peers(), {SettingCodes.HEADER_TABLE_SIZE: 1 << 20})
    names_sent = [(b"x-%d" % n, b"%d" % n * 1000) for n in range(100)]
    peers.run(*(Call(path=b"/%d" % n, headers=(field,)) for n, field in enumerate(names_sent)))
    peers.run(Call(path=b"/again", headers=(names_sent[-1], names_sent[0])))
    *_, last = flow_of(peers).exchanges
    assert last.request.header(b"x-99") == names_sent[-1][1]
    assert last.request.header(b"x-0") is None
    assert names(last) >= {"hpack_unknown"}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_frames_as_large_as_settings_allow_are_read(cut):
    peers = settled(Peers(), {SettingCodes.MAX_FRAME_SIZE: (1 << 24) - 1, SettingCodes.INITIAL_WINDOW_SIZE: 1 << 24})
    for peer in (peers.client, peers.server):
        peer.increment_flow_control_window(1 << 20)
    peers.exchange()
    body, wide = b"large " * 30_000, ((b"x-wide", b"w" * 40_000),)
    peers.run(Call(b"POST", b"/p", headers=wide, body=body, response_headers=wide, response_body=body), chunk=1 << 20)
    assert max(len(chunk) for _, chunk in peers.said) > len(body)
    flow = flow_of(peers, cut=cut)
    assert flow.lines == [("POST", "/p", body, 200, body)]
    (exchange,) = flow.exchanges
    assert exchange.request.header(b"x-wide") == exchange.response.header(b"x-wide") == wide[0][1]
    assert names(exchange) == set()


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("debug", [b"", b"too many pings", b"d" * 40_000], ids=["no reason", "a reason", "a long one"])
def test_streams_open_at_a_goaway_are_answered_after_it(cut, debug):
    """A server that is about to restart finishes what it took (RFC 9113, section 6.8)."""
    block, answer = hpack.Encoder(), hpack.Encoder()
    flow = opened(cut=cut)
    for stream in (1, 3, 5):
        flow.client(frame(1, END_HEADERS | END_STREAM, stream, block.encode([*GET[:3], (":path", f"/{stream}")])))
    flow.server(frame(7, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0" + debug), frame(6, 0, 0, b"8 bytes."))
    flow.server(frame(7, 0, 0, b"\0\0\0\3\0\0\0\0" + debug))
    for stream in (1, 3):
        flow.server(frame(1, END_HEADERS, stream, answer.encode(OK)), frame(0, END_STREAM, stream, b"%d" % stream))
    flow.end()
    assert flow.lines == [("GET", "/1", b"", 200, b"1"), ("GET", "/3", b"", 200, b"3"), ("GET", "/5", b"", None, None)]
    assert [names(exchange) for exchange in flow.exchanges] == [set()] * 3
    assert flow.factory.http_errors == 0


def test_a_request_sent_after_the_goaway_is_told_all_the_same():
    flow = opened().client(frame(7, 0, 0, bytes(8))).server(frame(7, 0, 0, bytes(8)))
    flow.client(frame(1, END_HEADERS | END_STREAM, 1, hpack.Encoder().encode(GET))).end()
    assert flow.lines == [("GET", "/a", b"", None, None)]


def padded(kind: int, flags: int, stream: int, content: bytes, padding: int) -> bytes:
    return frame(kind, flags | PADDED, stream, bytes([padding]) + content + b"\0" * padding)


DEPENDENCIES = {"none": b"", "on stream 0": b"\0\0\0\0\x0f", "exclusive on stream 7": b"\x80\0\0\7\xff"}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("padding", [None, 0, 1, 255])
@pytest.mark.parametrize("dependency", DEPENDENCIES.values(), ids=DEPENDENCIES)
@pytest.mark.parametrize("parts", [1, 3])
def test_padding_and_priority_are_no_part_of_a_header_block(parts, dependency, padding, cut):
    block = hpack.Encoder().encode([*GET, ("x-long", "v" * 90)])
    pieces = [block[at : at + len(block) // parts + 1] for at in range(0, len(block), len(block) // parts + 1)]
    flags = END_STREAM | (PRIORITY if dependency else 0) | (END_HEADERS if parts == 1 else 0)
    content = dependency + pieces[0]
    first = frame(1, flags, 1, content) if padding is None else padded(1, flags, 1, content, padding)
    rest = [frame(9, END_HEADERS if at == parts - 1 else 0, 1, piece) for at, piece in enumerate(pieces) if at]
    flow = opened(cut=cut).client(first, *rest, frame(2, 0, 1, b"\0\0\0\0\x10"))
    flow.server(padded(1, END_HEADERS, 1, hpack.Encoder().encode(OK), 9), padded(0, END_STREAM, 1, b"body", 200))
    assert flow.lines == [("GET", "/a", b"", 200, b"body")]
    assert flow.exchanges[0].request.header(b"x-long") == b"v" * 90
    assert names(flow.exchanges[0]) == set()


def test_more_padding_than_there_is_frame_is_marked_and_the_block_read():
    """Servers end the connection (section 6.2); what the client meant to send is judged all the same."""
    block = hpack.Encoder().encode(GET)
    flow = opened().client(frame(1, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + block)).end()
    assert flow.lines == [("GET", "/a", b"", None, None)]
    assert "bad_frame" in names(flow.exchanges[0])


def test_more_padding_than_there_is_data_leaves_no_data():
    flow = opened().client(frame(1, END_HEADERS, 1, hpack.Encoder().encode(GET)))
    flow.client(frame(0, PADDED, 1, b"\xff" + b"hidden"), frame(0, END_STREAM, 1, b"shown")).end()
    assert flow.lines == [("GET", "/a", b"shown", None, None)]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_frames_of_extensions_are_passed_over(cut):
    """ALTSVC, ORIGIN, PRIORITY_UPDATE, and types that nobody defined (section 5.5)."""
    block, answer = hpack.Encoder(), hpack.Encoder()
    extensions = [frame(kind, 0xFF, stream, b"u=1, i" * kind) for kind in (10, 12, 16, 0x1B, 0xFA) for stream in (0, 1)]
    flow = opened(cut=cut).client(*extensions, frame(1, END_HEADERS | END_STREAM, 1, block.encode(GET)), *extensions)
    flow.server(*extensions, frame(1, END_HEADERS | END_STREAM, 1, answer.encode(OK)))
    assert flow.lines == [("GET", "/a", b"", 200, b"")]
    assert names(flow.exchanges[0]) == set()


PACKED = gzip.compress(b"the body " * 400, mtime=0)
BODIES: dict[str, tuple[bytes, bytes, bytes]] = {
    "counted": (b"Content-Length: 20000\r\n", b"n" * 20_000, b"n" * 20_000),
    "chunked": (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n2710\r\n" + b"m" * 10_000 + b"\r\n0\r\n\r\n", b"abc" + b"m" * 10_000),
    "gzip": (b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(PACKED), PACKED, b"the body " * 400),
}  # fmt: skip


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES)
def test_the_body_of_an_upgrading_request_is_that_of_stream_one(case, cut):
    """Behind the body, in HTTP/1, the client's preface follows at once (RFC 7540, section 3.2)."""
    framing, wire, body = case
    head = b"POST /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    peers = Peers(is_upgrade=True)
    peers.answer(1, Call(path=b"/up", response_body=b"one"))
    peers.run(Call(path=b"/two"))
    flow = Flow(chooses=True, cut=cut).client(head + framing + b"\r\n" + wire).server(SWITCH)
    for side, chunk in peers.said:
        flow.send(side, chunk)
    assert flow.lines == [
        ("POST", "/up", body, 101, b""),
        ("POST", "/up", body, 200, b"one"),
        ("GET", "/two", b"", 200, b""),
    ]
    assert flow.factory.not_http_bytes == 0


def test_an_upgrade_that_is_refused_stays_in_http_1():
    ask = b"POST /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    flow = (
        Flow(chooses=True)
        .client(ask + b"Content-Length: 2\r\n\r\nhi")
        .server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
    )
    flow.client(b"GET /b HTTP/1.1\r\n\r\n").server(b"HTTP/1.1 204 N\r\n\r\n")
    assert flow.lines == [("POST", "/up", b"hi", 200, b"no"), ("GET", "/b", b"", 204, b"")]
