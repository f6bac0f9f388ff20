"""Attacks that ride on a protocol other than plain HTTP/1 come out of `tcpmirror analyze` as findings."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import wsproto
from wsproto import events
from wsproto.extensions import PerMessageDeflate

from tests.decode.test_grpc import framed
from tests.decode.test_protobuf import text
from tests.processes.test_analysis import analyse
from tests.protocols.http2_peers import Call, Peers
from tests.traffic import conversation, request, response, write_capture

Turns = list[tuple[int, bytes]]
SQLI = "x' UNION SELECT password FROM users-- "


def smuggling() -> Turns:
    hidden = b"GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [(0, head % (5 + len(hidden)) + b"0\r\n\r\n" + hidden), (1, response() * 2)]


def websocket() -> Turns:
    """A compressed message in three fragments with a ping between them, from a real client."""
    client, server = wsproto.WSConnection(wsproto.ConnectionType.CLIENT), wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    turns = [(0, client.send(events.Request(host="shop.example", target="/chat", extensions=[PerMessageDeflate()])))]
    server.receive_data(turns[-1][1])
    assert any(isinstance(event, events.Request) for event in server.events())
    turns.append((1, server.send(events.AcceptConnection(extensions=[PerMessageDeflate()]))))
    client.receive_data(turns[-1][1])
    list(client.events())
    text = '{"find": "' + SQLI + '"}'
    for index, part in enumerate((text[:9], text[9:20], text[20:])):
        turns.append((0, client.send(events.TextMessage(part, message_finished=index == 2))))
        turns.append((1, server.send(events.Ping(b"still there?"))))
    return turns


def tunnel() -> Turns:
    return [
        (0, b"CONNECT shop.example:80 HTTP/1.1\r\nHost: shop.example:80\r\n\r\n"),
        (1, b"HTTP/1.1 200 OK\r\n\r\n"),
        (0, request("/files?name=../../../../etc/passwd")),
        (1, response()),
    ]


def grpc() -> Turns:
    """A call with a message inside a message, compressed, to a server that refuses it in the trailers."""
    message = text(1, text(2, SQLI.encode()))
    call = Call(
        b"POST",
        b"/shop.Users/Find",
        headers=((b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"grpc-encoding", b"gzip")),
        body=framed(gzip.compress(message), 1),
        response_headers=((b"content-type", b"application/grpc"),),
        trailers=((b"grpc-status", b"7"), (b"grpc-message", b"no")),
    )
    return Peers().run(call).said


# id -> turns of one connection, (type, point, rule prefix) of what is found
TALKS = {
    "a hidden request": (smuggling(), ("request_smuggling", ["framing"], "smuggling-cl-te")),
    "a WebSocket message": (websocket(), ("sqli", ["post", "json_doc", "hash", "find"], "")),
    "a gRPC message": (grpc(), ("sqli", ["post", "grpc", "protobuf", "1", "2"], "")),
    "inside a tunnel": (tunnel(), ("ptrav", ["get", "name"], "")),
}


@pytest.mark.parametrize("case", TALKS)
def test_an_attack_is_found(case: str, tmp_path: Path) -> None:
    turns, (kind, point, rule) = TALKS[case]
    summary, _, findings = analyse(write_capture(tmp_path / "talk.pcap", conversation(turns)))
    assert [(line["type"], line["point"]) for line in findings] == [(kind, point)]
    assert findings[0]["rule"].startswith(rule)
    assert summary["findings"] == {kind: 1}
    assert summary["losses"] == {}


def test_the_status_of_a_grpc_call_is_told_beside_that_of_http(tmp_path: Path) -> None:
    _, exchanges, _ = analyse(write_capture(tmp_path / "talk.pcap", conversation(grpc())))
    assert [(line["uri"], line["status"], line["grpc_status"]) for line in exchanges] == [("/shop.Users/Find", 200, 7)]
