"""WebSocket messages: the wsproto library talks, the connection has to tell what was said."""

from __future__ import annotations

import pytest
import wsproto
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import events
from wsproto.extensions import PerMessageDeflate

from tcpmirror.settings.tree import Limits
from tests.protocols.transcript import CLIENT, CUTS, RESET, SERVER, Flow, byte_by_byte, everything, names

HANDSHAKE = (
    b"GET /chat?token=1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n"
)
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
DEFLATED = ANSWER[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"


class Peers:
    """A WebSocket client and server; `said` is [(side, bytes)] in the order of sending."""

    def __init__(self, extension: PerMessageDeflate | None) -> None:
        self.said: list[tuple[int, bytes]] = []
        client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        offered = [] if extension is None else [extension]
        self.say(
            client, CLIENT, events.Request("h", "/chat?token=1", extensions=offered, extra_headers=[(b"X-Real-IP", b"a")])
        )
        server.receive_data(self.said[-1][1])
        list(server.events())
        agreed = [] if extension is None else [PerMessageDeflate(extension.client_no_context_takeover)]
        self.say(server, SERVER, events.AcceptConnection(extensions=agreed))
        client.receive_data(self.said[-1][1])
        list(client.events())
        self.peers = {CLIENT: client, SERVER: server}

    def say(self, peer: wsproto.WSConnection, side: int, event: events.Event) -> None:
        self.said.append((side, peer.send(event)))

    def message(self, side: int, content: bytes, parts: int) -> None:
        size = max(1, -(-len(content) // parts))
        chunks = [content[at : at + size] for at in range(0, len(content), size)] or [b""]
        for number, chunk in enumerate(chunks, 1):
            self.say(self.peers[side], side, events.BytesMessage(chunk, message_finished=number == len(chunks)))
            if number == 1:
                self.say(self.peers[side], side, events.Ping(b"between"))

    def flow(self, **options: object) -> Flow:
        flow = Flow(chooses=True, **options)
        for side, chunk in self.said:
            flow.send(side, chunk)
        return flow


def frame(first: int, payload: bytes, mask: bytes | None = None) -> bytes:
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    if mask is None:
        return bytes([first]) + length + payload
    length = bytes([length[0] | 0x80]) + length[1:]
    return bytes([first]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def opened(answer: bytes = ANSWER, **options: object) -> Flow:
    return Flow(chooses=True, **options).client(HANDSHAKE).server(answer)


def told(flow: Flow) -> list[tuple[int, bytes]]:
    """Return (side, content) of the messages."""
    rows = flow.exchanges[1:]
    return [(CLIENT, e.request.body) if e.response is None else (SERVER, e.response.body) for e in rows]


MESSAGES = st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=400), st.integers(1, 4)), max_size=8)
EXTENSION = st.sampled_from([None, False, True]).map(lambda no: None if no is None else PerMessageDeflate(no))


@settings(max_examples=150, deadline=None)
@given(MESSAGES, EXTENSION)
def test_what_the_library_says_is_told(messages, extension):
    peers = Peers(extension)
    for side, content, parts in messages:
        peers.message(side, content, parts)
    flow, in_bytes = peers.flow(), peers.flow(cut=byte_by_byte)
    assert told(flow) == [(side, content) for side, content, _ in messages]
    assert [everything(e) for e in flow.exchanges] == [everything(e) for e in in_bytes.exchanges]
    assert all(not e.anomalies for e in flow.exchanges[1:])
    assert (flow.factory.exchanges, flow.factory.websocket_messages) == (1, len(messages))
    assert [e.index for e in flow.exchanges] == list(range(len(messages) + 1))


def test_a_message_carries_what_tells_host_and_client_and_no_more():
    flow = opened().client(frame(0x81, b"hi", b"\1\2\3\4")).server(frame(0x81, b"there"))
    handshake, asked, answered = flow.exchanges
    assert handshake.response.status == 101
    assert asked.request.head == b"WEBSOCKET /chat HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n"
    assert (asked.host, asked.protocol, asked.request.method) == ("h", "websocket", b"WEBSOCKET")
    assert (answered.request.body, answered.response.body) == (b"", b"there")


# id -> (bytes of the client, contents told, anomalies of the last one)
ODD = {
    "not masked": (frame(0x81, b"hi"), [b"hi"], {"bad_frame"}),
    "a fragmented ping": (frame(0x09, b"", b"abcd") + frame(0x81, b"hi", b"abcd"), [b"hi"], {"bad_frame"}),
    "a continuation of nothing": (frame(0x80, b"hi", b"abcd"), [b"hi"], {"bad_frame"}),
    "a message inside another": (
        frame(0x01, b"one", b"abcd") + frame(0x81, b"two", b"abcd"),
        [b"one", b"two"],
        set(),
    ),
    "compressed without an agreement": (frame(0xC1, b"hi", b"abcd"), [b"hi"], {"bad_frame"}),
    "after Close": (frame(0x81, b"hi", b"abcd") + frame(0x88, b"", b"abcd") + frame(0x81, b"no", b"abcd"), [b"hi"], set()),
    "an unknown opcode": (frame(0x01, b"hi", b"abcd") + frame(0x83, b"x", b"abcd"), [b"hi"], {"bad_frame", "incomplete"}),
    "a reserved bit": (frame(0xA1, b"hi", b"abcd"), [], None),
    "a length beyond all": (b"\x81\xff" + b"\xff" * 12, [], None),
    "an empty message": (frame(0x81, b"", b"abcd"), [b""], set()),
    "a long one": (frame(0x82, b"x" * 70_00, b"abcd"), [b"x" * 70_00], set()),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(("data", "contents", "anomalies"), ODD.values(), ids=ODD)
def test_odd_frames(data, contents, anomalies, cut):
    flow = opened(cut=cut).client(data)
    assert [content for _, content in told(flow)] == contents
    if anomalies is not None:
        assert names(flow.exchanges[-1]) == anomalies


def test_lost_bytes_inside_a_message_cost_only_those():
    data = frame(0x81, b"0123456789", b"\1\2\3\4") + frame(0x81, b"next", b"\5\6\7\x08")
    flow = opened().client(data[:9]).lose(CLIENT, 3).client(data[12:])
    assert told(flow) == [(CLIENT, b"0126789"), (CLIENT, b"next")]
    assert names(flow.exchanges[1]) == {"gap"}


def test_lost_frames_end_the_direction_only():
    flow = opened().client(frame(0x81, b"one", b"abcd")).lose(CLIENT, 30).client(frame(0x81, b"two", b"abcd"))
    flow.server(frame(0x81, b"still")).end()
    assert told(flow) == [(CLIENT, b"one"), (SERVER, b"still")]
    assert flow.factory.not_http_bytes > 0


def test_what_depends_on_lost_compressed_bytes_is_empty():
    peers = Peers(PerMessageDeflate())
    for content in (b"first " * 20, b"second " * 20):
        peers.message(CLIENT, content, 1)
    *opening, (_, first), ping, (_, second), _ = peers.said
    flow = Flow(chooses=True)
    for side, chunk in opening:
        flow.send(side, chunk)
    flow.client(first[:8]).lose(CLIENT, 2).client(first[10:], ping[1], second)
    assert [content for _, content in told(flow)][1:] == [b""]
    assert "truncated_coding" in names(flow.exchanges[-1])


def test_a_message_is_kept_to_the_limit_and_a_bomb_is_cut():
    limits = Limits(body_bytes=1000)
    flow = opened(limits=limits).client(frame(0x82, b"x" * 5000, b"abcd"))
    assert (len(flow.exchanges[1].request.body), flow.exchanges[1].request.wire_length) == (1000, 5000)
    assert names(flow.exchanges[1]) == {"body_limit"}
    peers = Peers(PerMessageDeflate())
    peers.message(CLIENT, b"\0" * 200_000, 1)
    bomb = peers.flow(limits=limits)
    assert len(bomb.exchanges[1].request.body) == 1000
    assert "body_limit" in names(bomb.exchanges[1])


def test_a_message_that_never_ends_is_told_at_the_end():
    flow = opened().client(frame(0x01, b"part", b"abcd")).end(RESET)
    assert told(flow) == [(CLIENT, b"part")]
    assert names(flow.exchanges[1]) == {"incomplete", "reset"}


def test_only_requests_are_told_where_responses_are_not_read():
    flow = Flow(chooses=True, parse_responses=False).client(HANDSHAKE).server(ANSWER)
    assert [e.request.method for e in flow.exchanges] == [b"GET"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=80), st.sampled_from([ANSWER, DEFLATED]), st.integers(0, 40))
def test_no_bytes_raise_and_cuts_do_not_matter(client, server, answer, lost):
    rows = []
    for cut in (CUTS["whole"], byte_by_byte):
        flow = opened(answer, cut=cut).client(client).server(server).lose(CLIENT, lost).client(client).end()
        rows.append([everything(e) for e in flow.exchanges])
        assert flow.sink.held_bytes < 1000
    assert rows[0] == rows[1]
